// I5: two nodes that were given the same records agree on every root, segment, view and finding, however the records were cut into batches,
// whatever hand-offs were lost, wherever one was stopped, and in whatever order the partitions came.
//
// BUKUBESAR_SEED=N repeats one round; BUKUBESAR_LONG=1 tries many.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "consumers/batcher.h"
#include "events/payload.h"
#include "projections/projections.h"
#include "tests/projections/answers.h"
#include "tests/projections/event_spec.h"

namespace bukubesar {
namespace {

constexpr std::uint32_t kPartitions = 3;
constexpr std::uint64_t kSegmentRows = 60;
constexpr auto kPatience = std::chrono::seconds(120);

Definition definition() {
  Definition made;
  made.name = "same";
  made.partitions = kPartitions;
  made.zone_minutes = 480;
  made.authorities = {"/feed/authority"};
  return made;
}

// What Kafka holds: payloads with offset and timestamp, for each partition; offsets jump now and then.
struct SourceRecord {
  Offset offset;
  std::int64_t timestamp_ms = 0;
  std::string payload;
};
using TopicRecords = std::map<PartitionId, std::vector<SourceRecord>>;

std::string structured(std::string_view key, std::string_view value) {
  return encode_payload(key, std::vector<Header>{{"content-type", "application/cloudevents+json"}}, value);
}

class TopicMaker {
 public:
  explicit TopicMaker(unsigned seed) : random_(seed), events_(seed) {}

  TopicRecords make(int purchases) {
    for (int i = 0; i < purchases; ++i) {
      for (EventSpec& spec : events_.purchase(i)) {
        if (pick(6) == 0) spec.source = pick(2) == 0 ? "/feed/authority" : "/feed/b";
        const std::string value = event_json(spec);
        add(home_of(spec.subject), spec.subject, value);
        if (pick(9) == 0) add(home_of(spec.subject), spec.subject, value);  // sent again
        if (pick(12) == 0) {                                                // sent again with another content
          spec.amount = spec.total = "77";
          add(home_of(spec.subject), spec.subject, event_json(spec));
        }
        if (pick(15) == 0) add(PartitionId(static_cast<std::uint32_t>(pick(kPartitions))), spec.subject, value);  // perhaps misrouted
        if (pick(20) == 0) add(home_of(spec.subject), spec.subject, value.substr(0, pick(value.size())));
        if (pick(4) == 0) fact(i);
      }
    }
    shuffle_streams();
    return std::move(topic_);
  }

 private:
  std::size_t pick(std::size_t limit) { return random_() % limit; }
  static PartitionId home_of(std::string_view key) { return PartitionId(partition_of(Partitioner::murmur2, key, kPartitions)); }
  void add(PartitionId partition, std::string_view key, std::string_view value) {
    topic_[partition].push_back({Offset(0), 0, structured(key, value)});
  }
  void fact(int number) {
    const std::string vendor = fmt::format("v{}", 1 + pick(4));
    add(PartitionId::reference(), "vendor/" + vendor,
        fact_json("vendor", vendor, fmt::format("g{}-{}", number, pick(5)),
                  fmt::format(R"("valid_from":"2023-{:02}","scale":"{}","domicile":"{}","name":"PT {}")", 1 + pick(12),
                              events_.choose({"micro", "small", "medium"}), events_.choose({"63.09", "63.71", "31.71"}), vendor)));
  }
  // Purchases interleave; then offsets and the broker's clock, which may stand still or go back.
  void shuffle_streams() {
    for (auto& [partition, records] : topic_) {
      for (std::size_t i = 0; i + 1 < records.size(); ++i)
        std::swap(records[i], records[i + pick(std::min<std::size_t>(20, records.size() - i))]);
      Offset offset(0);
      std::int64_t clock_ms = 1'684'000'000'000;
      for (SourceRecord& record : records) {
        if (pick(25) == 0) offset = offset + static_cast<std::int64_t>(1 + pick(3));
        clock_ms += static_cast<std::int64_t>(pick(5)) * 1000 - 500;
        record.offset = offset;
        record.timestamp_ms = clock_ms;
        ++offset;
      }
    }
  }

  std::mt19937 random_;
  RandomEvents events_;
  TopicRecords topic_;
};

// How one node happens to work.
struct Habits {
  std::size_t batch_records_max = 1;
  std::size_t in_flight_max = 1;  // commits made but not written
  unsigned lost_hand_offs = 0;    // of 100
  unsigned restarts = 0;          // of 1,000 steps
  std::size_t hand_offs_max = 64;
  bool partitions_together = false;  // one commit with all of them, or whatever came
};

// A node without a broker: records are put where the source would, everything after that is the node's own.
class Worker {
 public:
  Worker(std::string directory, const TopicRecords& topic, Habits habits, unsigned seed)
      : directory_(std::move(directory)), topic_(topic), habits_(habits), random_(seed) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    open();
  }
  ~Worker() {
    close();
    std::filesystem::remove_all(directory_);
  }

