// Erasure: the payload goes, from the files too; entry, root, proofs and verdicts of later copies stay. And copies of a ledger that runs.
#include <fstream>
#include <random>

#include "base/cancellation.h"
#include "base/file.h"
#include "base/status.h"
#include "events/event_digest.h"
#include "ledger/heads_file.h"
#include "ledger/rows.h"
#include "ledger/verify.h"
#include "tests/child.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

using testing_support::exit_code_of_child;
using testing_support::FullDisk;

namespace fs = std::filesystem;

// Bytes that no compressor makes shorter, and so many that it stores them as they are: files can be searched for them.
std::string marker(unsigned seed) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < 64U << 10) text.push_back(static_cast<char>(random()));
  return text;
}

std::vector<std::string> files_that_hold(const fs::path& directory, const std::string& text) {
  std::vector<std::string> found;
  for (const auto& file : fs::recursive_directory_iterator(directory)) {
    if (!file.is_regular_file()) continue;
    const auto content = read_file(file.path().string());
    // Any 24 bytes of it are too many: a log cuts it into pieces.
    for (std::size_t at = 0; content.ok() && at + 24 <= text.size(); at += 4096)
      if (content->find(text.substr(at, 24)) != std::string::npos) {
        found.push_back(file.path().filename().string());
        break;
      }
  }
  return found;
}

std::string redaction_payload(std::string_view target) {
  return payload_of(target,
                    fmt::format(R"({{"specversion":"1.0","type":"id.bukubesar.ledger.redacted.v1","source":"/feed/law","id":"r-{0}",)"
                                R"("subject":"{0}","data":{{"salt":"00","ground":"law","authority":"office"}}}})",
                                target));
}

// An entry of the reference partition that asks for the erasure of `target`.
void commit_redaction(Ledger& ledger, std::string_view target) {
  const PartitionHead head = ledger.head(PartitionId::reference());
  const std::string payload = redaction_payload(target);
  PartitionBatch batch;
  batch.partition = PartitionId::reference();
  batch.first = Sequence(head.size);
  batch.epoch = head.epoch;
  Entry entry;
  entry.verdict = Verdict::accepted;
  entry.rules_version = 1;
  entry.offset = head.next_offset;
  entry.payload_size = static_cast<std::uint32_t>(payload.size());
  entry.payload_hash = sha256(payload);
  entry.fingerprint = fingerprint_of("/feed/law", fmt::format("r-{}", target));
  batch.entries.push_back(entry);
  batch.payloads.push_back(payload);
  batch.next_offset = head.next_offset + 1;
  ASSERT_TRUE(ledger.commit(commit_of(std::move(batch))).ok());
}

Redaction redaction_of(const Ledger& ledger, Sequence sequence, std::uint64_t by) {
  Redaction redaction;
  redaction.by = Sequence(by);
  const auto payload = ledger.read_payload(kP0, sequence);
  EXPECT_TRUE(payload.ok());
  redaction.event_digest = event_digest(*payload);
  redaction.substitute = *payload;  // the rules still see an event with this source and id
  return redaction;
}

