#include <atomic>

#include "consumers/kafka_source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/consumers/mock_broker.h"
#include "tests/wait_until.h"

namespace bukubesar {
namespace {

using std::chrono::seconds;
using testing_support::MockBroker;
using testing_support::wait_until;

class ClockAhead final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return Clock::system().wall_ms(); }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return Clock::system().steady() + seconds(ahead); }
  std::atomic<int> ahead = 0;
};

// A topic whose partition 1 has no leader: the broker answers, and nothing is heard of that partition.
class KafkaSourceSilenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    broker_.lead(1, MockBroker::kNobody);
    KafkaSourceOptions options;
    options.address.bootstrap_servers = broker_.bootstrap();
    options.group = "g";
    options.embedded = true;
    options.clock = &clock_;
    for (std::int32_t number = 0; number < 2; ++number) {
      SourcePosition position;
      position.partition = PartitionId(static_cast<std::uint32_t>(number));
      position.topic = "t";
      position.kafka_partition = number;
      options.positions.push_back(position);
    }
    source_ = std::make_unique<KafkaSource>(std::move(options));
  }
  SourceStatus status(std::size_t partition) {
    source_->pull(pulled_, kPullRecordsMax, 1 << 20, std::chrono::milliseconds(1));
    return source_->statuses()[partition];
  }

  ClockAhead clock_;
  MockBroker broker_{2};
  std::vector<PulledPartition> pulled_{2};
  std::unique_ptr<KafkaSource> source_;
};

TEST_F(KafkaSourceSilenceTest, AConsumerThatHearsNothingIsReplaced) {
  ASSERT_TRUE(wait_until([&] { return status(0).state == SourceState::streaming; }));
  EXPECT_EQ(status(1).state, SourceState::connecting);
  clock_.ahead = 30;
  SourceStatus seen;  // asking again would begin anew before the leader is there
  EXPECT_TRUE(wait_until([&] { return (seen = status(1)).state == SourceState::waiting_for_broker; }));
  EXPECT_THAT(seen.why, ::testing::HasSubstr("nothing was heard of t [1] for 20 s"));
  broker_.lead(1, MockBroker::kItself);
  clock_.ahead = 60;
  EXPECT_TRUE(wait_until([&] { return status(1).state == SourceState::streaming; }));
  EXPECT_EQ(status(1).reconnects, 1U);
}

TEST_F(KafkaSourceSilenceTest, OneThatWaitsForRecordsIsNot) {
  broker_.lead(1, MockBroker::kItself);
  ASSERT_TRUE(wait_until([&] { return status(0).state == SourceState::streaming && status(1).state == SourceState::streaming; }));
  clock_.ahead = 3600;
  EXPECT_EQ(status(0).state, SourceState::streaming);
  EXPECT_EQ(status(1).state, SourceState::streaming);
  EXPECT_EQ(status(1).reconnects, 0U);
}

}  // namespace
}  // namespace bukubesar