  void run() {
    while (!finished()) {
      pull();
      ASSERT_TRUE(batcher_->judge_new().ok());
      if (!batcher_->empty() && (pick(3) != 0 || all_pulled())) in_flight_.push_back(batcher_->take());
      while (in_flight_.size() > (all_pulled() ? 0 : pick(habits_.in_flight_max + 1))) ASSERT_NO_FATAL_FAILURE(commit_one());
      if (pick(1000) < habits_.restarts) restart();
    }
    // A hole shows with the next hand-off of its partition: the last one of each is not lost (and may be of what a restart has read
    // already).
    for (const auto& [partition, commit] : last_) projections_->hand_off(commit);
    ASSERT_TRUE(projections_->wait_for(ledger_->cut(), kPatience).ok()) << projections_->status().failed;
  }
  // Roots, counts, offsets; then all that readers see; then the segments' bytes, once the node has been stopped.
  std::string heads() const {
    std::string text;
    for (const auto& [partition, head] : ledger_->heads())
      text += fmt::format("{} size {} root {} next {} time {} accepted {} duplicate {} rejected {} gaps {}\n", partition.name(), head.size,
                          hex(as_view(head.root)), head.next_offset.value(), head.ledger_time_ms, head.counts.accepted,
                          head.counts.duplicate, head.counts.rejected, head.gap_offsets);
    return text;
  }
  std::string answers() const {
    std::string text = everything(*projections_);
    for (const ViewInfo& info : projections_->views()) {
      const auto view = projections_->view(info.name, TotalsQuery());
      EXPECT_TRUE(view.ok()) << view.status();
      text += info.name + "\n" + (view.ok() ? bukubesar::text(*view) : "");
    }
    return text;
  }
  std::map<std::string, std::string> segments() {
    restart();  // what is full is written
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ + "/segments"))
      if (entry.is_regular_file()) files[entry.path().lexically_relative(directory_).string()] = *read_file(entry.path().string());
    return files;
  }
  [[nodiscard]] std::uint64_t hand_offs_lost() const { return hand_offs_lost_; }
  [[nodiscard]] unsigned restarted() const { return restarted_; }
  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t size = 0;
    for (const auto& [partition, head] : ledger_->heads()) size += head.size;
    return size;
  }

 private:
  std::size_t pick(std::size_t limit) { return random_() % limit; }

  void open() {
    auto ledger = Ledger::open({directory_ + "/ledger", false, {}}, definition_);
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    ledger_ = *std::move(ledger);
    ProjectionsOptions options;
    options.directory = directory_ + "/segments";
    options.ledger = ledger_.get();
    options.definition = &definition_;
    options.views_text = R"({"views":[{"name":"regions","title":"t","by":["region","scale"]},{"name":"umkm","title":"t","by":["umkm"]},
      {"name":"local","title":"t","by":["district"],"where":{"catalogue_kind":["local"]}}]})";
    options.segment_rows = kSegmentRows;
    options.hand_offs_max = habits_.hand_offs_max;
    auto projections = Projections::open(options);
    ASSERT_TRUE(projections.ok()) << projections.status();
    projections_ = *std::move(projections);
    projections_->start();
    BatcherOptions batcher;
    batcher.definition = &definition_;
    batcher.ledger = ledger_.get();
    batcher.partitions = definition_.all_partitions();
    batcher_ = std::make_unique<Batcher>(batcher);
    for (const PartitionId partition : batcher.partitions) {
      const auto& records = topic_.at(partition);
      std::size_t at = 0;
      while (at < records.size() && records[at].offset < ledger_->head(partition).next_offset) ++at;
      next_[partition] = at;
    }
  }
  // What was pulled or judged but not written is lost, as in a crash.
  void close() {
    in_flight_.clear();
    batcher_.reset();
    if (projections_ != nullptr) projections_->stop();
    projections_.reset();
    ledger_.reset();
  }
  void restart() {
    close();
    open();
    ++restarted_;
  }

  void pull() {
    const std::vector<PartitionId> partitions = definition_.all_partitions();
    const std::size_t only = pick(partitions.size());
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      if (habits_.partitions_together || i == only) pull_from(i, partitions[i], 1 + pick(habits_.batch_records_max));
    }
  }
  void pull_from(std::size_t index, PartitionId partition, std::size_t count) {
    const auto& records = topic_.at(partition);
    PulledPartition& inbox = batcher_->inbox()[index];
    for (std::size_t& at = next_[partition]; at < records.size() && count > 0; ++at, --count) {
      const SourceRecord& from = records[at];
      const Offset expected = at == 0 ? Offset(0) : records[at - 1].offset + 1;
      if (from.offset > expected) inbox.gaps.push_back({Epoch(0), expected, from.offset});
      Record record;
      record.offset = from.offset;
      record.timestamp_ms = from.timestamp_ms;
      record.timestamp_type = TimestampType::log_append_time;
      record.payload = from.payload;
      inbox.batch.records.push_back(record);
    }
  }
  void commit_one() {
    const std::shared_ptr<const Commit> commit = in_flight_.front();
    in_flight_.pop_front();
    const auto cost = ledger_->commit(*commit);
    ASSERT_TRUE(cost.ok()) << cost.status();
    batcher_->forget_oldest();
    for (const PartitionBatch& part : commit->parts) last_[part.partition] = commit;
    if (pick(100) < habits_.lost_hand_offs)
      ++hand_offs_lost_;
    else
      projections_->hand_off(commit);
  }
  bool all_pulled() const {
    for (const auto& [partition, at] : next_)
      if (at < topic_.at(partition).size()) return false;
    return true;
  }
  bool finished() const { return all_pulled() && batcher_->empty() && in_flight_.empty(); }

  const std::string directory_;
  const TopicRecords& topic_;
  const Habits habits_;
  std::mt19937 random_;
  const Definition definition_ = definition();
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Projections> projections_;
  std::unique_ptr<Batcher> batcher_;
  std::deque<std::shared_ptr<const Commit>> in_flight_;
  std::map<PartitionId, std::shared_ptr<const Commit>> last_;  // written, of each partition
  std::map<PartitionId, std::size_t> next_;
  std::uint64_t hand_offs_lost_ = 0;
  unsigned restarted_ = 0;
};

