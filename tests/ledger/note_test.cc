#include <sys/stat.h>

#include "base/file.h"
#include "ledger/proof.h"
#include "ledger/signer.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

const std::string kSeed(32, '\x07');

// Made with golang.org/x/mod/sumdb/note: the key and the note of its documentation.
constexpr const char* kForeignKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr const char* kForeignNote =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

TEST(Note, AcceptsASignatureThatForeignSoftwareMade) { EXPECT_EQ(verify_note(kForeignNote, kForeignKey), absl::OkStatus()); }

TEST(Note, RefusesAForeignNoteWithAnyByteChanged) {
  const std::string note = kForeignNote;
  // The last character before the padding carries unused bits in some alphabets: ours refuses those too.
  for (std::size_t at = 0; at + 1 < note.size(); ++at) {
    std::string changed = note;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(verify_note(changed, kForeignKey).ok()) << at;
  }
}

TEST(Note, SignsWhatItVerifies) {
  const SigningKeys keys = SigningKeys::of_seed(kSeed);
  const std::string note = keys.sign_note("test/0", checkpoint_text("test/0", 5, sha256("x")));
  EXPECT_EQ(verify_note(note, keys.verifier_key("test/0")), absl::OkStatus());
  EXPECT_FALSE(verify_note(note, keys.verifier_key("test/1")).ok());
  const auto checkpoint = parse_checkpoint(note);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->origin, "test/0");
  EXPECT_EQ(checkpoint->size, 5U);
  EXPECT_EQ(checkpoint->root, sha256("x"));
}

TEST(Note, EveryOriginHasAKeyOfItsOwn) {
  const SigningKeys keys = SigningKeys::of_seed(kSeed);
  const std::string a = keys.verifier_key("test/0");
  const std::string b = keys.verifier_key("test/1");
  EXPECT_NE(a.substr(a.rfind('+')), b.substr(b.rfind('+')));
  EXPECT_EQ(a, SigningKeys::of_seed(kSeed).verifier_key("test/0"));
}

TEST(Note, ATextWithEmptyLinesIsSignedWhole) {
  const SigningKeys keys = SigningKeys::of_seed(kSeed);
  const std::string note = keys.sign_note("n", "a\n\nb\n");
  EXPECT_EQ(verify_note(note, keys.verifier_key("n")), absl::OkStatus());
  EXPECT_FALSE(verify_note("c" + note.substr(1), keys.verifier_key("n")).ok());
}

TEST(Note, RefusesWhatIsNoNote) {
  const SigningKeys keys = SigningKeys::of_seed(kSeed);
  const std::string key = keys.verifier_key("test/0");
  const std::string note = keys.sign_note("test/0", "text\n");
  for (const std::string& bad : {std::string(), std::string("text\n"), std::string("text\n\n"), note.substr(0, note.size() - 1),
                                 "te\rxt\n" + note.substr(5), note + "x\n", std::string("\n\n")})
    EXPECT_EQ(verify_note(bad, key).code(), absl::StatusCode::kInvalidArgument) << bad;
  for (const char* bad_key : {"", "test/0", "test/0+00000000", "test/0+00000000+AAAA", "+00+"})
    EXPECT_EQ(verify_note(note, bad_key).code(), absl::StatusCode::kInvalidArgument) << bad_key;
}

TEST(Checkpoint, RefusesNumbersAndRootsThatAreNotCanonical) {
  const SigningKeys keys = SigningKeys::of_seed(kSeed);
  const std::string root = base64(as_view(sha256("x")));
  for (const std::string& text : {"o\n05\n" + root + "\n", "o\n-1\n" + root + "\n", "o\n5\n" + root.substr(1) + "\n", "\n5\n" + root + "\n",
                                  std::string("o\n5\n"), "o\n18446744073709551616\n" + root + "\n"})
    EXPECT_FALSE(parse_checkpoint(keys.sign_note("o", text)).ok()) << text;
  EXPECT_TRUE(parse_checkpoint(keys.sign_note("o", "o\n0\n" + base64(as_view(empty_root())) + "\n")).ok());
}

