#include <memory>

#include "base/bytes.h"
#include "events/payload.h"
#include "tests/consumers/kafka/real_kafka.h"
#include "tests/consumers/node.h"

namespace bukubesar {
namespace {

using ::testing::HasSubstr;
using testing_support::expect_complete;
using testing_support::Node;
using testing_support::purchase_json;
using testing_support::purchase_record;
using testing_support::purchase_subject;
using testing_support::RawRecord;
using testing_support::RealKafka;
using testing_support::wait_until;

// One broker for the whole program.
class KafkaSourceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { kafka = std::make_unique<RealKafka>(); }
  static void TearDownTestSuite() { kafka.reset(); }

  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    node = std::make_unique<Node>("kafka_" + name);
    node->config.broker.kind = BrokerKind::kafka;
    node->config.broker.bootstrap_servers = kafka->bootstrap();
    node->config.broker.purchases_topic = topic = "purchases." + name;
    node->config.broker.reference_topic = "reference." + name;
    const absl::Status created = create_topics(node->config, 1);
    ASSERT_TRUE(created.ok()) << created;
  }
  void TearDown() override { node.reset(); }

  static std::vector<RawRecord> purchases(int first, int count, const std::string& prefix = "id") {
    std::vector<RawRecord> records;
    for (int i = first; i < first + count; ++i) records.push_back({purchase_subject(i), {}, purchase_json(i, prefix + std::to_string(i))});
    return records;
  }
  // Stores `count` events and closes the node.
  void store(int count) {
    kafka->produce(topic, purchases(0, count));
    ASSERT_NO_FATAL_FAILURE(node->open());
    ASSERT_TRUE(node->wait_for_size(static_cast<std::uint64_t>(count)));
    node->close();
  }
  // Reads go on where the intake has stopped.
  void expect_readable(std::uint64_t size) {
    EXPECT_EQ(node->head().size, size);
    EXPECT_TRUE(node->ledger->read_payload(PartitionId(0), Sequence(size - 1)).ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(node->intake->publish({purchase_record(1, "late")}, [](auto) {})));
  }

  static std::unique_ptr<RealKafka> kafka;
  std::unique_ptr<Node> node;
  std::string topic;
};
std::unique_ptr<RealKafka> KafkaSourceTest::kafka;

TEST_F(KafkaSourceTest, TopicsThatWeMakeKeepTheContract) {
  const auto findings = check_topic_contract(node->config, nullptr);
  ASSERT_TRUE(findings.ok()) << findings.status();
  for (const ContractFinding& finding : *findings) ADD_FAILURE() << finding.what;
}

TEST_F(KafkaSourceTest, KafkasOwnDefaultsBreakTheContract) {
  node->config.broker.purchases_topic = "defaults";
  kafka->create_topic("defaults", 2,
                      {{"message.timestamp.type", "CreateTime"}, {"max.message.bytes", "1048588"}, {"retention.ms", "604800000"}});
  const auto findings = check_topic_contract(node->config, nullptr);
  ASSERT_TRUE(findings.ok()) << findings.status();
  std::string all;
  for (const ContractFinding& finding : *findings) all += finding.what + "\n";
  EXPECT_THAT(all, HasSubstr("message.timestamp.type is CreateTime"));
  EXPECT_THAT(all, HasSubstr("max.message.bytes is 1048588"));
  EXPECT_THAT(all, HasSubstr("retention.ms is 604800000"));
  EXPECT_THAT(all, HasSubstr("has 2 partitions"));
}

TEST_F(KafkaSourceTest, ConsumesABacklogThenWhatComes) {
  kafka->produce(topic, purchases(0, 5000));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(5000));
  kafka->produce(topic, purchases(5000, 10));
  ASSERT_TRUE(node->wait_for_size(5010));
  expect_complete(*node);
  EXPECT_EQ(node->head().counts.accepted, 5010U);
  EXPECT_GT(node->head().ledger_time_ms, 0);
  EXPECT_TRUE(wait_until([&] { return node->source().lag_records == 0; }));
  EXPECT_EQ(node->source().state, SourceState::streaming);
}

