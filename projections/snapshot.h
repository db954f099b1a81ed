// Snapshot: what a read sees. Taken under the owner's lock in a moment, scanned without it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/cut.h"
#include "base/ids.h"
#include "projections/columns.h"
#include "projections/dictionaries.h"
#include "projections/segment.h"

namespace bukubesar {

using FileSegments = std::vector<std::shared_ptr<const FileSegment>>;

struct MemoryPart {
  std::uint64_t first_row = 0, rows = 0;
  std::vector<std::shared_ptr<const RowChunk>> chunks;
};

struct PartitionSnapshot {
  PartitionId id;
  std::uint64_t size = 0;  // entries read
  std::uint64_t rows = 0;
  std::int64_t ledger_time_ms = 0;  // 0: none
  const Dictionaries* dictionaries = nullptr;
  std::shared_ptr<const FileSegments> sealed;
  std::vector<MemoryPart> memory;
};

struct Snapshot {
  Cut cut;
  std::vector<PartitionSnapshot> partitions;  // numbered ones, ascending
};

// Rows whose sequence is below `size`.
[[nodiscard]] absl::StatusOr<std::uint64_t> rows_below(const PartitionSnapshot& partition, std::uint64_t size);

[[nodiscard]] std::vector<Column> all_columns();

// One run of at most kChunkRows rows.
struct RowBlock {
  ColumnPointers columns;
  std::size_t rows = 0;
  std::uint64_t first_row = 0;
};

// Columns of a sealed segment, decoded as they are asked for and kept until another segment is opened.
// Threads  one.
class SegmentColumns {
 public:
  // Makes `columns` of `segment` available.
  [[nodiscard]] absl::Status open(const FileSegment& segment, const std::vector<Column>& columns);
  [[nodiscard]] const ColumnPointers& pointers() const { return pointers_; }

 private:
  const FileSegment* open_ = nullptr;
  std::array<std::vector<std::byte>, kColumnCount> columns_;
  ColumnPointers pointers_;
};

// A few rows of a sealed segment, put together as a block: columns that are not decoded yet are taken as they are stored.
// Threads  one.
class RowGather {
 public:
  // rows: at most kChunkRows places in the segment. decoded: what there is of its columns. The block stands until the next call.
  [[nodiscard]] absl::StatusOr<RowBlock> gather(const FileSegment& segment, const ColumnPointers& decoded,
                                                const std::vector<Column>& columns, std::span<const std::uint32_t> rows);

 private:
  const FileSegment* open_ = nullptr;
  std::array<std::optional<std::string>, kColumnCount> planes_;  // of the open segment
  std::array<std::vector<std::byte>, kColumnCount> values_;
};

// Calls visit(const RowBlock&) → absl::Status for the rows [first, limit), with `columns` filled.
template <class Visit>
absl::Status for_each_block(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                            const std::vector<Column>& columns, SegmentColumns& scratch, Visit visit);

// Where the sealed segment ends that holds `row`, at most `limit`; `limit` where it stands in memory.
[[nodiscard]] std::uint64_t segment_end(const PartitionSnapshot& partition, std::uint64_t row, std::uint64_t limit);

// The sealed segment that holds `row`; null where it stands in memory.
[[nodiscard]] const FileSegment* segment_at(const PartitionSnapshot& partition, std::uint64_t row);

// Rows one by one. A segment's columns are decompressed when the first of its rows is read and kept until another segment is opened.
// Threads  one.
class RowReader {
 public:
  // columns: those that the caller looks at; the others may be left 0. Decompressing is what a row costs.
  explicit RowReader(const PartitionSnapshot& partition, std::vector<Column> columns = all_columns())
      : partition_(partition), columns_(std::move(columns)) {}
  // OutOfRange beyond the rows.
  [[nodiscard]] absl::StatusOr<Transfer> at(std::uint64_t row);

 private:
  absl::Status open(const FileSegment& segment);

  const PartitionSnapshot& partition_;
  const std::vector<Column> columns_;
  const FileSegment* open_ = nullptr;
  std::array<std::string, kColumnCount> planes_;
};

// ---- implementation of the template

namespace snapshot_internal {
ColumnPointers advance(const ColumnPointers& from, std::size_t rows);
ColumnPointers pointers_of(const RowChunk& chunk);
// Index of the sealed segment that holds `row`.
std::size_t segment_of(const FileSegments& segments, std::uint64_t row);
}  // namespace snapshot_internal

template <class Visit>
absl::Status for_each_block(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                            const std::vector<Column>& columns, SegmentColumns& scratch, Visit visit) {
  std::uint64_t row = first;
  const FileSegments& sealed = *partition.sealed;
  for (std::size_t i = snapshot_internal::segment_of(sealed, row); i < sealed.size() && row < limit; ++i) {
    const FileSegment& segment = *sealed[i];
    const std::uint64_t begin = segment.header().first_row;
    const std::uint64_t end = std::min(limit, begin + segment.header().rows);
    if (row >= end) continue;
    if (absl::Status status = scratch.open(segment, columns); !status.ok()) return status;
    while (row < end) {
      RowBlock block{snapshot_internal::advance(scratch.pointers(), row - begin), std::min<std::size_t>(kChunkRows, end - row), row};
      if (absl::Status status = visit(block); !status.ok()) return status;
      row += block.rows;
    }
  }
  for (const MemoryPart& part : partition.memory) {
    const std::uint64_t end = std::min(limit, part.first_row + part.rows);
    while (row < end) {
      const std::uint64_t within = row - part.first_row;
      const std::size_t at = within % kChunkRows;
      RowBlock block{snapshot_internal::advance(snapshot_internal::pointers_of(*part.chunks[within / kChunkRows]), at),
                     std::min<std::size_t>(kChunkRows - at, end - row), row};
      if (absl::Status status = visit(block); !status.ok()) return status;
      row += block.rows;
    }
  }
  return absl::OkStatus();
}

}  // namespace bukubesar
