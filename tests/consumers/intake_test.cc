#include "consumers/intake.h"

#include <atomic>
#include <map>
#include <random>
#include <set>

#include "events/payload.h"
#include "tests/child.h"
#include "tests/consumers/node.h"

namespace bukubesar {
namespace {

using testing_support::exit_code_of_child;
using testing_support::expect_complete;
using testing_support::FullDisk;
using testing_support::Node;
using testing_support::purchase_json;
using testing_support::purchase_record;
using testing_support::Receipts;
using testing_support::wait_until;

TEST(Intake, AnswersWithTheEntryThatHoldsTheEvent) {
  Node node("answers");
  ASSERT_NO_FATAL_FAILURE(node.open());
  const Receipts receipts = node.publish({purchase_record(1, "a"), purchase_record(2, "b")});
  ASSERT_EQ(receipts.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(receipts[i].ok()) << receipts[i].status();
    EXPECT_EQ(receipts[i]->verdict, Verdict::accepted);
    EXPECT_EQ(receipts[i]->sequence, Sequence(i));
    EXPECT_EQ(receipts[i]->offset, Offset(static_cast<std::int64_t>(i)));
  }
  const auto payload = node.ledger->read_payload(PartitionId(0), Sequence(1));
  ASSERT_TRUE(payload.ok()) << payload.status();
  const std::vector<Header> headers = {{"content-type", "application/cloudevents+json"}};
  EXPECT_EQ(*payload, encode_payload("e-katalog-6/P2", headers, purchase_json(2, "b")));
}

// The exit code of the child of the test below; 0: all went as it should.
int open_a_refused_store_anew() {
  Node node("never_started");
  node.create_definition();
  auto definition = DefinitionFile::load(node.definition_path());
  if (!definition.ok()) return 1;
  auto ledger = Ledger::open({node.config.data_dir + "/ledger", false, {}}, definition->definition());
  if (!ledger.ok()) return 2;
  IntakeOptions options;
  options.config = &node.config;
  options.definition = &*definition;
  options.ledger = ledger->get();
  Intake intake(std::move(options));
  intake.refuse_to_start("a reason");
  const std::string note(64U << 10, 'n');
  {
    const FullDisk full(1U << 20);
    while ((*ledger)->store_checkpoints({}, Cut(), note).ok()) {
    }
    if ((*ledger)->writable().ok()) return 4;
  }
  if (!wait_until([&] { return (*ledger)->writable().ok(); })) return 5;
  if (!(*ledger)->store_checkpoints({}, Cut(), note).ok()) return 6;
  for (const SourceStatus& source : intake.sources())
    if (source.state != SourceState::stopped || source.why != "a reason") return 7;
  intake.stop();
  return 0;
}

// In a process of its own, whose files may not grow for a while: the intake never started, but the signer's writes go on once there is
// room.
TEST(Intake, OpensARefusedStoreAnewThoughItReadsNothing) { EXPECT_EQ(exit_code_of_child(open_a_refused_store_anew), 0); }

TEST(Intake, NamesTheFirstCopyOfADuplicate) {
  Node node("duplicates");
  ASSERT_NO_FATAL_FAILURE(node.open());
  // Within one batch, then against the ledger.
  const Receipts together = node.publish({purchase_record(1, "a"), purchase_record(1, "a"), purchase_record(1, "a", "7.00")});
  ASSERT_EQ(together.size(), 3U);
  EXPECT_EQ(together[0]->verdict, Verdict::accepted);
  EXPECT_EQ(together[1]->reason, Reason::same);
  EXPECT_EQ(together[1]->duplicate_of, together[0]->sequence);
  EXPECT_EQ(together[2]->reason, Reason::different);
  const Receipts later = node.publish({purchase_record(1, "a"), purchase_record(1, "a", "9.00")});
  EXPECT_EQ(later[0]->reason, Reason::same);
  EXPECT_EQ(later[1]->reason, Reason::different);
  EXPECT_EQ(later[1]->duplicate_of, together[0]->sequence);
}

TEST(Intake, KeepsARejectedRecordAndTakesTheEventAgain) {
  Node node("rejects");
  ASSERT_NO_FATAL_FAILURE(node.open());
  OutgoingRecord broken = purchase_record(1, "a");
  broken.value = "no json";
  OutgoingRecord wrong_key = purchase_record(1, "a");
  wrong_key.key = "e-katalog-6/P2";
  OutgoingRecord no_value = purchase_record(1, "a");
  no_value.value.reset();
  const Receipts receipts = node.publish({broken, wrong_key, no_value, purchase_record(1, "a")});
  ASSERT_EQ(receipts.size(), 4U);
  EXPECT_EQ(receipts[0]->verdict, Verdict::rejected);
  EXPECT_EQ(receipts[1]->reason, Reason::key_mismatch);
  EXPECT_EQ(receipts[2]->reason, Reason::null_value);
  EXPECT_EQ(receipts[3]->verdict, Verdict::accepted);
  EXPECT_EQ(node.intake->stats().reasons.size(), 3U);
}

TEST(Intake, RoutesByKeyToThePartitionThatTheRulesExpect) {
  Node node("routes", 4);
  ASSERT_NO_FATAL_FAILURE(node.open());
  std::vector<OutgoingRecord> records;
  for (int i = 0; i < 200; ++i) records.push_back(purchase_record(i, "id" + std::to_string(i)));
  const Receipts receipts = node.publish(std::move(records));
  std::uint64_t used = 0;
  for (const auto& receipt : receipts) {
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->verdict, Verdict::accepted) << name_of(receipt->reason);
  }
  for (std::uint32_t i = 0; i < 4; ++i) used += node.head(PartitionId(i)).size > 0 ? 1 : 0;
  EXPECT_EQ(used, 4U);
}

// I3 Complete: every offset is an entry or in a gap, in each epoch, over restarts.
TEST(Invariant, I3Complete) {
  Node node("i3");
  std::uint64_t published = 0;
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(node.open());
    for (int i = 0; i < 5; ++i) {
      const int number = round * 100 + i;
      std::vector<OutgoingRecord> records = {purchase_record(number, "i" + std::to_string(number)), purchase_record(number, "first")};
      records.back().value = i % 2 == 0 ? std::optional<std::string>("not json") : std::nullopt;
      published += records.size();
      ASSERT_EQ(node.publish(std::move(records)).size(), 2U);
    }
    expect_complete(node);
    const PartitionHead head = node.head();
    EXPECT_EQ(head.counts.statements, static_cast<std::uint64_t>(round));
    EXPECT_EQ(head.records, published);
    EXPECT_EQ(head.gap_offsets, 0U);
    node.close();
  }
}

