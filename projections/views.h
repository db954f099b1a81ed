// Views: declared, not coded. config/views.json lists them: name, title, by, where, measures.
//
// Errors  InvalidArgument names view and member.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "projections/totals.h"

namespace bukubesar {

// Of each row within its group (shares_of); a view has it where it names it.
inline constexpr std::string_view kShareMeasure = "share";

struct ViewDefinition {
  std::string name, title;
  TotalsQuery query;
  std::vector<std::string> measures;
};
[[nodiscard]] absl::StatusOr<std::vector<ViewDefinition>> parse_views(std::string_view text);

// The view's question, narrowed by what a reader adds. InvalidArgument where the two filters leave nothing.
[[nodiscard]] absl::StatusOr<TotalsQuery> narrow(const ViewDefinition& view, const TotalsQuery& overrides);

}  // namespace bukubesar
