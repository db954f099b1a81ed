#include "ledger/proof.h"

#include "ledger/verify.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

const std::string kProofSeed(32, '\x07');
const std::string kWitnessSeed(32, '\x09');
const std::string kWitness = "witness.test/1";

// A signed ledger of partition 0: `count` events, then more, each time signed.
class Proofs : public testing::Test {
 protected:
  void SetUp() override {
    ledger_ = open_ledger(directory_.ledger(), definition_);
    ASSERT_NE(ledger_, nullptr);
    grow(300);
    grow(5);
  }
  void grow(std::size_t count) {
    ASSERT_EQ(commit_events(*ledger_, kP0, count), absl::OkStatus());
    CheckpointSigner signer(*ledger_, definition_, SigningKeys::of_seed(kProofSeed));
    ASSERT_EQ(signer.sign(), absl::OkStatus());
  }
  void cosign(std::uint64_t size) {
    const std::string text = *note_text(*ledger_->checkpoint(kP0, size));
    ASSERT_EQ(ledger_->store_cosignature(kP0, size, witness_key_, witness_.cosignature_line(kWitness, text, 1'700'000'000)),
              absl::OkStatus());
  }
  [[nodiscard]] std::string prove(std::uint64_t sequence, const CheckpointChoice& choice = {}) const {
    const auto proof = prove_entry(*ledger_, kP0, Sequence(sequence), choice, true);
    EXPECT_TRUE(proof.ok()) << proof.status();
    return proof.ok() ? *proof : "";
  }

  const Definition definition_ = make_definition();
  const SigningKeys keys_ = SigningKeys::of_seed(kProofSeed);
  const SigningKeys witness_ = SigningKeys::of_seed(kWitnessSeed);
  const std::string key_ = keys_.verifier_key("test/0");
  const std::string witness_key_ = witness_.cosigner_key(kWitness);
  TemporaryDirectory directory_;
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(Proofs, OfEveryEntryHoldUnderEverySignedSize) {
  for (const std::uint64_t size : {300U, 305U})
    for (std::uint64_t sequence = 0; sequence < size; ++sequence) {
      const CheckReport report = check_file(prove(sequence, {size, false}), {key_});
      ASSERT_EQ(report.result, CheckResult::holds) << sequence << " under " << size << ": " << report.sentences.back();
      EXPECT_EQ(report.kind, "entry");
    }
}

TEST_F(Proofs, WithAnyByteChangedIsRefused) {
  const std::string proof = prove(299);
  for (std::size_t at = 0; at < proof.size(); ++at) {
    std::string changed = proof;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_NE(check_file(changed, {key_}).result, CheckResult::holds) << "byte " << at;
  }
}

TEST_F(Proofs, BeyondTheEndOrUnderNoCheckpointSayWhere) {
  EXPECT_EQ(prove_entry(*ledger_, kP0, Sequence(305), {}, true).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(prove_entry(*ledger_, kP0, Sequence(302), {300, false}, true).status().code(), absl::StatusCode::kOutOfRange);
  const absl::Status none = prove_entry(*ledger_, kP0, Sequence(0), {301, false}, true).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(none.message().find("before it has size 300"), absl::string_view::npos) << none;
  EXPECT_NE(none.message().find("next one 305"), absl::string_view::npos) << none;
  EXPECT_EQ(prove_entry(*ledger_, kP0, Sequence(0), {{}, true}, true).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Proofs, AreToldApartFromThoseOfAnotherLedgerAndOfAnotherKey) {
  const std::string proof = prove(3);
  EXPECT_EQ(check_file(proof, {keys_.verifier_key("other/0")}).result, CheckResult::other_ledger);
  EXPECT_EQ(check_file(proof, {witness_.verifier_key("test/0")}).result, CheckResult::not_signed);
  EXPECT_EQ(check_file(proof, {key_, witness_key_}).result, CheckResult::not_signed);
  EXPECT_EQ(check_file(proof, {keys_.verifier_key("test/cut"), key_}).result, CheckResult::holds)
      << "keys of other origins may stand beside";
  EXPECT_EQ(check_file("no proof\n", {key_}).result, CheckResult::damaged);
  EXPECT_EQ(check_file("", {key_}).result, CheckResult::damaged);
}

TEST_F(Proofs, CarryTheCosignaturesOfTheirCheckpoint) {
  cosign(300);
  const CheckReport report = check_file(prove(3, {{}, true}), {key_, witness_key_});
  EXPECT_EQ(report.result, CheckResult::holds) << report.sentences.back();
  EXPECT_EQ(report.sentences[1], "cosigned by witness.test/1 at 2023-11-14T22:13:20Z");
}

TEST_F(Proofs, ACosignatureThatDoesNotHoldIsNotStored) {
  const std::string text = *note_text(*ledger_->checkpoint(kP0, 300));
  const std::string of_300 = witness_.cosignature_line(kWitness, text, 1'700'000'000);
  EXPECT_FALSE(ledger_->store_cosignature(kP0, 305, witness_key_, of_300).ok()) << "of another size";
  EXPECT_FALSE(ledger_->store_cosignature(kP0, 300, keys_.cosigner_key(kWitness), of_300).ok()) << "by another key";
  EXPECT_FALSE(ledger_->store_cosignature(kP0, 300, key_, of_300).ok()) << "by the key of a log";
  EXPECT_EQ(ledger_->store_cosignature(kP0, 301, witness_key_, of_300).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ledger_->newest_cosigned_checkpoint(kP0)->has_value());
}

TEST_F(Proofs, CosignaturesOutliveARestartAndAreVerified) {
  cosign(300);
  cosign(305);
  const std::string before = *ledger_->checkpoint(kP0, 305);
  ledger_.reset();
  ledger_ = open_ledger(directory_.ledger(), definition_);
  EXPECT_EQ(*ledger_->checkpoint(kP0, 305), before);
  EXPECT_EQ(verify_note(before, witness_key_), absl::OkStatus());
  EXPECT_EQ(**ledger_->newest_checkpoint(kP0), before);
  const VerifyReport report = verify_ledger(*ledger_, definition_, "", {}, {});
  EXPECT_TRUE(report.ok()) << report.findings.front().place << ": " << report.findings.front().what;
}

TEST_F(Proofs, OfConsistencyHoldBetweenAnyTwoSignedSizes) {
  grow(211);
  const auto sizes = ledger_->checkpoint_sizes(kP0, ~std::uint64_t{0}, 100);
  ASSERT_EQ(*sizes, (std::vector<std::uint64_t>{516, 305, 300}));
  for (const std::uint64_t newer : *sizes)
    for (const std::uint64_t older : *sizes) {
      const auto proof = prove_consistency(*ledger_, kP0, older, newer);
      ASSERT_EQ(proof.ok(), older <= newer);
      if (!proof.ok()) continue;
      const CheckReport report = check_file(*proof, {key_});
      EXPECT_EQ(report.result, CheckResult::holds) << older << " … " << newer << ": " << report.sentences.back();
      EXPECT_EQ(report.kind, "consistency");
      for (std::size_t at = 0; at < proof->size(); at += 3) {
        std::string changed = *proof;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_NE(check_file(changed, {key_}).result, CheckResult::holds) << "byte " << at;
      }
    }
}

TEST_F(Proofs, OfCutNotesAndCheckpointsAreReadToo) {
  const std::string cut = **ledger_->newest_cut_note();
  EXPECT_EQ(check_file(cut, {keys_.verifier_key("test/cut")}).kind, "cut note");
  EXPECT_EQ(check_file(cut, {keys_.verifier_key("test/cut")}).result, CheckResult::holds);
  EXPECT_EQ(check_file(cut, {key_}).result, CheckResult::other_ledger);
  const CheckReport checkpoint = check_file(*ledger_->checkpoint(kP0, 305), {key_});
  EXPECT_EQ(checkpoint.kind, "checkpoint");
  EXPECT_EQ(checkpoint.result, CheckResult::holds);
}

TEST(Cosignature, IsWhatForeignSoftwareMakesAndReads) {
  // C2SP tlog-cosignature: the message names version and time, the key id has type 04.
  const SigningKeys keys = SigningKeys::of_seed(kWitnessSeed);
  const std::string note =
      SigningKeys::of_seed(kProofSeed).sign_note("test/0", "test/0\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
  const std::string text = *note_text(note);
  const std::string cosigned = note + keys.cosignature_line("w", text, 1);
  EXPECT_EQ(verify_note(cosigned, keys.cosigner_key("w")), absl::OkStatus());
  EXPECT_EQ(verify_note(cosigned, keys.verifier_key("w")).code(), absl::StatusCode::kFailedPrecondition) << "the types have different ids";
  EXPECT_EQ(verify_note(note, keys.cosigner_key("w")).code(), absl::StatusCode::kFailedPrecondition);
  const auto signatures = note_signatures(cosigned);
  ASSERT_EQ(signatures->size(), 2U);
  EXPECT_EQ((*signatures)[1].cosigned_at_s, 1U);
  EXPECT_FALSE((*signatures)[0].cosigned_at_s.has_value());
}

}  // namespace
}  // namespace bukubesar
