// What this node's group last committed to Kafka: how far the ledger had come, remembered outside its disk (I9).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "consumers/kafka_handle.h"
#include "consumers/kafka_source.h"

namespace bukubesar {

struct AdvisedHead {
  PartitionId partition;
  std::uint64_t size = 0;
  Hash256 root{};
  std::string first;  // which ledger: the beginning of its first entry's hash
};

// The metadata of a committed offset, and back; nothing where it is none.
[[nodiscard]] std::string format_advised(std::uint64_t size, const Hash256& root, std::string_view first);
[[nodiscard]] std::optional<AdvisedHead> parse_advised(std::string_view metadata);

// Of those positions whose group has committed anything. Unavailable: the broker was not there within `timeout`.
[[nodiscard]] absl::StatusOr<std::vector<AdvisedHead>> advised_heads(const KafkaAddress& address, const std::string& group,
                                                                     const std::vector<SourcePosition>& positions,
                                                                     std::chrono::milliseconds timeout);

}  // namespace bukubesar
