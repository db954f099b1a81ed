// Columns: a segment's rows, member by member. One table of names and widths; rows in memory stand in chunks of kChunkRows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "projections/transfer.h"

namespace bukubesar {

// Stored in segments as section numbers: never renumbered.
enum class Column : std::uint8_t {
  sequence,
  row,
  purchase,
  from,
  to,
  amount,
  packages,
  cells,
  kind,
  flags,
  event_time,
  order_date,
  fiscal_year,
  system,
  method,
  institution,
  work_unit,
  vendor,
  distributor,
  funding,
  region,
  scale,
  feed,
  component,
  origin,
  catalogue_kind,
  commodity,
  revision,
  reference,
  previous,
};
inline constexpr std::size_t kColumnCount = 30;

struct ColumnInfo {
  std::string_view name;
  std::uint8_t width;  // bytes a value in memory
  bool is_signed;
};
inline constexpr std::array<ColumnInfo, kColumnCount> kColumns = {{
    {"sequence", 8, false},       {"row", 4, false},       {"purchase", 4, false},   {"from", 1, false},        {"to", 1, false},
    {"amount", 8, true},          {"packages", 1, true},   {"cells", 1, true},       {"kind", 1, false},        {"flags", 1, false},
    {"event_time", 8, true},      {"order_date", 4, true}, {"fiscal_year", 4, true}, {"system", 4, false},      {"method", 4, false},
    {"institution", 4, false},    {"work_unit", 4, false}, {"vendor", 4, false},     {"distributor", 4, false}, {"funding", 4, false},
    {"region", 4, false},         {"scale", 1, false},     {"feed", 4, false},       {"component", 1, false},   {"origin", 1, false},
    {"catalogue_kind", 1, false}, {"commodity", 4, false}, {"revision", 8, false},   {"reference", 8, false},   {"previous", 8, false},
}};
[[nodiscard]] constexpr const ColumnInfo& info_of(Column column) { return kColumns[static_cast<std::size_t>(column)]; }

inline constexpr std::size_t kChunkRows = 4096;

// Fixed room for kChunkRows rows, column after column.
class RowChunk {
  // Where each column begins, then the end. A table: added up where it is asked for, each row would add up all widths thirty times.
  static constexpr std::array<std::size_t, kColumnCount + 1> kOffsets = [] {
    std::array<std::size_t, kColumnCount + 1> offsets{};
    for (std::size_t c = 0; c < kColumnCount; ++c) offsets[c + 1] = offsets[c] + kColumns[c].width * kChunkRows;
    return offsets;
  }();

 public:
  static constexpr std::size_t kBytes = kOffsets[kColumnCount];
  RowChunk() : bytes_(std::make_unique_for_overwrite<std::byte[]>(kBytes)) {}
  [[nodiscard]] std::byte* column(Column c) { return bytes_.get() + offset_of(c); }
  [[nodiscard]] const std::byte* column(Column c) const { return bytes_.get() + offset_of(c); }
  template <class T>
  [[nodiscard]] T* values(Column c) {
    return reinterpret_cast<T*>(column(c));
  }
  template <class T>
  [[nodiscard]] const T* values(Column c) const {
    return reinterpret_cast<const T*>(column(c));
  }
  void put(std::size_t at, const Transfer& transfer);
  [[nodiscard]] Transfer get(std::size_t at) const;

 private:
  static constexpr std::size_t offset_of(Column c) { return kOffsets[static_cast<std::size_t>(c)]; }

  std::unique_ptr<std::byte[]> bytes_;
};

// Where the values of one row's columns are: the same code reads a chunk and a decoded segment.
class ColumnPointers {
 public:
  std::array<const std::byte*, kColumnCount> at{};
  template <class T>
  [[nodiscard]] const T* values(Column c) const {
    return reinterpret_cast<const T*>(at[static_cast<std::size_t>(c)]);
  }
};
[[nodiscard]] Transfer gather(const ColumnPointers& columns, std::size_t index);

}  // namespace bukubesar
