#include "consumers/batcher.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "events/payload.h"
#include "gtest/gtest.h"
#include "tests/consumers/node.h"

namespace bukubesar {
namespace {

using testing_support::purchase_json;
using testing_support::purchase_subject;

// A batcher on a ledger of one partition, fed by hand.
class BatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "/bukubesar_batcher_" + std::to_string(getpid());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    definition_.name = "batcher";
    definition_.partitions = 1;
    auto opened = Ledger::open({directory_ + "/ledger", false, {}}, definition_);  // which has files beside it, too
    ASSERT_TRUE(opened.ok()) << opened.status();
    ledger_ = *std::move(opened);
    BatcherOptions options;
    options.definition = &definition_;
    options.ledger = ledger_.get();
    options.partitions = {PartitionId(0)};
    batcher_ = std::make_unique<Batcher>(options);
  }
  void TearDown() override {
    batcher_.reset();
    ledger_.reset();
    std::filesystem::remove_all(directory_);
  }
  // `number` decides on the id; another total makes another event of it.
  void put(int number, const std::string& total = "1000.00") {
    static const std::vector<Header> headers = {{"content-type", "application/cloudevents+json"}};
    const std::string payload = encode_payload(purchase_subject(number), headers, purchase_json(number, std::to_string(number), total));
    PulledPartition& inbox = batcher_->inbox()[0];
    if (inbox.batch.arena == nullptr) inbox.batch.arena = std::make_shared<Arena>();
    Record record;
    record.offset = next_offset_;
    ++next_offset_;
    record.timestamp_ms = 1'684'000'000'000;
    record.timestamp_type = TimestampType::log_append_time;
    record.payload = inbox.batch.arena->copy(std::string_view(payload));
    inbox.batch.records.push_back(record);
  }
  void judge() { ASSERT_TRUE(batcher_->judge_new().ok()); }
  // Commits what was taken first.
  void commit(const std::shared_ptr<const Commit>& commit) {
    const auto cost = ledger_->commit(*commit);  // which looks for duplicates itself (I4)
    ASSERT_TRUE(cost.ok()) << cost.status();
    batcher_->forget_oldest();
  }

  std::string directory_;
  Definition definition_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Batcher> batcher_;
  Offset next_offset_{0};
};

// So many ids that some share all bits that the table of uncommitted ones keeps: about seventy-five of them meet a stranger.
TEST_F(BatcherTest, TakesNoStrangerForADuplicate) {
  constexpr int kIds = 50'000;
  for (int number = 0; number < kIds; ++number) put(number);
  ASSERT_NO_FATAL_FAILURE(judge());
  const auto taken = batcher_->take();
  ASSERT_EQ(taken->parts.front().entries.size(), std::size_t{kIds});
  for (const Entry& entry : taken->parts.front().entries) ASSERT_EQ(entry.verdict, Verdict::accepted) << entry.offset.value();
  commit(taken);
}

// Beside a map of first copies: in the batch, in batches that were taken, and in the ledger.
TEST_F(BatcherTest, NamesTheFirstCopyWhereverItStands) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::map<int, Sequence> firsts;
  std::map<Verdict, int> seen;
  std::deque<std::shared_ptr<const Commit>> taken;
  std::vector<int> numbers;
  for (std::uint64_t sequence = 0; sequence < 6'000;) {
    for (std::size_t count = 1 + random() % 80; count > 0; --count) {
      numbers.push_back(static_cast<int>(random() % 3'000));
      put(numbers.back(), random() % 3 == 0 ? "7.00" : "1000.00");
    }
    ASSERT_NO_FATAL_FAILURE(judge());
    if (random() % 3 == 0) continue;
    taken.push_back(batcher_->take());
    const PartitionBatch& batch = taken.back()->parts.front();
    ASSERT_EQ(batch.entries.size(), numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i, ++sequence) {
      const auto [first, fresh] = firsts.try_emplace(numbers[i], Sequence(sequence));
      const Entry& entry = batch.entries[i];
      ASSERT_EQ(entry.verdict, fresh ? Verdict::accepted : Verdict::duplicate) << sequence;
      if (!fresh) {
        ASSERT_EQ(entry.duplicate_of, first->second) << sequence;
      }
      ++seen[entry.verdict];
    }
    numbers.clear();
    for (std::size_t kept = random() % 6; taken.size() > kept; taken.pop_front()) ASSERT_NO_FATAL_FAILURE(commit(taken.front()));
    ASSERT_EQ(batcher_->taken(), taken.size());
  }
  EXPECT_GT(seen[Verdict::accepted], 1'000);
  EXPECT_GT(seen[Verdict::duplicate], 1'000);
}

}  // namespace
}  // namespace bukubesar
