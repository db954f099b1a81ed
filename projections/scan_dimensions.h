// How each dimension's value comes out of a row. Internal to the scan.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "projections/scan.h"

namespace bukubesar {

inline constexpr std::string_view kUnknownValue = "unknown";
// Also what has no vendor, commodity or component.
[[nodiscard]] inline bool is_unknown_value(std::string_view text) { return text == kUnknownValue || text == "none"; }

// The values that a dimension takes in an answer, numbered as they are met; with what the filter says of each.
class DimensionValues {
 public:
  // accepted: empty for no filter. hierarchical: 63 accepts 63.09.
  DimensionValues(std::vector<std::string> accepted, bool hierarchical) : accepted_(std::move(accepted)), hierarchical_(hierarchical) {}
  std::uint32_t intern(std::string_view text);
  [[nodiscard]] const std::string& text(std::uint32_t id) const { return texts_[id]; }
  [[nodiscard]] bool unknown(std::uint32_t id) const { return unknown_[id] != 0; }
  [[nodiscard]] const std::uint8_t* allowed() const { return allowed_.data(); }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(texts_.size()); }
  [[nodiscard]] std::size_t memory_bytes() const { return texts_.size() * 100; }

 private:
  [[nodiscard]] bool accepts(std::string_view text) const;
  std::vector<std::string> accepted_;
  bool hierarchical_;
  std::vector<std::string> texts_;
  std::vector<std::uint8_t> unknown_, allowed_;
  absl::flat_hash_map<std::string, std::uint32_t> ids_;
};

// Values of one dimension for the rows of one partition.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // Fills ids[0 … block.rows). `account`: the column whose stage is meant.
  virtual void resolve(const RowBlock& block, Column account, std::uint32_t* ids) = 0;
};

[[nodiscard]] std::unique_ptr<Resolver> make_resolver(Dimension dimension, const Dictionaries& dictionaries, const FactsView& facts,
                                                      ScaleBasis basis, DimensionValues& values);
// Of Dimension::ledger_month, which is looked up by sequence.
[[nodiscard]] std::unique_ptr<Resolver> make_ledger_month_resolver(const std::vector<MonthStart>& starts, DimensionValues& values);
[[nodiscard]] std::vector<Column> columns_of(Dimension dimension);
// Those of them whose codes facts classify for this dimension.
[[nodiscard]] std::vector<Column> fact_columns_of(Dimension dimension);
[[nodiscard]] bool is_hierarchical(Dimension dimension);
// The values that an enumeration dimension can have; empty for the others.
[[nodiscard]] std::vector<std::string_view> values_of(Dimension dimension);

[[nodiscard]] std::string_view province_of(std::string_view region);
[[nodiscard]] std::string_view district_of(std::string_view region);
[[nodiscard]] std::string_view umkm_of(Scale scale);

}  // namespace bukubesar