std::string directory_of(const char* name) { return fmt::format("{}/bukubesar_same_{}_{}", testing::TempDir(), ::getpid(), name); }

TEST(I5Deterministic, NodesThatWorkDifferentlyAgreeOnEverything) {
  const char* fixed = std::getenv("BUKUBESAR_SEED");
  const unsigned first = fixed != nullptr ? static_cast<unsigned>(std::strtoul(fixed, nullptr, 10)) : 1;
  const unsigned rounds = fixed != nullptr ? 1 : std::getenv("BUKUBESAR_LONG") != nullptr ? 60 : 3;
  for (unsigned seed = first; seed < first + rounds; ++seed) {
    SCOPED_TRACE(fmt::format("BUKUBESAR_SEED={}", seed));
    const TopicRecords topic = TopicMaker(seed).make(60);
    // Everything at once, nothing lost, no restart: what the others are held against.
    Worker plain(directory_of("plain"), topic, {.batch_records_max = 100'000, .partitions_together = true}, seed);
    ASSERT_NO_FATAL_FAILURE(plain.run());
    std::uint64_t records = 0;
    for (const auto& [partition, of_partition] : topic) records += of_partition.size();
    ASSERT_EQ(plain.size(), records);
    const std::string heads = plain.heads();
    const std::string answers = plain.answers();
    const auto segments = plain.segments();
    EXPECT_GT(segments.size(), 2U);
    const std::vector<std::pair<const char*, Habits>> others = {
        {"one by one", {.batch_records_max = 1, .in_flight_max = 3, .lost_hand_offs = 10}},
        {"restarting", {.batch_records_max = 20, .in_flight_max = 4, .lost_hand_offs = 30, .restarts = 150}},
        {"dropping", {.batch_records_max = 50, .in_flight_max = 2, .lost_hand_offs = 70, .hand_offs_max = 1, .partitions_together = true}},
    };
    for (const auto& [name, habits] : others) {
      SCOPED_TRACE(name);
      Worker other(directory_of("other"), topic, habits, seed * 31 + 7);
      ASSERT_NO_FATAL_FAILURE(other.run());
      EXPECT_EQ(other.heads(), heads);
      EXPECT_EQ(other.answers(), answers);
      EXPECT_TRUE(other.hand_offs_lost() > 0 && (habits.restarts == 0 || other.restarted() > 0)) << "the round tries nothing";
      EXPECT_TRUE(other.segments() == segments) << "segments differ";
    }
  }
}

}  // namespace
}  // namespace bukubesar
