// What people are told about.
#include "base/status.h"
#include "server/alert_watch.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

Json rules_json(const AlertSettings& settings) {
  Json rules = Json::array();
  for (const AlertRule& rule : settings.rules)
    rules.push_back({{"name", rule.name},
                     {"kind", name_of(rule.kind)},
                     {"severity", rule.severity},
                     {"title", {{"id", rule.title_id}, {"en", rule.title_en}}}});
  return rules;
}

// As of a cut: what the cut decides. Without one: what was seen at the last look, with since when and whether it was delivered.
absl::StatusOr<ServerResponse> alerts_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"as_of", "min_cut"}));
  const AlertWatch& watch = node.alerts();
  Json firing = Json::array();
  if (query.has("as_of")) {
    ASSIGN_OR_RETURN(const std::optional<Cut> cut, read_cut(node, query));
    ASSIGN_OR_RETURN(const std::vector<Firing> firings, watch.at(*cut));
    for (const Firing& one : firings) firing.push_back(firing_json(watch.settings(), one));
    return json_response({{"cut", to_json(*cut)}, {"alerts", rules_json(watch.settings())}, {"firing", firing}}, *cut);
  }
  const AlertState state = watch.state();
  for (const KnownFiring& one : state.firing) {
    Json json = firing_json(watch.settings(), one.what);
    json["id"] = one.id;
    json["since"] = to_json(one.since);
    json["delivered"] = one.posted ? Json(one.delivered) : Json(nullptr);
    firing.push_back(std::move(json));
  }
  return json_response({{"cut", to_json(state.cut)},
                        {"alerts", rules_json(watch.settings())},
                        {"firing", firing},
                        {"left_out", state.left_out},
                        {"pending", state.pending},
                        {"trouble", text_or_null(state.trouble)}},
                       state.cut);
}

}  // namespace

void add_alert_routes(Router& router, Node& node) {
  add_projection_read(router, node, "/v1/alerts", [&node](const ServerRequest& request) { return alerts_answer(node, request); });
}

}  // namespace bukubesar
