// Segment: an immutable file with a run of transfers in compressed columns, and with all else that the run's events added to the
// partition: dictionary texts, findings, first feeds. docs/SEGMENTS.md has the format as grammar, with a worked example.
//
// Invariants  I5: the content is a function of the entries; a segment ends at the first event boundary at or past the rows that the
//             options name (65,536), whatever batches, restarts and timing were.
// Crash       written whole, synced, renamed: a segment is there or is not.
// Errors      DataLoss names file and place. Whoever opens one deletes it and makes it again from the ledger.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "projections/columns.h"
#include "projections/dictionaries.h"
#include "projections/finding_kinds.h"

namespace bukubesar {

inline constexpr std::uint64_t kSegmentRows = 65'536;
inline constexpr std::size_t kSegmentHeaderBytes = 128;
inline constexpr std::size_t kSectionBytes = 32;

struct SegmentHeader {
  PartitionId partition;
  std::uint32_t number = 0;
  std::uint64_t first_sequence = 0;  // entries [first_sequence, next_sequence) are covered
  std::uint64_t next_sequence = 0;
  std::uint64_t first_row = 0;
  std::uint32_t rows = 0;
  std::int64_t ledger_time_ms = 0;  // after the last entry
  std::uint64_t events = 0;         // accepted events of the partition, up to the last entry
  Hash256 fold_hash{};              // of what decides the fold beside the entries
  Hash256 last_payload_hash{};      // of the entry before next_sequence: ties the segment to its ledger
};

// The feed that was seen first for a system and institution.
struct FirstFeed {
  std::uint32_t system = 0, institution = 0, feed = 0;
  friend bool operator==(const FirstFeed&, const FirstFeed&) = default;
};

// A segment's content, decoded. `columns` are in memory widths, as in RowChunk.
struct SegmentContent {
  SegmentHeader header;
  std::array<std::vector<std::byte>, kColumnCount> columns;
  std::array<std::vector<std::string>, kDictionaryCount> texts;  // what the run added, in order
  std::vector<FindingRow> findings;
  std::vector<FirstFeed> first_feeds;
  [[nodiscard]] ColumnPointers pointers() const;
};

[[nodiscard]] std::string encode_segment(const SegmentContent& content);
[[nodiscard]] absl::StatusOr<SegmentContent> decode_segment(std::string_view bytes, std::string_view name);

[[nodiscard]] std::string segment_file_name(std::uint32_t number);  // "000017.seg"
// "0/000017", as in messages.
[[nodiscard]] std::string segment_name(PartitionId partition, std::uint32_t number);

// A segment on disk. Columns are read when they are asked for; nothing of them stays in memory.
// Threads  any.
class FileSegment {
 public:
  // `bytes`: the file's content, checked by decode_segment().
  FileSegment(std::string path, std::string_view bytes, const SegmentHeader& header);
  [[nodiscard]] const SegmentHeader& header() const { return header_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }
  // Fills `to`, room for header().rows values of the column's width.
  [[nodiscard]] absl::Status read_column(Column column, std::byte* to) const;
  // The column as it is stored, for whoever needs few of its rows: value_of() takes one out of it.
  [[nodiscard]] absl::Status read_planes(Column column, std::string& planes) const;
  // In the low bytes, as many as the column is wide.
  [[nodiscard]] std::uint64_t value_of(Column column, std::string_view planes, std::size_t row) const;
  // Rows whose sequence is below `size`.
  [[nodiscard]] absl::StatusOr<std::uint64_t> rows_below(std::uint64_t size) const;
  [[nodiscard]] std::int64_t event_time_min() const { return sections_[static_cast<std::size_t>(Column::event_time)].min(); }
  [[nodiscard]] std::int64_t event_time_max() const { return sections_[static_cast<std::size_t>(Column::event_time)].max(); }

 private:
  struct Place {
    std::uint64_t at = 0;
    std::uint64_t base = 0, limit = 0;
    std::uint32_t raw = 0, stored = 0;
    std::uint8_t width = 0;
    [[nodiscard]] std::int64_t min() const { return static_cast<std::int64_t>(base); }
    [[nodiscard]] std::int64_t max() const { return static_cast<std::int64_t>(limit); }
  };
  std::string path_;
  SegmentHeader header_;
  std::uint64_t file_bytes_ = 0;
  std::array<Place, kColumnCount> sections_{};
};

}  // namespace bukubesar
