#include "consumers/kafka_watch.h"

#include <librdkafka/rdkafka.h>

#include "base/sha256.h"
#include "events/payload.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/consumers/mock_broker.h"
#include "tests/wait_until.h"

namespace bukubesar {
namespace {

using testing_support::MockBroker;
using testing_support::wait_until;

constexpr std::int64_t kStamp = 1'684'000'000'000;

// A topic with one record, and its anchor as the ledger would have it.
class TopicWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto handle = make_kafka_handle(KafkaRole::producer, {broker_.bootstrap(), {}}, {}, nullptr);
    ASSERT_TRUE(handle.ok()) << handle.status();
    rd_kafka_vu_t arguments[4] = {};
    arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    arguments[0].u.cstr = "t";
    arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    arguments[1].u.i32 = 0;
    arguments[2].vtype = RD_KAFKA_VTYPE_VALUE;
    arguments[2].u.mem = {value_.data(), value_.size()};
    arguments[3].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    arguments[3].u.i64 = kStamp;
    ASSERT_EQ(rd_kafka_produceva(handle->get(), arguments, 4), nullptr);
    ASSERT_EQ(rd_kafka_flush(handle->get(), 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  [[nodiscard]] static Anchor anchor_of(std::string_view value) {
    return {Offset(0), kStamp, TimestampType::create_time, sha256(encode_payload(std::nullopt, {}, value))};
  }
  std::string value_ = "stands";
  MockBroker broker_{1};
};

TEST_F(TopicWatchTest, AnAnchorThatStandsIsNoFinding) {
  const TopicWatch watch({broker_.bootstrap(), {}}, {{PartitionId(0), "t", 0, anchor_of(value_)}}, std::chrono::milliseconds(1));
  EXPECT_TRUE(wait_until([&] { return watch.looks() >= 2; }));
  EXPECT_FALSE(watch.finding().has_value());
}

// The topic was made again while nobody led it; what was stored since then is from the new one and stands.
TEST_F(TopicWatchTest, AnAnchorWhoseLookGotNoAnswerIsLookedAtAgain) {
  broker_.lead(0, MockBroker::kNobody);
  TopicWatch watch({broker_.bootstrap(), {}}, {{PartitionId(0), "t", 0, anchor_of("is gone")}}, std::chrono::milliseconds(1));
  watch.note(0, anchor_of(value_));
  EXPECT_TRUE(wait_until([&] { return watch.looks() >= 1; }));
  EXPECT_FALSE(watch.finding().has_value());
  broker_.lead(0, MockBroker::kItself);
  EXPECT_TRUE(wait_until([&] { return watch.finding().has_value(); }));
  EXPECT_THAT(watch.finding().value_or(WatchFinding{}).why, ::testing::HasSubstr("the record at offset 0 of t [0] is not the one stored"));
}

}  // namespace
}  // namespace bukubesar
