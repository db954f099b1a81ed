// MockBroker: librdkafka's in-process broker with one topic, "t", for tests that have it refuse a request or lose a leader.
#pragma once

#include <librdkafka/rdkafka.h>
// It has no include guard of its own for this order: rdkafka.h must stand before it.
#include <librdkafka/rdkafka_mock.h>

#include <cstdint>
#include <memory>
#include <string>

#include "consumers/kafka_handle.h"
#include "gtest/gtest.h"

namespace bukubesar::testing_support {

class MockBroker {
 public:
  explicit MockBroker(int partitions) {
    EXPECT_EQ(rd_kafka_mock_topic_create(cluster_.get(), "t", partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  static constexpr std::int32_t kItself = 1, kNobody = -1;
  void lead(std::int32_t partition, std::int32_t leader) {
    EXPECT_EQ(rd_kafka_mock_partition_set_leader(cluster_.get(), "t", partition, leader), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  [[nodiscard]] std::string bootstrap() const { return rd_kafka_mock_cluster_bootstraps(cluster_.get()); }
  [[nodiscard]] rd_kafka_mock_cluster_t* get() const { return cluster_.get(); }

 private:
  struct Deleter {
    void operator()(rd_kafka_mock_cluster_t* cluster) const { rd_kafka_mock_cluster_destroy(cluster); }
  };
  KafkaHandle handle_ = *make_kafka_handle(KafkaRole::producer, {}, {}, nullptr);  // librdkafka keeps the broker's books on a handle
  std::unique_ptr<rd_kafka_mock_cluster_t, Deleter> cluster_{rd_kafka_mock_cluster_new(handle_.get(), 1)};
};

}  // namespace bukubesar::testing_support
