#include "projections/snapshot.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"

namespace bukubesar {

namespace snapshot_internal {

ColumnPointers advance(const ColumnPointers& from, std::size_t rows) {
  ColumnPointers to;
  for (std::size_t c = 0; c < kColumnCount; ++c) to.at[c] = from.at[c] == nullptr ? nullptr : from.at[c] + rows * kColumns[c].width;
  return to;
}

ColumnPointers pointers_of(const RowChunk& chunk) {
  ColumnPointers to;
  for (std::size_t c = 0; c < kColumnCount; ++c) to.at[c] = chunk.column(static_cast<Column>(c));
  return to;
}

std::size_t segment_of(const FileSegments& segments, std::uint64_t row) {
  const auto after = std::upper_bound(segments.begin(), segments.end(), row,
                                      [](std::uint64_t wanted, const auto& segment) { return wanted < segment->header().first_row; });
  return after == segments.begin() ? 0 : static_cast<std::size_t>(after - segments.begin()) - 1;
}

}  // namespace snapshot_internal

std::vector<Column> all_columns() {
  std::vector<Column> to;
  for (std::size_t c = 0; c < kColumnCount; ++c) to.push_back(static_cast<Column>(c));
  return to;
}

absl::Status SegmentColumns::open(const FileSegment& segment, const std::vector<Column>& columns) {
  if (open_ != &segment) {
    pointers_ = ColumnPointers{};
    open_ = &segment;
  }
  for (const Column c : columns) {
    const auto index = static_cast<std::size_t>(c);
    if (pointers_.at[index] != nullptr) continue;
    std::vector<std::byte>& to = columns_[index];
    to.resize(std::size_t{segment.header().rows} * info_of(c).width);
    if (absl::Status status = segment.read_column(c, to.data()); !status.ok()) {
      open_ = nullptr;
      return status;
    }
    pointers_.at[index] = to.data();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> rows_below(const PartitionSnapshot& partition, std::uint64_t size) {
  if (size >= partition.size) return partition.rows;
  const FileSegments& sealed = *partition.sealed;
  const auto at = std::partition_point(sealed.begin(), sealed.end(), [&](const auto& one) { return one->header().next_sequence <= size; });
  if (at != sealed.end()) {
    ASSIGN_OR_RETURN(const std::uint64_t rows, (*at)->rows_below(size));
    return (*at)->header().first_row + rows;
  }
  std::uint64_t below = sealed.empty() ? 0 : sealed.back()->header().first_row + sealed.back()->header().rows;
  for (const MemoryPart& part : partition.memory) {
    for (std::uint64_t first = 0; first < part.rows; first += kChunkRows) {
      const std::uint64_t rows = std::min<std::uint64_t>(kChunkRows, part.rows - first);
      const auto* sequences = part.chunks[first / kChunkRows]->values<std::uint64_t>(Column::sequence);
      const auto within = static_cast<std::uint64_t>(std::lower_bound(sequences, sequences + rows, size) - sequences);
      below = part.first_row + first + within;
      if (within < rows) return below;
    }
  }
  return below;
}

const FileSegment* segment_at(const PartitionSnapshot& partition, std::uint64_t row) {
  const FileSegments& sealed = *partition.sealed;
  if (sealed.empty()) return nullptr;
  const FileSegment& segment = *sealed[snapshot_internal::segment_of(sealed, row)];
  return row < segment.header().first_row + segment.header().rows ? &segment : nullptr;
}

std::uint64_t segment_end(const PartitionSnapshot& partition, std::uint64_t row, std::uint64_t limit) {
  const FileSegment* segment = segment_at(partition, row);
  return segment == nullptr ? limit : std::min(segment->header().first_row + segment->header().rows, limit);
}

absl::StatusOr<RowBlock> RowGather::gather(const FileSegment& segment, const ColumnPointers& decoded, const std::vector<Column>& columns,
                                           std::span<const std::uint32_t> rows) {
  if (open_ != &segment) planes_ = {};
  open_ = &segment;
  RowBlock block;
  block.rows = rows.size();
  for (const Column c : columns) {
    const auto index = static_cast<std::size_t>(c);
    const std::size_t width = info_of(c).width;
    std::vector<std::byte>& to = values_[index];
    to.resize(kChunkRows * width);
    block.columns.at[index] = to.data();
    if (const std::byte* from = decoded.at[index]; from != nullptr) {
      for (std::size_t i = 0; i < rows.size(); ++i) std::memcpy(to.data() + i * width, from + rows[i] * width, width);
      continue;
    }
    std::optional<std::string>& planes = planes_[index];
    if (!planes) {
      if (absl::Status status = segment.read_planes(c, planes.emplace()); !status.ok()) {
        planes.reset();
        return status;
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint64_t value = segment.value_of(c, *planes, rows[i]);  // in the low bytes
      std::memcpy(to.data() + i * width, &value, width);
    }
  }
  return block;
}

absl::Status RowReader::open(const FileSegment& segment) {
  if (open_ == &segment) return absl::OkStatus();
  open_ = nullptr;
  for (const Column c : columns_) RETURN_IF_ERROR(segment.read_planes(c, planes_[static_cast<std::size_t>(c)]));
  open_ = &segment;
  return absl::OkStatus();
}

absl::StatusOr<Transfer> RowReader::at(std::uint64_t row) {
  if (row >= partition_.rows) return out_of_range("row {} of partition {}: there are {}", row, partition_.id.name(), partition_.rows);
  for (const MemoryPart& part : partition_.memory) {
    if (row < part.first_row || row >= part.first_row + part.rows) continue;
    const std::uint64_t within = row - part.first_row;
    return part.chunks[within / kChunkRows]->get(within % kChunkRows);
  }
  const FileSegments& sealed = *partition_.sealed;
  const FileSegment& segment = *sealed[snapshot_internal::segment_of(sealed, row)];
  RETURN_IF_ERROR(open(segment));
  std::array<std::uint64_t, kColumnCount> values{};
  ColumnPointers pointers;
  for (std::size_t c = 0; c < kColumnCount; ++c) pointers.at[c] = reinterpret_cast<const std::byte*>(&values[c]);
  for (const Column c : columns_) {
    const auto index = static_cast<std::size_t>(c);
    values[index] = segment.value_of(c, planes_[index], row - segment.header().first_row);
  }
  return gather(pointers, 0);
}

}  // namespace bukubesar