TEST(CutNote, ListsEveryPartitionAndParsesBack) {
  const SigningKeys keys = SigningKeys::of_seed(kSeed);
  const std::string text = cut_note_text("test", {{"test/0", 3, sha256("a")}, {"test/reference", 0, empty_root()}});
  const std::string note = keys.sign_note(cut_note_origin("test"), text);
  const auto cut = parse_cut_note(note);
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->name, "test/cut");
  ASSERT_EQ(cut->parts.size(), 2U);
  EXPECT_EQ(cut->parts[0].origin, "test/0");
  EXPECT_EQ(cut->parts[0].size, 3U);
  EXPECT_EQ(cut->parts[1].root, empty_root());
  EXPECT_FALSE(parse_checkpoint(note).ok()) << "a cut note is no checkpoint";
}

TEST(Keys, AreMadeOnceAndReadByTheOwnerOnly) {
  TemporaryDirectory directory;
  const std::string path = (directory.path() / "signing.key").string();
  ASSERT_EQ(SigningKeys::create(path), absl::OkStatus());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_EQ(SigningKeys::create(path).code(), absl::StatusCode::kFailedPrecondition);
  const auto keys = SigningKeys::load(path);
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->verifier_key("a"), SigningKeys::load(path)->verifier_key("a"));
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(SigningKeys::load(path).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SigningKeys::load(path + ".not").status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(write_file_durably(path, "bukubesar signing seed 1\nAAAA\n", 0600), absl::OkStatus());
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(SigningKeys::load(path).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TlogProof, HasTheLinesOfTheSpecificationAndParsesBack) {
  const std::string text = tlog_proof(5, {sha256("hash1"), sha256("hash2")}, "test checkpoint\n", "");
  EXPECT_EQ(text, "c2sp.org/tlog-proof@v1\nindex 5\n" + base64(as_view(sha256("hash1"))) + "\n" + base64(as_view(sha256("hash2"))) +
                      "\n\ntest checkpoint\n");
  EXPECT_EQ(tlog_proof(0, {}, "checkpoint\n", "extra"), "c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 0\n\ncheckpoint\n");
  const auto proof = parse_tlog_proof(tlog_proof(7, {sha256("a")}, "c\n", "e"));
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(proof->index, 7U);
  EXPECT_EQ(proof->extra, "e");
  EXPECT_EQ(proof->hashes, std::vector<Hash256>{sha256("a")});
  EXPECT_EQ(proof->checkpoint_note, "c\n");
  for (const char* bad : {"", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex 01\n\nc\n",
                          "c2sp.org/tlog-proof@v1\nindex 1\nx\n\nc\n", "c2sp.org/tlog-proof@v1\nextra !\nindex 1\n\nc\n"})
    EXPECT_FALSE(parse_tlog_proof(bad).ok()) << bad;
}

TEST(TlogProof, ProvesAnEntryAndNoOther) {
  const SigningKeys keys = SigningKeys::of_seed(kSeed);
  const Hash256 a = leaf_hash("a");
  const Hash256 b = leaf_hash("b");
  const std::string note = keys.sign_note("test/0", checkpoint_text("test/0", 2, node_hash(a, b)));
  const auto proof = parse_tlog_proof(tlog_proof(1, {a}, note, ""));
  ASSERT_TRUE(proof.ok());
  EXPECT_EQ(verify_tlog_proof(*proof, "b", keys.verifier_key("test/0")), absl::OkStatus());
  EXPECT_FALSE(verify_tlog_proof(*proof, "a", keys.verifier_key("test/0")).ok());
  EXPECT_FALSE(verify_tlog_proof(*proof, "b", keys.verifier_key("test/1")).ok());
}

}  // namespace
}  // namespace bukubesar