// I4 Exactly once: however often an event is sent, over restarts too, one entry is accepted for it.
TEST(Invariant, I4ExactlyOnce) {
  const auto seed = static_cast<std::mt19937::result_type>(std::random_device()());
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  Node node("i4", 2);
  std::map<std::string, int> sent;
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(node.open());
    for (int request = 0; request < 20; ++request) {
      std::vector<OutgoingRecord> records;
      for (int i = 0; i < 50; ++i) {
        const int number = static_cast<int>(random() % 400);
        records.push_back(purchase_record(number, "id" + std::to_string(number)));
        ++sent["id" + std::to_string(number)];
      }
      for (const auto& receipt : node.publish(std::move(records))) ASSERT_TRUE(receipt.ok()) << receipt.status();
    }
    node.close();
  }
  ASSERT_NO_FATAL_FAILURE(node.open());
  std::uint64_t accepted = 0, duplicate = 0;
  for (const PartitionId partition : {PartitionId(0), PartitionId(1)}) {
    std::set<Fingerprint> seen;
    for (const Entry& entry : node.entries(partition)) {
      if (entry.verdict == Verdict::none) continue;
      EXPECT_EQ(seen.insert(entry.fingerprint).second, entry.verdict == Verdict::accepted);
    }
    accepted += node.head(partition).counts.accepted;
    duplicate += node.head(partition).counts.duplicate;
  }
  EXPECT_EQ(accepted, sent.size());
  EXPECT_EQ(accepted + duplicate, 3U * 20U * 50U);
}

