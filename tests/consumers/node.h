// A node without its server, for tests of the intake: definition, ledger and intake in a directory of their own.
#pragma once

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "base/sha256.h"
#include "consumers/intake.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/wait_until.h"

namespace bukubesar::testing_support {

inline std::string purchase_subject(int number) { return "e-katalog-6/P" + std::to_string(number); }

// A valid event; `id` decides whether it is a duplicate, `total` whether a duplicate is different.
inline std::string purchase_json(int number, const std::string& id, const std::string& total = "1000.00", std::size_t padding = 0) {
  std::string text = R"({"specversion":"1.0","type":"id.bukubesar.purchase.ordered.v1","source":"/feed/test","id":")" + id +
                     R"(","subject":")" + purchase_subject(number) +
                     R"(","datacontenttype":"application/json","data":{"salt":"0123456789abcdef0123456789abcdef","document":{)"
                     R"("fiscal_year":2023,"institution":"D262","stage":"contracted","amounts":{"total":")" +
                     total + R"("}})";
  if (padding > 0) text += R"(,"padding":")" + std::string(padding, 'x') + "\"";
  return text + "}}";
}

inline OutgoingRecord purchase_record(int number, const std::string& id, const std::string& total = "1000.00", std::size_t padding = 0) {
  OutgoingRecord record;
  record.key = purchase_subject(number);
  record.headers = {{"content-type", "application/cloudevents+json"}};
  record.value = purchase_json(number, id, total, padding);
  return record;
}

using Receipts = std::vector<absl::StatusOr<Receipt>>;

class Node {
 public:
  explicit Node(std::string name, std::uint32_t partitions = 1) {
    config.data_dir = ::testing::TempDir() + "/bukubesar_" + name + "_" + std::to_string(getpid());
    config.ledger.partitions = partitions;
    std::filesystem::remove_all(config.data_dir);
    std::filesystem::create_directories(config.data_dir);
  }
  ~Node() {
    close();
    std::filesystem::remove_all(config.data_dir);
  }

  [[nodiscard]] std::string definition_path() const { return config.data_dir + "/definition.jsonl"; }

  // Makes the definition where there is none, as the server does, and starts the intake.
  void open() {
    if (!std::filesystem::exists(definition_path())) create_definition();
    auto loaded = DefinitionFile::load(definition_path());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    definition = std::make_unique<DefinitionFile>(std::move(loaded).value());
    auto opened = Ledger::open({config.data_dir + "/ledger", false, {}}, definition->definition());
    ASSERT_TRUE(opened.ok()) << opened.status();
    ledger = std::move(opened).value();
    IntakeOptions options;
    options.config = &config;
    options.definition = definition.get();
    options.ledger = ledger.get();
    options.observers = observers;
    intake = std::make_unique<Intake>(std::move(options));
    const absl::Status started = intake->start();
    ASSERT_TRUE(started.ok()) << started;
  }
  void close() {
    if (intake != nullptr) intake->stop();
    intake.reset();
    ledger.reset();
    definition.reset();
  }

  // Kafka: the first sources; embedded: none, the intake writes them.
  void create_definition() {
    Definition first;
    first.name = "test";
    first.partitions = config.ledger.partitions;
    first.partitioner = config.ledger.partitioner;
    first.clock = config.broker.kind == BrokerKind::embedded ? LedgerClock::intake : LedgerClock::kafka;
    RulesStatement rules;
    rules.from_ledger_time_ms = 0;
    first.rules.push_back(rules);
    if (config.broker.kind == BrokerKind::kafka) {
      const auto cluster = cluster_id(config);
      ASSERT_TRUE(cluster.ok()) << cluster.status();
      for (const PartitionId partition : first.all_partitions()) {
        SourceStatement source;
        source.partition = partition;
        source.cluster = *cluster;
        source.topic = partition.is_reference() ? config.broker.reference_topic : config.broker.purchases_topic;
        source.kafka_partition = partition.is_reference() ? 0 : static_cast<std::int32_t>(partition.number());
        source.transactional = transactional;
        source.root = std::string(root_of_nothing());
        source.reason = "test";
        source.decided_by = "test";
        first.sources.push_back(std::move(source));
      }
    }
    const auto created = DefinitionFile::create(definition_path(), first);
    ASSERT_TRUE(created.ok()) << created.status();
  }
  static std::string root_of_nothing() {
    const Hash256 hash = sha256("");
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
  }

