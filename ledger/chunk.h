// Chunk: the two rows, entries and payloads, of one run of at most kChunkEntriesMax entries of a commit, compressed once.
//
// Source  docs/FORMAT.md, "Chunks": grammar and a worked example.
// Threads any; compression contexts are per thread.
// Errors  DataLoss: the bytes are no chunk. Nothing is trusted: sizes are bounded before memory is taken.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "events/payload.h"
#include "ledger/entry.h"
#include "ledger/ledger.h"

namespace bukubesar {

// A run ends before its payloads exceed this, unless it is a single entry.
inline constexpr std::size_t kChunkPayloadBytesMax = 1U << 20;

struct EntryChunk {
  Sequence first;
  std::int64_t ledger_time_before_ms = 0;  // of the partition, before the first entry
  std::string bytes;                       // count × kEntryBytes
  [[nodiscard]] std::size_t count() const { return bytes.size() / kEntryBytes; }
  [[nodiscard]] std::string_view entry(std::size_t index) const { return std::string_view(bytes).substr(index * kEntryBytes, kEntryBytes); }
};

struct PayloadChunk {
  Sequence first;
  std::vector<std::optional<std::string_view>> payloads;  // into `bytes`; nothing: kept as hash only
  std::string bytes;
};

// entries: count × kEntryBytes, 1 <= count <= kChunkEntriesMax.
[[nodiscard]] std::string encode_entry_chunk(std::string_view entries, std::int64_t ledger_time_before_ms);
[[nodiscard]] absl::StatusOr<EntryChunk> decode_entry_chunk(Sequence first, std::string_view row);
// What stands at the row's start, without decompressing: count and ledger time.
struct EntryChunkHeader {
  std::size_t count = 0;
  std::int64_t ledger_time_before_ms = 0;
};
[[nodiscard]] absl::StatusOr<EntryChunkHeader> decode_entry_chunk_header(std::string_view row);

// A payload with data() == nullptr is kept as hash only.
[[nodiscard]] std::string encode_payload_chunk(const std::string_view* payloads, std::size_t count);
[[nodiscard]] absl::StatusOr<std::shared_ptr<const PayloadChunk>> decode_payload_chunk(Sequence first, std::string_view row);

}  // namespace bukubesar