// One rejected payload with the marker, among accepted ones.
void commit_with_marker(Ledger& ledger, const std::string& text) {
  ASSERT_TRUE(commit_events(ledger, kP0, 300).ok());
  BatchMaker maker(kP0, ledger.head(kP0));
  maker.accepted("before", 400'000).rejected(text, 401'000).accepted("after", 402'000);
  ASSERT_TRUE(ledger.commit(commit_of(maker.take())).ok());
  ASSERT_TRUE(commit_events(ledger, kP0, 300, "f").ok());
}

TEST(Redaction, TakesAPayloadOutOfTheFilesAndLeavesEntryRootAndProofs) {
  TemporaryDirectory directory;
  const std::string text = marker(1);
  Hash256 root;
  {
    auto ledger = open_ledger(directory.ledger(), make_definition());
    commit_with_marker(*ledger, text);
    ASSERT_TRUE(ledger->flush().ok());
    ASSERT_TRUE(commit_events(*ledger, kP0, 50, "g").ok());  // in the log still
    commit_redaction(*ledger, "0/301");
    root = ledger->head(kP0).root;
    ASSERT_FALSE(files_that_hold(directory.path(), text).empty());
    const auto leaf_before = ledger->entry_bundle(kP0, 1, 256);
    const auto proof = ledger->inclusion_proof(kP0, Sequence(301), ledger->head(kP0).size);
    Redaction redaction;
    redaction.by = Sequence(0);
    ASSERT_TRUE(ledger->redact(kP0, Sequence(301), redaction).ok());
    ASSERT_TRUE(ledger->finish_redactions().ok());
    EXPECT_EQ(files_that_hold(directory.path(), text), std::vector<std::string>());
    EXPECT_EQ(*ledger->entry_bundle(kP0, 1, 256), *leaf_before);
    EXPECT_EQ(*ledger->inclusion_proof(kP0, Sequence(301), ledger->head(kP0).size), *proof);
    EXPECT_EQ(*ledger->root(kP0, ledger->head(kP0).size), root);
    const auto gone = ledger->read_payload(kP0, Sequence(301));
    EXPECT_EQ(gone.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(message_of(gone.status()).find("reference:0"), std::string::npos) << gone.status();
    EXPECT_TRUE(ledger->read_payload(kP0, Sequence(300)).ok());
    EXPECT_TRUE(ledger->read_payload(kP0, Sequence(302)).ok());
    EXPECT_EQ(ledger->redact(kP0, Sequence(301), redaction).code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ledger->redact(kP0, Sequence(9'999), redaction).code(), absl::StatusCode::kOutOfRange);
  }
  auto ledger = open_ledger(directory.ledger(), make_definition());
  EXPECT_EQ(ledger->head(kP0).root, root);
  ASSERT_NE(ledger->redaction(kP0, Sequence(301)), nullptr);
  EXPECT_TRUE(ledger->redaction(kP0, Sequence(301))->gone);
  EXPECT_EQ(files_that_hold(directory.path(), text), std::vector<std::string>());
  const VerifyReport report = verify_ledger(*ledger, make_definition(), "", {}, {});
  EXPECT_TRUE(report.ok()) << report.findings.front().place << ": " << report.findings.front().what;
  EXPECT_EQ(report.redacted, 1U);
}

TEST(Redaction, ThatWasCutOffGoesOnAtTheNextStart) {
  TemporaryDirectory directory;
  const std::string text = marker(2);
  {
    auto ledger = open_ledger(directory.ledger(), make_definition());
    commit_with_marker(*ledger, text);
    commit_redaction(*ledger, "0/301");
    ASSERT_TRUE(ledger->redact(kP0, Sequence(301), Redaction{}).ok());
  }  // closed before the files were rewritten
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_NE(ledger->redaction(kP0, Sequence(301)), nullptr);
  EXPECT_FALSE(ledger->redaction(kP0, Sequence(301))->gone);
  ASSERT_TRUE(ledger->finish_redactions().ok());
  EXPECT_TRUE(ledger->redaction(kP0, Sequence(301))->gone);
  EXPECT_EQ(files_that_hold(directory.path(), text), std::vector<std::string>());
}

// A start after a power loss can leave a log that RocksDB needs no more and looks for hours later.
TEST(Redaction, TakesAPayloadOutOfALogThatNobodyNeeds) {
  TemporaryDirectory directory;
  const std::string text = marker(4);
  auto ledger = open_ledger(directory.ledger(), make_definition());
  commit_with_marker(*ledger, text);
  commit_redaction(*ledger, "0/301");
  const std::vector<std::string> logs = files_that_hold(directory.path(), text);
  ASSERT_EQ(logs.size(), 1U);
  const std::string forgotten = directory.ledger() + "/000001.log";
  ASSERT_TRUE(fs::copy_file(directory.ledger() + "/" + logs.front(), forgotten));
  ASSERT_TRUE(ledger->redact(kP0, Sequence(301), Redaction{}).ok());
  const absl::Status finished = ledger->finish_redactions();
  EXPECT_TRUE(finished.ok()) << finished;
  EXPECT_FALSE(fs::exists(forgotten));
  EXPECT_EQ(files_that_hold(directory.path(), text), std::vector<std::string>());
}

TEST(Redaction, IsFinishedTogetherWithOthersAndAStopLeavesThemForLater) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  const std::vector<std::uint64_t> places = {0, 301};
  for (const std::uint64_t place : places) {
    BatchMaker maker(kP0, ledger->head(kP0));
    maker.rejected(marker(static_cast<unsigned>(place)), static_cast<std::int64_t>(place + 2) * 1000);
    ASSERT_TRUE(ledger->commit(commit_of(maker.take())).ok());
    ASSERT_TRUE(commit_events(*ledger, kP0, 300, fmt::format("e{}", place)).ok());
  }
  ASSERT_TRUE(ledger->flush().ok());
  for (const std::uint64_t place : places) ASSERT_TRUE(ledger->redact(kP0, Sequence(place), Redaction{}).ok());
  {
    const ComputesFor stopped(std::make_shared<std::atomic<bool>>(true));
    EXPECT_TRUE(absl::IsCancelled(ledger->finish_redactions()));
  }
  for (const std::uint64_t place : places) EXPECT_FALSE(ledger->redaction(kP0, Sequence(place))->gone);
  ASSERT_TRUE(ledger->finish_redactions().ok());
  for (const std::uint64_t place : places) {
    EXPECT_TRUE(ledger->redaction(kP0, Sequence(place))->gone);
    EXPECT_EQ(files_that_hold(directory.path(), marker(static_cast<unsigned>(place))), std::vector<std::string>());
  }
}

// In a process of its own, whose files may not grow: what is known of the erasure in doubt is what was stored, once it has been read back.
TEST(Redaction, InDoubtIsReadBackBeforeAnythingIsJudgedByIt) {
  TemporaryDirectory directory;
  const int code = exit_code_of_child([&] {
    auto ledger = Ledger::open({directory.ledger(), false, {}}, make_definition());
    if (!ledger.ok() || !commit_events(**ledger, kP0, 100).ok()) return 1;
    commit_redaction(**ledger, "0/7");
    {
      const FullDisk full(1024);
      if ((*ledger)->redact(kP0, Sequence(7), redaction_of(**ledger, Sequence(7), 0)).code() != absl::StatusCode::kUnavailable) return 3;
      if ((*ledger)->writable().ok() || commit_events(**ledger, kP0, 1).ok() || (*ledger)->finish_redactions().ok()) return 4;
    }
    if (!(*ledger)->reopen().ok() || !(*ledger)->writable().ok()) return 5;
    const auto run = (*ledger)->read(kP0, Sequence(7), 1);
    const bool erased = (*ledger)->redaction(kP0, Sequence(7)) != nullptr;
    if (!run.ok() || run->entries[0].payload.has_value() == erased) return 6;
    if (erased) return 7;  // the log could not take a byte of it
    if (!(*ledger)->redact(kP0, Sequence(7), redaction_of(**ledger, Sequence(7), 0)).ok() || !(*ledger)->finish_redactions().ok()) return 8;
    return verify_ledger(**ledger, make_definition(), "", {}, {}).ok() ? 0 : 9;
  });
  EXPECT_EQ(code, 0);
}

TEST(Redaction, OfNobodyIsFoundByVerify) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  commit_with_marker(*ledger, marker(3));
  commit_redaction(*ledger, "0/300");  // of another entry
  ASSERT_TRUE(ledger->redact(kP0, Sequence(301), Redaction{}).ok());
  const VerifyReport report = verify_ledger(*ledger, make_definition(), "", {}, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.findings.front().place, "0:301");
  EXPECT_NE(report.findings.front().what.find("is no redaction of it"), std::string::npos) << report.findings.front().what;
}

TEST(Redaction, LeavesWhatLaterCopiesAreComparedWith) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  BatchMaker maker(kP0, ledger->head(kP0));
  maker.accepted("one", 1'000).duplicate("one", Sequence(0), 2'000);
  ASSERT_TRUE(ledger->commit(commit_of(maker.take())).ok());
  commit_redaction(*ledger, "0/0");
  ASSERT_TRUE(ledger->redact(kP0, Sequence(0), redaction_of(*ledger, Sequence(0), 0)).ok());
  ASSERT_TRUE(verify_ledger(*ledger, make_definition(), "", {}, {}).ok());
  const auto run = ledger->read(kP0, Sequence(0), 2);
  ASSERT_TRUE(run.ok());
  EXPECT_FALSE(run->entries[0].payload);
  ASSERT_TRUE(run->entries[0].folded());
  EXPECT_EQ(event_digest(*run->entries[1].payload), run->entries[0].redaction->event_digest);
}

TEST(Redaction, EventDigestsAreEqualWhereEventsAreTheSame) {
  const std::string structured = R"({"specversion":"1.0","id":"a"})";
  const Header type{"content-type", "application/cloudevents+json"};
  const Header a{"ce_id", "a"};
  const Header b{"ce_type", "t"};
  const Header other{"traceparent", "x"};
  const std::vector<std::string> payloads = {
      encode_payload("k", {}, structured),
      encode_payload("another key", {&type, 1}, structured),
      encode_payload("k", std::array{a, b}, structured),
      encode_payload("k", std::array{b, other, a}, structured),
      encode_payload("k", std::array{a}, structured),
      encode_payload("k", {}, R"({"specversion":"1.0","id":"b"})"),
  };
  for (std::size_t i = 0; i < payloads.size(); ++i)
    for (std::size_t j = 0; j < payloads.size(); ++j)
      EXPECT_EQ(event_digest(payloads[i]) == event_digest(payloads[j]), same_event(payloads[i], payloads[j])) << i << " and " << j;
}

TEST(Ledger, AFrozenCopyIsWholeAndStaysAsItWas) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_TRUE(commit_events(*ledger, kP0, 300).ok());
  ASSERT_TRUE(ledger->record_heads(true).ok());
  const PartitionHead then = ledger->head(kP0);
  const std::string frozen = (directory.path() / "frozen").string();
  ASSERT_TRUE(ledger->freeze(frozen).ok());
  EXPECT_FALSE(ledger->freeze(frozen).ok());  // it is there
  ASSERT_TRUE(commit_events(*ledger, kP0, 300).ok());
  auto copy = open_ledger(frozen + "/ledger", make_definition(), /*read_only=*/true);
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->head(kP0).size, then.size);
  EXPECT_EQ(copy->head(kP0).root, then.root);
  EXPECT_FALSE(copy->shorter_than_recorded());
  EXPECT_TRUE(verify_ledger(*copy, make_definition(), "", {}, {}).ok());
}

