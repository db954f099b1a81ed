// Heads file: size and root of every partition and the number of cut notes, written outside RocksDB, so that a store that came back shorter
// is noticed (I9).
//
// Source  docs/FORMAT.md, "Heads file".
// Crash   replaced whole: the old content or the new one.
// Errors  DataLoss: the content is not what was written, or is of another ledger. NotFound: there is none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/sha256.h"

namespace bukubesar {

struct RecordedHead {
  std::uint64_t size = 0;
  Hash256 root{};
  Epoch epoch;
  Offset next_offset{0};
  friend bool operator==(const RecordedHead&, const RecordedHead&) = default;
};
struct RecordedHeads {
  std::uint64_t cut_notes = 0;  // how many were stored: signatures leave no trace in sizes and roots
  std::map<PartitionId, RecordedHead> partitions;
  friend bool operator==(const RecordedHeads&, const RecordedHeads&) = default;
};

[[nodiscard]] std::string format_heads(std::string_view ledger, const RecordedHeads& heads);
[[nodiscard]] absl::StatusOr<RecordedHeads> parse_heads(std::string_view text, std::string_view ledger, std::string_view file_name);

}  // namespace bukubesar
