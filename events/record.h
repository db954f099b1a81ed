// Record: what Kafka delivered, with key, headers and value already in the one byte string that is hashed and stored.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/ids.h"

namespace bukubesar {

enum class TimestampType : std::uint8_t { none, create_time, log_append_time };

struct Record {
  Offset offset;
  std::int64_t timestamp_ms = 0;  // 0 where timestamp_type is none
  TimestampType timestamp_type = TimestampType::none;
  std::string_view payload;  // encoded as in events/payload.h; lives in the batch's arena; may exceed kPayloadBytesMax
};

// Records of one ledger partition in offset order, all of one epoch. Offsets may jump: that is the source's to explain.
struct RecordBatch {
  PartitionId partition;
  Epoch epoch;
  std::vector<Record> records;
  std::shared_ptr<Arena> arena = std::make_shared<Arena>(1 << 20);
};

}  // namespace bukubesar