TEST(Ledger, I9WhatOthersRememberIsExpectedHere) {
  TemporaryDirectory directory;
  const Definition definition = make_definition();
  Hash256 root;
  {
    TemporaryDirectory longer;
    auto ledger = open_ledger(longer.ledger(), definition);
    ASSERT_TRUE(commit_events(*ledger, kP0, 30).ok());
    root = ledger->head(kP0).root;
  }
  auto ledger = open_ledger(directory.ledger(), definition);
  ASSERT_TRUE(commit_events(*ledger, kP0, 20).ok());
  const Hash256 own = ledger->head(kP0).root;
  EXPECT_TRUE(ledger->expect(kP0, 20, own, "a friend").ok());
  EXPECT_FALSE(ledger->shorter_than_recorded());
  EXPECT_EQ(ledger->expect(kP0, 20, root, "a friend").code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(ledger->expect(kP0, 30, root, "a friend").ok());
  EXPECT_TRUE(ledger->shorter_than_recorded());
  EXPECT_EQ(ledger->freeze((directory.path() / "frozen").string()).code(), absl::StatusCode::kFailedPrecondition);
  ledger.reset();  // remembered across a start
  ledger = open_ledger(directory.ledger(), definition);
  EXPECT_TRUE(ledger->shorter_than_recorded());
  ASSERT_TRUE(commit_events(*ledger, kP0, 10).ok());
  EXPECT_FALSE(ledger->shorter_than_recorded());
}

}  // namespace
}  // namespace bukubesar