  // Publishes, waits for the receipts.
  Receipts publish(std::vector<OutgoingRecord> records) {
    auto promise = std::make_shared<std::promise<Receipts>>();
    auto future = promise->get_future();
    const absl::Status status =
        intake->publish(std::move(records), [promise](Receipts receipts) { promise->set_value(std::move(receipts)); });
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) return {};
    if (future.wait_for(std::chrono::seconds(40)) != std::future_status::ready) {
      ADD_FAILURE() << "no receipts";
      return {};
    }
    return future.get();
  }

  [[nodiscard]] PartitionHead head(PartitionId partition = PartitionId(0)) const { return ledger->head(partition); }
  [[nodiscard]] std::vector<Entry> entries(PartitionId partition = PartitionId(0)) const {
    auto read = ledger->read_entries(partition, Sequence(0), 1'000'000);
    EXPECT_TRUE(read.ok()) << read.status();
    return read.ok() ? *read : std::vector<Entry>();
  }
  [[nodiscard]] SourceStatus source(PartitionId partition = PartitionId(0)) const {
    for (const SourceStatus& status : intake->sources()) {
      if (status.partition == partition) return status;
    }
    return {};
  }
  [[nodiscard]] testing::AssertionResult wait_for_size(std::uint64_t size, PartitionId partition = PartitionId(0)) const {
    if (wait_until([&] { return head(partition).size >= size; })) return testing::AssertionSuccess();
    const SourceStatus at = source();
    return testing::AssertionFailure() << "size want " << size << " got " << head(partition).size << "; source " << name_of(at.state)
                                       << ": " << at.why << ", high watermark " << at.high_watermark << ", reconnects " << at.reconnects;
  }
  [[nodiscard]] bool wait_for_state(SourceState state, std::chrono::seconds limit = std::chrono::seconds(30)) const {
    return wait_until([&] { return source().state == state; }, limit);
  }

  Config config;
  bool transactional = false;
  std::vector<CommitObserver> observers;
  std::unique_ptr<DefinitionFile> definition;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Intake> intake;
};

// I1, I3 over the whole ledger of one partition: dense, every offset of each epoch an entry or in a gap, counts add up.
inline void expect_complete(const Node& node, PartitionId partition = PartitionId(0)) {
  const PartitionHead head = node.head(partition);
  const std::vector<Entry> entries = node.entries(partition);
  ASSERT_EQ(entries.size(), head.size);
  EXPECT_EQ(head.counts.accepted + head.counts.duplicate + head.counts.rejected + head.counts.statements, head.size);
  auto gaps = node.ledger->gaps(partition, Epoch(0), Offset(0), std::numeric_limits<std::size_t>::max());
  ASSERT_TRUE(gaps.ok()) << gaps.status();
  std::size_t gap = 0;
  Epoch epoch(0);
  Offset next = node.definition->definition().source_of(partition, epoch)->first_offset;
  for (const Entry& entry : entries) {
    if (entry.kind == EntryKind::source_statement) {
      epoch = entry.epoch;
      next = node.definition->definition().source_of(partition, epoch)->first_offset;
      continue;
    }
    ASSERT_EQ(entry.epoch, epoch);
    if (gap < gaps->size() && (*gaps)[gap].epoch == epoch && (*gaps)[gap].first == next) next = (*gaps)[gap++].limit;
    ASSERT_EQ(entry.offset, next);
    ++next;
  }
  EXPECT_EQ(gap, gaps->size());
  EXPECT_EQ(head.epoch, epoch);
  EXPECT_EQ(head.next_offset, next);
}

}  // namespace bukubesar::testing_support
