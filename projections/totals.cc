#include "projections/totals.h"

#include <algorithm>
#include <array>

namespace bukubesar {

namespace {

constexpr std::array<std::string_view, 24> kDimensionNames = {
    "province", "district",  "region", "institution",    "work_unit", "vendor",          "distributor",     "scale",
    "umkm",     "system",    "method", "funding",        "feed",      "fiscal_year",     "order_month",     "event_month",
    "stage",    "component", "origin", "catalogue_kind", "commodity", "commodity_group", "vendor_domicile", "vendor_locality"};
static_assert(kDimensionNames.size() == static_cast<std::size_t>(Dimension::vendor_locality) + 1);
constexpr std::array<std::string_view, 3> kBasisNames = {"at_order", "stated", "latest"};

}  // namespace

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
