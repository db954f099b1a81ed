#include "ledger/verify.h"

#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

// What verify says of a ledger whose entries are as `edit` leaves them: 0 "a", 1 a duplicate of it, 2 rejected, 3 "b".
std::vector<VerifyFinding> findings_after(void (*edit)(PartitionBatch&), const Definition& definition = make_definition()) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), definition);
  BatchMaker maker(kP0);
  maker.accepted("a", 1000).duplicate("a", Sequence(0), 2000).rejected("nonsense", 3000).accepted("b", 4000);
  PartitionBatch batch = maker.take();
  edit(batch);
  EXPECT_EQ(ledger->commit(commit_of(std::move(batch))).status(), absl::OkStatus());
  const VerifyReport report = verify_ledger(*ledger, definition, "", {}, {});
  EXPECT_EQ(report.first_bad_sequence, report.findings.empty() ? "" : report.findings[0].place);
  return report.findings;
}

void expect_finding(const std::vector<VerifyFinding>& findings, std::string_view place, std::string_view what) {
  ASSERT_FALSE(findings.empty()) << what;
  EXPECT_EQ(findings[0].place, place);
  EXPECT_NE(findings[0].what.find(what), std::string::npos) << findings[0].what;
}

TEST(Verify, IsContentWithWhatTheRulesSay) {
  EXPECT_TRUE(findings_after([](PartitionBatch&) {}).empty());
}

TEST(Verify, I5NamesAnEntryJudgedByRulesThatWereNotInForce) {
  expect_finding(findings_after([](PartitionBatch& batch) { batch.entries[3].rules_version = 2; }), "0:3", "judged by rules version 2");
}

TEST(Verify, I5NamesAVerdictOrReasonThatIsNotTheRules) {
  expect_finding(findings_after([](PartitionBatch& batch) { batch.entries[2].reason = Reason::too_deep; }), "0:2", "rejected: too_deep");
  expect_finding(findings_after([](PartitionBatch& batch) {
                   batch.entries[3].verdict = Verdict::rejected;
                   batch.entries[3].reason = Reason::not_json;
                 }),
                 "0:3", "the rules say an event");
  expect_finding(findings_after([](PartitionBatch& batch) {
                   batch.entries[2].verdict = Verdict::accepted;
                   batch.entries[2].reason = Reason::none;
                   batch.entries[2].fingerprint = fingerprint_of("/feed/test", "c");
                 }),
                 "0:2", "the rules say rejected");
}

TEST(Verify, I5NamesAFingerprintThatIsNotTheEvents) {
  expect_finding(findings_after([](PartitionBatch& batch) { batch.entries[3].fingerprint[0] ^= 1; }), "0:3", "fingerprint want");
}

TEST(Verify, I5NamesADuplicateComparedWrongly) {
  expect_finding(findings_after([](PartitionBatch& batch) { batch.entries[1].reason = Reason::different; }), "0:1",
                 "want same got different");
  // Another event under the same id: what stands beside it says "different", the entry "same".
  static std::string other;
  other.clear();
  expect_finding(findings_after([](PartitionBatch& batch) {
                   other = std::string(batch.payloads[1]);
                   other.replace(other.find("completed"), 9, "delivered");
                   batch.payloads[1] = other;
                   batch.entries[1].payload_hash = sha256(other);
                 }),
                 "0:1", "want different got same");
}

// Damage that only the second of many chunks has, found by whichever thread: what is reported does not change.
TEST(Verify, NamesTheSameFirstBadSequenceEachTime) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  BatchMaker maker(kP0);
  for (int i = 0; i < 5000; ++i) maker.accepted("e" + std::to_string(i), 1000);
  PartitionBatch batch = maker.take();
  for (const std::size_t bad : {700U, 701U, 3000U, 4999U}) batch.entries[bad].payload_hash[0] ^= 1;
  ASSERT_EQ(ledger->commit(commit_of(std::move(batch))).status(), absl::OkStatus());
  for (int round = 0; round < 5; ++round) {
    const VerifyReport report = verify_ledger(*ledger, make_definition(), "", {}, {});
    EXPECT_EQ(report.first_bad_sequence, "0:700");
    ASSERT_EQ(report.findings.size(), 4U);
    EXPECT_EQ(report.findings[3].place, "0:4999");
    EXPECT_EQ(report.entries, 5000U);
  }
}

}  // namespace
}  // namespace bukubesar
