// TotalsRequest: the parameters of /v1/totals and /v1/views/{name}, and how they become a query at a cut.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "projections/totals.h"
#include "server/extract_writer.h"
#include "server/node.h"
#include "server/query.h"

namespace bukubesar {

// What `as_of` names.
struct AsOf {
  Cut cut;
  std::optional<std::int64_t> time_ms;  // where it was given as a time
  bool is_final = true;                 // false while some partition may still get an entry with ledger time <= the time
};
// A cut "0=812,reference=97" that names every partition, an RFC 3339 instant, a date (the end of that day), or
// "checkpoint:<partition>/<size>". FailedPrecondition: a time where the ledger has no clock. OutOfRange: beyond the ledger.
[[nodiscard]] absl::StatusOr<AsOf> resolve_as_of(std::string_view text, Node& node);
// The same, once the projections have read it; nothing where the text is empty.
[[nodiscard]] absl::StatusOr<std::optional<AsOf>> read_as_of(std::string_view text, Node& node);
// The cut of a request's `as_of`, once the projections have read it; nothing where it has none.
[[nodiscard]] absl::StatusOr<std::optional<Cut>> read_cut(Node& node, const Query& query);
// "min_cut" of a raw query string; nothing where it is not there.
[[nodiscard]] absl::StatusOr<std::optional<Cut>> min_cut_of(std::string_view raw_query, const Definition& definition);

struct TotalsRequest {
  TotalsQuery query;
  std::string as_of;             // as given; empty: current
  std::optional<bool> is_final;  // where it is a time
  std::string from, until;       // as given
  ExtractFormat format = ExtractFormat::json;
  std::size_t skip = 0;         // rows, of an extract that goes on
  bool names = false;           // names beside codes
  bool share = false;           // each row's part of its group
  std::size_t top = 0;          // the largest rows alone, the largest first; 0: all, by key
  std::string order = "broad";  // what `top` measures by
};

// Every dimension, in the order of the enumeration.
[[nodiscard]] const std::vector<Dimension>& all_dimensions();

// What a route of totals knows. view: no `by`, since the view has its own.
[[nodiscard]] std::vector<std::string_view> totals_parameters(bool view);
[[nodiscard]] absl::StatusOr<TotalsRequest> parse_totals_request(std::string_view raw_query, const Definition& definition, bool view);
// Of a query that was parsed with these and more.
[[nodiscard]] absl::StatusOr<TotalsRequest> totals_request_of(const Query& query, const Definition& definition, bool view);
// Dimensions as filters: what totals, explain and history share.
[[nodiscard]] absl::StatusOr<std::map<Dimension, std::vector<std::string>>> dimension_filters(const Query& query);

}  // namespace bukubesar
