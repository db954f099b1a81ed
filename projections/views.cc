#include "projections/views.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/status.h"
#include "config/names.h"
#include "projections/scan.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

using Json = nlohmann::json;
constexpr std::array<std::string_view, 8> kMeasures = {"packages", "vendors",       "committed", "strict",
                                                       "broad",    "stage_unknown", "paid",      kShareMeasure};

absl::StatusOr<Dimension> dimension_of(const std::string& view, const std::string& name) {
  const auto dimension = parse_dimension(name);
  if (!dimension) return invalid_argument("view '{}': '{}' is no dimension", view, name);
  return *dimension;
}

absl::StatusOr<std::vector<std::string>> texts_of(const std::string& view, const Json& json, std::string_view member) {
  const bool all_texts = json.is_array() && std::all_of(json.begin(), json.end(), [](const Json& one) { return one.is_string(); });
  if (!all_texts) return invalid_argument("view '{}': {} is not an array of texts", view, member);
  return json.get<std::vector<std::string>>();
}

absl::StatusOr<ViewDefinition> parse_view(const Json& json) {
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) return invalid_argument("views: a view without a name");
  ViewDefinition view;
  view.name = json["name"].get<std::string>();
  // It stands in URLs, in names of schemas and in keys of the changelog.
  if (!is_code_text(view.name))
    return invalid_argument("view '{}': a name has 1 to 64 characters of A-Z, a-z, 0-9, '.', '_' and '-'", view.name);
  for (const auto& [member, value] : json.items()) {
    if (member == "name") continue;
    if (member == "title") {
      if (!value.is_string()) return invalid_argument("view '{}': title is not a text", view.name);
      view.title = value.get<std::string>();
    } else if (member == "by") {
      ASSIGN_OR_RETURN(const auto names, texts_of(view.name, value, "by"));
      for (const std::string& name : names) {
        ASSIGN_OR_RETURN(const Dimension dimension, dimension_of(view.name, name));
        view.query.by.push_back(dimension);
      }
    } else if (member == "where") {
      if (!value.is_object()) return invalid_argument("view '{}': where is not an object", view.name);
      for (const auto& [name, accepted] : value.items()) {
        ASSIGN_OR_RETURN(const Dimension dimension, dimension_of(view.name, name));
        ASSIGN_OR_RETURN(view.query.where[dimension], texts_of(view.name, accepted, name));
      }
    } else if (member == "measures") {
      ASSIGN_OR_RETURN(view.measures, texts_of(view.name, value, "measures"));
    } else {
      return invalid_argument("view '{}': unknown member '{}'", view.name, member);
    }
  }
  for (const std::string& measure : view.measures) {
    if (std::find(kMeasures.begin(), kMeasures.end(), measure) == kMeasures.end()) {
      return invalid_argument("view '{}': '{}' is no measure", view.name, measure);
    }
  }
  if (view.measures.empty()) view.measures.assign(kMeasures.begin(), kMeasures.end() - 1);
  if (const absl::Status status = check_query(view.query); !status.ok()) return with_context(status, fmt::format("view '{}'", view.name));
  return view;
}

bool within(Dimension dimension, const std::string& inner, const std::string& outer) {
  if (inner == outer) return true;
  return is_hierarchical(dimension) && inner.size() > outer.size() && inner.compare(0, outer.size(), outer) == 0 &&
         inner[outer.size()] == '.';
}

}  // namespace

absl::StatusOr<std::vector<ViewDefinition>> parse_views(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false, true);
  // For nlohmann/json a NUL is the end, and what stands behind it would go unread.
  if (json.is_discarded() || text.find('\0') != std::string_view::npos) return invalid_argument("views: not JSON");
  if (!json.is_object() || !json.contains("views") || !json["views"].is_array()) return invalid_argument("views: no array 'views'");
  std::vector<ViewDefinition> views;
  std::set<std::string> names;
  for (const Json& one : json["views"]) {
    ASSIGN_OR_RETURN(ViewDefinition view, parse_view(one));
    if (!names.insert(view.name).second) return invalid_argument("view '{}': declared twice", view.name);
    views.push_back(std::move(view));
  }
  return views;
}

absl::StatusOr<TotalsQuery> narrow(const ViewDefinition& view, const TotalsQuery& overrides) {
  TotalsQuery query = overrides;
  if (query.by.empty()) query.by = view.query.by;
  for (const auto& [dimension, own] : view.query.where) {
    const auto asked = overrides.where.find(dimension);
    if (asked == overrides.where.end()) {
      query.where[dimension] = own;
      continue;
    }
    std::set<std::string> both;
    for (const std::string& a : own) {
      for (const std::string& b : asked->second) {
        if (within(dimension, a, b)) both.insert(a);
        if (within(dimension, b, a)) both.insert(b);
      }
    }
    if (both.empty()) {
      return invalid_argument("view '{}' is only about {} {}", view.name, name_of(dimension), fmt::join(own, ", "));
    }
    query.where[dimension].assign(both.begin(), both.end());
  }
  return query;
}

}  // namespace bukubesar