TEST(EmbeddedBroker, EachStartAfterRecordsBeginsAnEpochWithAStatement) {
  Node node("epochs");
  ASSERT_NO_FATAL_FAILURE(node.open());
  ASSERT_EQ(node.head().size, 0U);  // epoch 0 has a line and no entry
  ASSERT_TRUE(node.publish({purchase_record(1, "a")})[0].ok());
  const Hash256 root = node.head().root;
  node.close();
  ASSERT_NO_FATAL_FAILURE(node.open());
  const std::vector<Entry> entries = node.entries();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[1].kind, EntryKind::source_statement);
  EXPECT_EQ(entries[1].epoch, Epoch(1));
  EXPECT_EQ(entries[1].offset, kNoOffset);
  const SourceStatement* const statement = node.definition->definition().source_of(PartitionId(0));
  EXPECT_EQ(statement->size, 1U);
  EXPECT_EQ(statement->root, std::string(reinterpret_cast<const char*>(root.data()), root.size()));
  const auto payload = node.ledger->read_payload(PartitionId(0), Sequence(1));
  ASSERT_TRUE(payload.ok()) << payload.status();
  EXPECT_EQ(*payload, encode_payload(std::nullopt, {}, statement->line));
  // The reference partition holds nothing, so its epoch 0 is used again.
  EXPECT_EQ(node.head(PartitionId::reference()).size, 0U);
}

TEST(EmbeddedBroker, AStartWithoutRecordsAddsNothing) {
  Node node("idle");
  for (int i = 0; i < 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(node.open());
    EXPECT_EQ(node.head().size, 0U);
    EXPECT_EQ(node.definition->definition().sources.size(), 2U);
    node.close();
  }
}

TEST(EmbeddedBroker, ALineWithoutItsEntryIsCommittedByTheNextStart) {
  Node node("crash");
  ASSERT_NO_FATAL_FAILURE(node.open());
  ASSERT_TRUE(node.publish({purchase_record(1, "a")})[0].ok());
  // What a start does, up to a crash between the line and the entry.
  SourceStatement next = *node.definition->definition().source_of(PartitionId(0));
  next.epoch = Epoch(1);
  next.size = node.head().size;
  const Hash256 root = node.head().root;
  next.root.assign(reinterpret_cast<const char*>(root.data()), root.size());
  node.intake->stop();
  ASSERT_TRUE(node.definition->append(to_line(next)).ok());
  node.close();
  ASSERT_NO_FATAL_FAILURE(node.open());
  EXPECT_EQ(node.head().size, 2U);
  EXPECT_EQ(node.head().epoch, Epoch(1));
  EXPECT_EQ(node.definition->definition().source_of(PartitionId(0))->epoch, Epoch(1));
  const Receipts receipts = node.publish({purchase_record(1, "a")});
  EXPECT_EQ(receipts[0]->verdict, Verdict::duplicate);
  EXPECT_EQ(receipts[0]->epoch, Epoch(1));
  expect_complete(node);
}

TEST(EmbeddedBroker, RefusesADefinitionOfARealCluster) {
  Node node("othercluster");
  ASSERT_NO_FATAL_FAILURE(node.open());
  ASSERT_TRUE(node.publish({purchase_record(1, "a")})[0].ok());
  SourceStatement next = *node.definition->definition().source_of(PartitionId(0));
  next.epoch = Epoch(1);
  next.cluster = "kafka-cluster";
  next.size = node.head().size;
  const Hash256 root = node.head().root;
  next.root.assign(reinterpret_cast<const char*>(root.data()), root.size());
  node.intake->stop();
  ASSERT_TRUE(node.definition->append(to_line(next)).ok());
  node.close();
  ASSERT_NO_FATAL_FAILURE(node.open());
  EXPECT_EQ(node.source().state, SourceState::stopped);
  EXPECT_THAT(node.source().why, ::testing::HasSubstr("kafka-cluster"));
  EXPECT_TRUE(absl::IsFailedPrecondition(node.intake->publish({purchase_record(2, "b")}, [](const Receipts&) {})));
}

TEST(Publish, RefusesARecordThatTheEmbeddedBrokerCannotHold) {
  Node node("large");
  ASSERT_NO_FATAL_FAILURE(node.open());
  const Receipts receipts = node.publish({purchase_record(1, "a", "1.00", 3U << 20), purchase_record(2, "b")});
  ASSERT_EQ(receipts.size(), 2U);
  EXPECT_TRUE(absl::IsInvalidArgument(receipts[0].status())) << receipts[0].status();
  EXPECT_TRUE(receipts[1].ok()) << receipts[1].status();
  // Alone, it is answered too.
  EXPECT_TRUE(absl::IsInvalidArgument(node.publish({purchase_record(1, "a", "1.00", 3U << 20)})[0].status()));
}