TEST_F(KafkaSourceTest, GoesOnAtTheAnchorAfterARestart) {
  ASSERT_NO_FATAL_FAILURE(store(100));
  kafka->produce(topic, purchases(50, 100));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(200));
  EXPECT_TRUE(wait_until([&] { return node->source().anchors_checked == 1; }));
  EXPECT_EQ(node->head().counts.accepted, 150U);
  EXPECT_EQ(node->head().counts.duplicate, 50U);
  expect_complete(*node);
}

TEST_F(KafkaSourceTest, PublishesAndAnswersAfterTheCommit) {
  ASSERT_NO_FATAL_FAILURE(node->open());
  for (int round = 0; round < 5; ++round) {
    std::vector<OutgoingRecord> records;
    for (int i = 0; i < 100; ++i) records.push_back(purchase_record(i, "r" + std::to_string(round * 100 + i)));
    const auto receipts = node->publish(std::move(records));
    ASSERT_EQ(receipts.size(), 100U);
    for (std::size_t i = 0; i < receipts.size(); ++i) {
      ASSERT_TRUE(receipts[i].ok()) << receipts[i].status();
      EXPECT_EQ(receipts[i]->verdict, Verdict::accepted);
      EXPECT_EQ(node->entries()[receipts[i]->sequence.value()].offset, receipts[i]->offset);
    }
  }
}

TEST_F(KafkaSourceTest, KeepsHeadersNullsAndEveryCodecByteForByte) {
  const std::vector<std::string> codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
  for (std::size_t i = 0; i < codecs.size(); ++i) {
    RawRecord record{
        purchase_subject(static_cast<int>(i)), {{"a", "1"}, {"a", std::nullopt}, {"b", ""}}, purchase_json(static_cast<int>(i), codecs[i])};
    kafka->produce(topic, {record}, codecs[i]);
  }
  kafka->produce(topic, {{std::nullopt, {}, std::nullopt}, {"", {}, ""}});
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(7));
  const std::vector<Header> headers = {{"a", "1"}, {"a", std::nullopt}, {"b", ""}};
  for (std::size_t i = 0; i < codecs.size(); ++i) {
    const auto payload = node->ledger->read_payload(PartitionId(0), Sequence(i));
    ASSERT_TRUE(payload.ok()) << payload.status();
    EXPECT_EQ(*payload, encode_payload(purchase_subject(static_cast<int>(i)), headers, purchase_json(static_cast<int>(i), codecs[i])))
        << codecs[i];
  }
  EXPECT_EQ(*node->ledger->read_payload(PartitionId(0), Sequence(5)), encode_payload(std::nullopt, {}, std::nullopt));
  EXPECT_EQ(*node->ledger->read_payload(PartitionId(0), Sequence(6)), encode_payload("", {}, ""));
}

TEST_F(KafkaSourceTest, KeepsOfAnOversizeRecordItsSizeAndHash) {
  const std::string value(static_cast<std::size_t>(9) << 19, 'x');  // 4.5 MiB
  kafka->produce(topic, {{"k", {}, value}});
  kafka->produce(topic, purchases(0, 1));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(2));
  const Entry entry = node->entries()[0];
  EXPECT_EQ(entry.reason, Reason::oversize);
  const std::string payload = encode_payload("k", {}, value);
  EXPECT_EQ(entry.payload_size, payload.size());
  EXPECT_EQ(entry.payload_hash, sha256(payload));
  EXPECT_TRUE(absl::IsFailedPrecondition(node->ledger->read_payload(PartitionId(0), Sequence(0)).status()));
  EXPECT_EQ(node->entries()[1].verdict, Verdict::accepted);
}

