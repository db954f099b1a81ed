#include "projections/totals.h"

#include <algorithm>
#include <array>

namespace bukubesar {

namespace {

constexpr std::array<std::string_view, kDimensionCount> kDimensionNames = {
    "province",    "district",  "region", "institution",    "work_unit", "vendor",          "distributor",     "scale",
    "umkm",        "system",    "method", "funding",        "feed",      "fiscal_year",     "order_month",     "event_month",
    "stage",       "component", "origin", "catalogue_kind", "commodity", "commodity_group", "vendor_domicile", "vendor_locality",
    "ledger_month"};
static_assert(kDimensionCount == static_cast<std::size_t>(Dimension::ledger_month) + 1);
constexpr std::array<std::string_view, 3> kBasisNames = {"at_order", "stated", "latest"};

std::optional<std::int64_t> share_of(MoneySum part, MoneySum whole) {
  if (whole <= 0) return std::nullopt;
  const MoneySum doubled = part * 20'000 + whole;  // half up
  const MoneySum share = doubled >= 0 ? doubled / (2 * whole) : -((-doubled + 2 * whole - 1) / (2 * whole));
  return static_cast<std::int64_t>(share);
}

// Of rows in ascending order, the first one after `first` that differs in more than the last dimension.
std::size_t group_limit(const std::vector<TotalsRow>& rows, std::size_t first) {
  const auto same = [&](std::size_t at) { return std::equal(rows[first].key.begin(), rows[first].key.end() - 1, rows[at].key.begin()); };
  std::size_t limit = first + 1;
  while (limit < rows.size() && same(limit)) ++limit;
  return limit;
}

}  // namespace

std::vector<RowShare> shares_of(const TotalsAnswer& answer) {
  std::vector<RowShare> shares;
  if (answer.query.by.empty()) return shares;
  for (std::size_t first = 0; first < answer.rows.size(); first = shares.size()) {
    const std::size_t limit = group_limit(answer.rows, first);
    MoneySum committed = 0, strict = 0, broad = 0;
    for (std::size_t i = first; i < limit; ++i) {
      committed += answer.rows[i].measures.committed;
      strict += answer.rows[i].measures.strict;
      broad += answer.rows[i].measures.broad;
    }
    for (std::size_t i = first; i < limit; ++i) {
      const Measures& m = answer.rows[i].measures;
      shares.push_back({share_of(m.committed, committed), share_of(m.strict, strict), share_of(m.broad, broad)});
    }
  }
  return shares;
}

std::string_view name_of(Dimension dimension) { return kDimensionNames[static_cast<std::size_t>(dimension)]; }

std::optional<Dimension> parse_dimension(std::string_view name) {
  const auto found = std::find(kDimensionNames.begin(), kDimensionNames.end(), name);
  if (found == kDimensionNames.end()) return std::nullopt;
  return static_cast<Dimension>(found - kDimensionNames.begin());
}

bool is_cell_dimension(Dimension dimension) {
  switch (dimension) {
    case Dimension::component:
    case Dimension::origin:
    case Dimension::catalogue_kind:
    case Dimension::commodity:
    case Dimension::commodity_group:
      return true;
    default:
      return false;
  }
}

std::string_view name_of(ScaleBasis basis) { return kBasisNames[static_cast<std::size_t>(basis)]; }

std::optional<ScaleBasis> parse_scale_basis(std::string_view name) {
  const auto found = std::find(kBasisNames.begin(), kBasisNames.end(), name);
  if (found == kBasisNames.end()) return std::nullopt;
  return static_cast<ScaleBasis>(found - kBasisNames.begin());
}

}  // namespace bukubesar
