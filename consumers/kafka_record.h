// A record of librdkafka's as one of ours, and the comparison of one with the anchor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/arena.h"
#include "consumers/kafka_handle.h"
#include "consumers/offset_tracker.h"
#include "events/payload.h"
#include "events/record.h"

namespace bukubesar {

// Key, headers and value become one payload in the arena. `headers` is reused: its capacity is kept.
[[nodiscard]] Record kafka_record(rd_kafka_message_s& message, Arena& arena, std::vector<Header>& headers);

// Nothing where the message is the anchor; else both hashes and times, for people.
[[nodiscard]] std::optional<std::string> difference_from(const Anchor& anchor, rd_kafka_message_s& message);

// One partition's anchor, as it was some seconds ago.
struct WatchedAnchor {
  PartitionId partition;
  std::string topic;
  std::int32_t kafka_partition = 0;
  Anchor anchor;
};
struct AnchorFinding {
  PartitionId partition;
  std::string why;
};
// Fetches each anchor with a consumer of its own and compares it: a topic that was recreated under a running consumer, fast enough
// for that consumer to see no error, is noticed only by looking back. Nothing: all are as they were, or the broker did not answer.
[[nodiscard]] std::optional<AnchorFinding> look_back(const KafkaAddress& address, const std::vector<WatchedAnchor>& anchors);

}  // namespace bukubesar