TEST(Publish, RecordsNearTheLimitNeitherStickNorVanish) {
  Node node("heavy");
  ASSERT_NO_FATAL_FAILURE(node.open());
  std::vector<OutgoingRecord> records;
  // 30 MiB: six times what the broker keeps of a partition.
  for (int i = 0; i < 20; ++i)
    records.push_back(purchase_record(i, "id" + std::to_string(i), "1.00", (3U << 19) + static_cast<unsigned>(i)));
  for (const auto& receipt : node.publish(std::move(records))) {
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->verdict, Verdict::accepted) << name_of(receipt->reason);
  }
  expect_complete(node);
}

TEST(Publish, IsBoundedByWhatIsInFlight) {
  Node node("bounded");
  node.config.intake.publish_events_in_flight_max = 100;
  absl::Notification gate;
  std::atomic<bool> gated = true;
  // A commit that does not end keeps everything in flight.
  node.observers.push_back([&](const std::shared_ptr<const Commit>&) {
    if (gated.load()) gate.WaitForNotification();
  });
  ASSERT_NO_FATAL_FAILURE(node.open());
  std::atomic<int> answered = 0, calls = 0;
  const auto done = [&](const Receipts& receipts) {
    ++calls;
    for (const auto& receipt : receipts) answered += receipt.ok() ? 1 : 0;
  };
  const auto batch = [&](int from, int count) {
    std::vector<OutgoingRecord> records;
    for (int i = from; i < from + count; ++i) records.push_back(purchase_record(i, "id" + std::to_string(i)));
    return records;
  };
  EXPECT_TRUE(absl::IsInvalidArgument(node.intake->publish(batch(0, 101), done)));
  ASSERT_TRUE(node.intake->publish(batch(0, 60), done).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(node.intake->publish(batch(100, 60), done)));
  ASSERT_TRUE(node.intake->publish(batch(100, 40), done).ok());
  EXPECT_EQ(node.intake->stats().publish_events_in_flight, 100U);
  gated = false;
  gate.Notify();
  EXPECT_TRUE(wait_until([&] { return calls.load() == 2; }));
  EXPECT_EQ(answered.load(), 100);
  EXPECT_EQ(node.intake->stats().publish_events_in_flight, 0U);
  EXPECT_EQ(node.publish(batch(200, 100)).size(), 100U);
}

TEST(Publish, EveryRequestIsAnsweredOnceWhenTheIntakeStops) {
  Node node("stopping");
  ASSERT_NO_FATAL_FAILURE(node.open());
  std::atomic<int> calls = 0, receipts_seen = 0;
  int accepted = 0;
  for (int request = 0; request < 200; ++request) {
    std::vector<OutgoingRecord> records;
    for (int i = 0; i < 20; ++i) records.push_back(purchase_record(request, "id" + std::to_string(request * 20 + i)));
    const absl::Status status = node.intake->publish(std::move(records), [&](const Receipts& receipts) {
      ++calls;
      receipts_seen += static_cast<int>(receipts.size());
    });
    accepted += status.ok() ? 1 : 0;
  }
  node.intake->stop();
  EXPECT_EQ(calls.load(), accepted);
  EXPECT_EQ(receipts_seen.load(), accepted * 20);
  EXPECT_TRUE(absl::IsFailedPrecondition(node.intake->publish({purchase_record(1, "x")}, [](const Receipts&) {})));
}

TEST(Intake, ObserversSeeCommitsInOrderWithTheirEvents) {
  Node node("observers");
  std::atomic<std::uint64_t> next = 0, with_event = 0;
  node.observers.push_back([&](const std::shared_ptr<const Commit>& commit) {
    for (const PartitionBatch& part : commit->parts) {
      EXPECT_EQ(part.first.value(), next.load());
      next = part.first.value() + part.entries.size();
      for (const Event* event : part.events) with_event += event != nullptr && event->document != nullptr ? 1U : 0U;
    }
  });
  ASSERT_NO_FATAL_FAILURE(node.open());
  for (int request = 0; request < 30; ++request) {
    std::vector<OutgoingRecord> records;
    for (int i = 0; i < 10; ++i) records.push_back(purchase_record(request, "id" + std::to_string(request * 10 + i)));
    ASSERT_EQ(node.publish(std::move(records)).size(), 10U);
  }
  EXPECT_EQ(next.load(), 300U);
  EXPECT_EQ(with_event.load(), 300U);
  EXPECT_TRUE(wait_until([&] { return node.source().state == SourceState::streaming && node.source().lag_records == 0; }));
}

}  // namespace
}  // namespace bukubesar