TEST_F(KafkaSourceTest, ARecreatedTopicStopsTheIntakeAndNamesBothHashes) {
  ASSERT_NO_FATAL_FAILURE(store(10));
  kafka->delete_topic(topic);
  kafka->create_topic(topic, 1);
  kafka->produce(topic, purchases(0, 20, "other"));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_state(SourceState::stopped));
  const Entry last = node->entries().back();
  EXPECT_THAT(node->source().why, HasSubstr(hex(as_view(last.payload_hash))));
  EXPECT_THAT(node->source().why, HasSubstr("offset 9"));
  EXPECT_TRUE(wait_until([&] { return absl::IsFailedPrecondition(node->intake->publish({purchase_record(1, "late")}, [](auto) {})); }));
  expect_readable(10);
}

TEST_F(KafkaSourceTest, ARecreatedTopicThatIsShorterStopsTheIntake) {
  ASSERT_NO_FATAL_FAILURE(store(10));
  kafka->delete_topic(topic);
  kafka->create_topic(topic, 1);
  kafka->produce(topic, purchases(0, 9));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_state(SourceState::stopped));
  EXPECT_THAT(node->source().why, HasSubstr("recreated or truncated"));
  EXPECT_EQ(node->head().size, 10U);
}

// The live consumer may meet no error and read on for some seconds; those entries stay (I2), and the reason names where doubt begins.
TEST_F(KafkaSourceTest, ATopicRecreatedUnderARunningNodeIsNoticedByLookingBack) {
  kafka->produce(topic, purchases(0, 10));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(10));
  const Entry last = node->entries().back();
  kafka->delete_topic(topic);
  kafka->create_topic(topic, 1);
  kafka->produce(topic, purchases(0, 20, "other"));
  ASSERT_TRUE(node->wait_for_state(SourceState::stopped)) << node->head().size;
  EXPECT_THAT(node->source().why, HasSubstr("recreated or truncated"));
  EXPECT_THAT(node->source().why, HasSubstr("offset 9"));
  EXPECT_THAT(node->source().why, HasSubstr(hex(as_view(last.payload_hash))));
  // Nothing more comes in.
  EXPECT_TRUE(wait_until([&] { return absl::IsFailedPrecondition(node->intake->publish({purchase_record(1, "late")}, [](auto) {})); }));
  const std::uint64_t size = node->head().size;
  EXPECT_LE(size, 20U);
  kafka->produce(topic, purchases(50, 5, "later"));
  node->intake->stop();
  EXPECT_EQ(node->head().size, size);
}

TEST_F(KafkaSourceTest, MorePartitionsThanDefinedStopTheIntake) {
  kafka->produce(topic, purchases(0, 10));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(10));
  kafka->raise_partitions(topic, 3);
  ASSERT_TRUE(node->wait_for_state(SourceState::stopped));
  EXPECT_THAT(node->source().why, HasSubstr("has 3 partitions, the definition knows 1"));
  EXPECT_EQ(node->head().size, 10U);
}

TEST_F(KafkaSourceTest, AMissingTopicIsWaitedFor) {
  ASSERT_NO_FATAL_FAILURE(node->create_definition());
  kafka->delete_topic(topic);
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(wait_until([&] { return node->source().why.find("does not exist") != std::string::npos; })) << node->source().why;
  kafka->create_topic(topic, 1);
  kafka->produce(topic, purchases(0, 3));
  EXPECT_TRUE(node->wait_for_size(3));
}

TEST_F(KafkaSourceTest, ABrokerThatRestartsIsWaitedOut) {
  kafka->produce(topic, purchases(0, 100));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(100));
  kafka->stop();
  EXPECT_TRUE(node->wait_for_state(SourceState::waiting_for_broker));
  EXPECT_NE(node->source().why, "");
  kafka->start();
  kafka->produce(topic, purchases(100, 100));
  ASSERT_TRUE(node->wait_for_size(200));
  EXPECT_TRUE(node->wait_for_state(SourceState::streaming));
  EXPECT_GE(node->source().reconnects, 1U);
  EXPECT_GE(node->source().anchors_checked, 1U);
  EXPECT_TRUE(node->publish({purchase_record(900, "after")})[0].ok());
  expect_complete(*node);
}

