#include "consumers/kafka_producer.h"

#include <array>
#include <map>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/consumers/mock_broker.h"
#include "tests/consumers/node.h"

namespace bukubesar {
namespace {

using testing_support::MockBroker;
using testing_support::purchase_record;
using testing_support::wait_until;

constexpr std::int16_t kProduceRequest = 0;
constexpr std::int16_t kProducerIdRequest = 22;

// A broker that can be told to refuse, and what a producer of it says of each record.
class KafkaProducerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    KafkaProducerOptions options;
    options.address.bootstrap_servers = broker_.bootstrap();
    options.delivered = [this](void* token, absl::StatusOr<Offset> offset) {
      const absl::MutexLock lock(&mutex_);
      EXPECT_TRUE(outcomes_.emplace(static_cast<int*>(token), offset).second) << "told twice";
    };
    options_ = std::move(options);
  }
  void start() {
    auto made = KafkaProducer::make(options_);
    ASSERT_TRUE(made.ok()) << made.status();
    producer_ = std::move(made).value();
  }
  void refuse(std::int16_t request, rd_kafka_resp_err_t error, std::size_t times) {
    const std::vector<rd_kafka_resp_err_t> errors(times, error);
    rd_kafka_mock_push_request_errors_array(broker_.get(), request, times, errors.data());
  }
  // What becomes of one record, taken or not.
  absl::Status sent() {
    int token = 0;
    const absl::Status taken = producer_->produce("t", 0, purchase_record(1, "one"), std::nullopt, &token);
    if (!taken.ok()) return taken;
    absl::Status outcome;
    EXPECT_TRUE(wait_until([&] { return told(&token, outcome); }));
    const absl::MutexLock lock(&mutex_);
    outcomes_.erase(&token);
    return outcome;
  }
  bool told(int* token, absl::Status& outcome) {
    const absl::MutexLock lock(&mutex_);
    const auto found = outcomes_.find(token);
    if (found == outcomes_.end()) return false;
    outcome = found->second.status();
    return true;
  }

  MockBroker broker_{1};
  KafkaProducerOptions options_;
  absl::Mutex mutex_;
  std::map<int*, absl::StatusOr<Offset>> outcomes_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<KafkaProducer> producer_;
};

// As a broker does to a principal without rights, until it has them: the second handle has none yet.
TEST_F(KafkaProducerTest, GoesOnByItselfOnceItHasTheRights) {
  refuse(kProducerIdRequest, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, 2);
  start();
  for (int i = 0; i < 3; ++i) {
    const absl::Status refused = sent();
    EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
    EXPECT_NE(refused.message().find("authorization failed"), std::string::npos) << refused;
    EXPECT_NE(refused.message().find("the runbook lists"), std::string::npos) << refused;
  }
  EXPECT_TRUE(wait_until([&] { return sent().ok(); }));
}

TEST_F(KafkaProducerTest, GoesOnAfterALostSequence) {
  start();
  ASSERT_EQ(sent(), absl::OkStatus());
  refuse(kProduceRequest, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
  const absl::Status lost = sent();
  EXPECT_TRUE(absl::IsUnavailable(lost)) << lost;
  EXPECT_NE(lost.message().find("desynchronization"), std::string::npos) << lost;
  EXPECT_TRUE(wait_until([&] { return sent().ok(); }));
}

TEST_F(KafkaProducerTest, TellsOfEachRecordWhereItIsStoppedWithoutRights) {
  refuse(kProducerIdRequest, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, 100);
  start();
  std::array<int, 100> tokens{};
  const auto is_taken = [&](int& token) { return producer_->produce("t", 0, purchase_record(1, "one"), std::nullopt, &token).ok(); };
  ASSERT_TRUE(wait_until([&] { return is_taken(tokens[0]); })) << "each new producer takes some before it knows";
  std::size_t taken = 1;
  for (std::size_t i = 1; i < tokens.size(); ++i) taken += is_taken(tokens[i]) ? 1 : 0;
  producer_->stop();
  const absl::MutexLock lock(&mutex_);
  EXPECT_EQ(outcomes_.size(), taken);
}

}  // namespace
}  // namespace bukubesar
