// TopicWatch: looks at the topics beside the consumer that reads them, for what that consumer cannot see.
//
// A topic that was deleted and made again looks to librdkafka 2.0 like the old one (it knows no topic ids). The live consumer is told of
// it by a refused fetch; where it was not fetching at that moment (its queue was full) nothing tells it. So a short-lived consumer
// fetches an anchor of some time ago again, and compares it. It also counts the topic's partitions.
//
// Threads  one of its own; note() and finding() from any.
// Errors   none: a broker that does not answer is the live consumer's to notice.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consumers/kafka_handle.h"
#include "consumers/offset_tracker.h"

namespace bukubesar {

struct WatchedPartition {
  PartitionId partition;
  std::string topic;
  std::int32_t kafka_partition = 0;
  std::optional<Anchor> anchor;
};

struct WatchFinding {
  std::optional<PartitionId> partition;  // nothing: all
  std::string why;
};

class TopicWatch {
 public:
  TopicWatch(KafkaAddress address, std::vector<WatchedPartition> partitions, std::chrono::milliseconds interval);
  ~TopicWatch();  // waits for a look under way
  TopicWatch(const TopicWatch&) = delete;
  TopicWatch& operator=(const TopicWatch&) = delete;

  // A partition's anchor has moved.
  void note(std::size_t index, const Anchor& anchor);
  // Why the intake must stop; nothing: no reason was seen so far.
  [[nodiscard]] std::optional<WatchFinding> finding() const;
  // How often it has looked, answered or not.
  [[nodiscard]] std::uint64_t looks() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Partition counts by topic, as the definition has them.
[[nodiscard]] std::map<std::string, int> partition_counts(const std::vector<WatchedPartition>& partitions);
// What it means that a topic has another number of partitions than the definition knows.
[[nodiscard]] std::string why_count_differs(const std::string& topic, int found, int wanted);

}  // namespace bukubesar