TEST_F(KafkaSourceTest, StartsWhileTheBrokerIsAway) {
  ASSERT_NO_FATAL_FAILURE(store(5));
  kafka->stop();
  ASSERT_NO_FATAL_FAILURE(node->open());
  EXPECT_TRUE(node->wait_for_state(SourceState::waiting_for_broker));
  EXPECT_EQ(node->head().size, 5U);
  kafka->start();
  kafka->produce(topic, purchases(5, 5));
  EXPECT_TRUE(node->wait_for_size(10));
}

TEST_F(KafkaSourceTest, AnotherClusterThanTheDefinitionsStopsTheIntake) {
  ASSERT_NO_FATAL_FAILURE(node->create_definition());
  SourceStatement next;
  next.epoch = Epoch(1);
  next.cluster = "another-cluster";
  next.topic = topic;
  next.root = Node::root_of_nothing();
  next.reason = next.decided_by = "test";
  auto file = DefinitionFile::load(node->definition_path());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->append(to_line(next)).ok());
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_state(SourceState::stopped));
  EXPECT_THAT(node->source().why, HasSubstr("another-cluster"));
}

TEST_F(KafkaSourceTest, GapsOfDeclaredTransactionsAreCommittedAtOnce) {
  node->transactional = true;
  kafka->transact(topic, purchases(0, 3), true);     // 0 1 2, control 3
  kafka->transact(topic, purchases(100, 2), false);  // 4 5 aborted, control 6
  kafka->transact(topic, purchases(10, 2), true);    // 7 8, control 9
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(5));
  expect_complete(*node);
  EXPECT_EQ(node->head().gap_offsets, 4U);
  EXPECT_EQ(node->head().next_offset, Offset(9));
  EXPECT_EQ(node->source().gaps_refetched, 0U);
  EXPECT_TRUE(wait_until([&] { return node->source().lag_records == 0; }));
  // The next start meets the trailing control record.
  node->close();
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_state(SourceState::streaming));
  kafka->transact(topic, purchases(20, 1), true);  // 10
  ASSERT_TRUE(node->wait_for_size(6));
  expect_complete(*node);
}

TEST_F(KafkaSourceTest, AGapIsLookedIntoForARecordThatIsThereAfterAll) {
  kafka->transact(topic, purchases(0, 3), true);     // 0 1 2, control 3
  kafka->transact(topic, purchases(100, 2), false);  // 4 5 aborted, control 6
  kafka->produce(topic, purchases(10, 1));           // 7
  SourceStatement source;
  source.topic = topic;
  const auto look = [&](std::int64_t first, std::int64_t limit) {
    auto found = record_in_gap(node->config, source, {Epoch(0), Offset(first), Offset(limit)});
    for (int tries = 0; tries < 10 && absl::IsUnavailable(found.status()); ++tries)  // its time is short, a broker's may be long
      found = record_in_gap(node->config, source, {Epoch(0), Offset(first), Offset(limit)});
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or(std::nullopt);
  };
  EXPECT_EQ(look(3, 7), std::nullopt);
  EXPECT_EQ(look(1, 4), Offset(1));
  EXPECT_EQ(look(3, 8), Offset(7));
  EXPECT_EQ(look(8, 9), std::nullopt) << "the end of the partition";
  kafka->delete_records(topic, 3);
  EXPECT_EQ(look(1, 2), std::nullopt) << "retention has passed";
}

