// Totals: grouped sums over transfers, at a cut, exact. Current, as of, flows and differences are all this one operation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cut.h"
#include "base/money.h"

namespace bukubesar {

// What can be grouped by and filtered on. Cell dimensions (component, origin, catalogue_kind, commodity) leave `paid` unknown.
enum class Dimension : std::uint8_t {
  province,
  district,
  region,  // of the buyer: first two digits; province.district; the buyer's own code
  institution,
  work_unit,
  vendor,
  distributor,
  scale,
  umkm,  // size class; "umk_k", "medium", "large", "unknown"
  system,
  method,
  funding,
  feed,
  fiscal_year,
  order_month,
  event_month,
  stage,
  component,
  origin,
  catalogue_kind,
  commodity,
  commodity_group,
  vendor_domicile,  // region code
  vendor_locality,  // against the buyer: same_district, same_province, elsewhere, unknown
  ledger_month,     // of the entry's ledger time: when we learnt of it
};
inline constexpr std::size_t kDimensionCount = 25;
[[nodiscard]] std::string_view name_of(Dimension dimension);
[[nodiscard]] std::optional<Dimension> parse_dimension(std::string_view name);
[[nodiscard]] bool is_cell_dimension(Dimension dimension);

enum class ScaleBasis : std::uint8_t { at_order, stated, latest };
[[nodiscard]] std::string_view name_of(ScaleBasis basis);
[[nodiscard]] std::optional<ScaleBasis> parse_scale_basis(std::string_view name);

struct TotalsQuery {
  std::vector<Dimension> by;
  std::map<Dimension, std::vector<std::string>> where;  // any of the values; region filters are hierarchical: 63 includes 63.09
  ScaleBasis scale_basis = ScaleBasis::at_order;
  std::optional<Cut> cut;                // nothing: what the projections have read
  std::optional<std::int64_t> from_ms;   // event time >= from
  std::optional<std::int64_t> until_ms;  // event time < until
  std::uint64_t packages_min = 0;        // rows of fewer are left out; sums are of all
};

// Amounts in sen. packages and vendors are distinct counts, of purchases that count in `committed`.
struct Measures {
  std::uint64_t packages = 0;
  std::uint64_t vendors = 0;
  MoneySum committed = 0, strict = 0, broad = 0, stage_unknown = 0;
  std::optional<MoneySum> paid;  // nothing where a cell dimension is grouped or filtered by
};

struct TotalsRow {
  std::vector<std::string> key;  // beside `by`
  Measures measures;
};

struct TotalsAnswer {
  Cut cut;
  TotalsQuery query;
  std::vector<TotalsRow> rows;  // by key, ascending
  Measures total;
  std::map<std::string, Measures> unknown;  // for each grouped dimension: the part whose value is unknown
};

// What part of each row's group a row is, in hundredths of a percent, rounded half up: the group is the rows that differ in the last
// dimension of `by` alone, so that with by=district,umkm the row (63.09, umk_k) has Tabalong's UMK-K share. Nothing where the group
// comes to nothing or less.
struct RowShare {
  std::optional<std::int64_t> committed, strict, broad;
};
// Beside `rows`; empty where nothing is grouped.
[[nodiscard]] std::vector<RowShare> shares_of(const TotalsAnswer& answer);

}  // namespace bukubesar
