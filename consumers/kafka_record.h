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

}  // namespace bukubesar