TEST_F(KafkaSourceTest, GapsOfUndeclaredTransactionsAreFetchedAgainFirst) {
  for (int i = 0; i < 20; ++i) kafka->transact(topic, purchases(i * 10, 3), i % 3 != 0);
  kafka->produce(topic, purchases(1000, 1));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(13 * 3 + 1));
  expect_complete(*node);
  EXPECT_EQ(node->head().gap_offsets, 7U * 3U + 20U);
  EXPECT_TRUE(wait_until([&] { return node->source().gaps_refetched >= 10; })) << node->source().gaps_refetched;
  EXPECT_LE(node->source().reconnects, 5U);  // several in one pass
}

TEST_F(KafkaSourceTest, RetentionThatTookJustTheAnchorIsCounted) {
  ASSERT_NO_FATAL_FAILURE(store(10));
  kafka->produce(topic, purchases(10, 5));
  kafka->delete_records(topic, 10);
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(15));
  EXPECT_TRUE(wait_until([&] { return node->source().anchors_missing == 1; }));
  expect_complete(*node);
}

TEST_F(KafkaSourceTest, RetentionThatPassedTheConsumerStopsTheIntake) {
  ASSERT_NO_FATAL_FAILURE(store(10));
  kafka->produce(topic, purchases(10, 10));
  kafka->delete_records(topic, 15);
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_state(SourceState::stopped));
  EXPECT_THAT(node->source().why, HasSubstr("removed offsets 10 to 14"));
  EXPECT_EQ(node->head().size, 10U);
}

// An operator moves the source: both a node that stands at the statement's size and one that is behind it go on.
TEST_F(KafkaSourceTest, GoesOnWithTheSourceThatTheDefinitionNames) {
  kafka->produce(topic, purchases(0, 10));
  const std::string moved = topic + ".moved";
  kafka->create_topic(moved, 1);
  kafka->produce(moved, purchases(5, 10));
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(10));
  SourceStatement next = *node->definition->definition().source_of(PartitionId(0));
  next.epoch = Epoch(1);
  next.topic = moved;
  next.first_offset = Offset(2);
  next.size = 10;
  const Hash256 root = node->head().root;
  next.root.assign(reinterpret_cast<const char*>(root.data()), root.size());
  node->close();
  {
    auto file = DefinitionFile::load(node->definition_path());
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(file->append(to_line(next)).ok());
  }
  ASSERT_NO_FATAL_FAILURE(node->open());
  ASSERT_TRUE(node->wait_for_size(19));
  expect_complete(*node);
  EXPECT_EQ(node->head().counts.statements, 1U);
  EXPECT_EQ(node->head().counts.accepted, 15U);
  EXPECT_EQ(node->head().counts.duplicate, 3U);
  // A second node with the same definition, from nothing: the old topic has gone on, and must be left at size 10.
  kafka->produce(topic, purchases(500, 5));
  Node second("kafka_second");
  second.config.broker = node->config.broker;
  std::filesystem::copy_file(node->definition_path(), second.definition_path());
  ASSERT_NO_FATAL_FAILURE(second.open());
  ASSERT_TRUE(second.wait_for_size(19));
  EXPECT_EQ(second.head().root, node->head().root);
  expect_complete(second);
}

TEST_F(KafkaSourceTest, AStatementThatDoesNotContinueTheLedgerIsRefused) {
  ASSERT_NO_FATAL_FAILURE(store(10));
  auto file = DefinitionFile::load(node->definition_path());
  ASSERT_TRUE(file.ok()) << file.status();
  SourceStatement next = *file->definition().source_of(PartitionId(0));
  next.epoch = Epoch(1);
  next.size = 10;
  next.root = std::string(32, 'r');
  ASSERT_TRUE(file->append(to_line(next)).ok());
  ASSERT_NO_FATAL_FAILURE(node->open());
  EXPECT_EQ(node->source().state, SourceState::stopped);
  EXPECT_THAT(node->source().why, HasSubstr("root"));
  expect_readable(10);
}

}  // namespace
}  // namespace bukubesar
