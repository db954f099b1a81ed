#include "adapters/view_changes.h"

#include <nlohmann/json.hpp>

#include "adapters/json_answer.h"
#include "base/status.h"

namespace bukubesar {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kCounts[] = {"packages", "vendors"};
constexpr const char* kAmounts[] = {"committed", "strict", "broad", "stage_unknown", "paid"};

OrderedJson field(const std::string& name, const char* type, bool optional) {
  return {{"type", type}, {"optional", optional}, {"field", name}};
}

OrderedJson structure(const std::string& name, OrderedJson fields) {
  return {{"type", "struct"}, {"name", name}, {"optional", false}, {"fields", std::move(fields)}};
}

std::string text_of(const OrderedJson& json) { return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace); }

// row: the values of the view's dimensions as a JSON array; empty: the record that carries the cut.
std::string key_of(const std::string& view, const std::string& row) {
  static const OrderedJson schema = structure("bukubesar.view.key", {field("view", "string", false), field("row", "string", false)});
  return text_of({{"schema", schema}, {"payload", {{"view", view}, {"row", row}}}});
}

OrderedJson row_schema(const ViewAnswer& view) {
  OrderedJson fields = OrderedJson::array();
  for (const std::string& name : view.by) fields.push_back(field(name, "string", false));
  for (const char* name : kCounts) fields.push_back(field(name, "int64", false));
  for (const char* name : kAmounts) fields.push_back(field(name, "string", true));
  fields.push_back(field("cut", "string", false));
  return structure("bukubesar.view." + view.name, std::move(fields));
}

std::string cut_record(const std::string& cut) {
  // Spelt out: of one element in braces clang makes that element, g++ a list of it.
  static const OrderedJson schema = structure("bukubesar.view.cut", OrderedJson::array({field("cut", "string", false)}));
  return text_of({{"schema", schema}, {"payload", {{"cut", cut}}}});
}

}  // namespace

absl::StatusOr<ViewAnswer> parse_view_answer(std::string_view body) {
  const OrderedJson json = OrderedJson::parse(body.begin(), body.end(), nullptr, false);
  for (const char* member : {"view", "cut", "by", "rows"})
    if (!json.is_object() || !json.contains(member)) return unavailable("GET /v1/views/…: no {} in the answer", member);
  ViewAnswer view;
  if (!json["view"].is_string() || !json["by"].is_array() || !json["rows"].is_array()) return unavailable("GET /v1/views/…: not a view");
  view.name = json["view"].get<std::string>();
  view.cut = cut_text(json["cut"]);
  for (const OrderedJson& name : json["by"]) view.by.push_back(name.is_string() ? name.get<std::string>() : "");
  const OrderedJson schema = row_schema(view);
  for (const OrderedJson& row : json["rows"]) {
    if (!row.is_object()) return unavailable("GET /v1/views/{}: a row that is no object", view.name);
    OrderedJson values = OrderedJson::array(), payload = OrderedJson::object();
    for (const std::string& name : view.by) {
      values.push_back(row.value(name, OrderedJson()));
      payload[name] = row.value(name, OrderedJson());
    }
    for (const char* name : kCounts) payload[name] = row.value(name, OrderedJson());
    for (const char* name : kAmounts) payload[name] = row.value(name, OrderedJson());
    const std::string key = key_of(view.name, text_of(values));
    view.rows[key] = text_of(payload);
    payload["cut"] = view.cut;
    view.records[key] = text_of({{"schema", schema}, {"payload", payload}});
  }
  return view;
}

std::vector<ViewRecord> changes_of(const ViewRows& before, const ViewAnswer& now) {
  std::vector<ViewRecord> changes;
  if (before.cut == now.cut) return changes;
  for (const auto& [key, payload] : now.rows) {
    const auto there = before.rows.find(key);
    if (there == before.rows.end() || there->second != payload) changes.push_back({key, now.records.at(key)});
  }
  for (const auto& [key, payload] : before.rows)
    if (now.rows.count(key) == 0) changes.push_back({key, std::nullopt});
  changes.push_back({key_of(now.name, ""), cut_record(now.cut)});
  return changes;
}

bool apply_record(std::string_view key, std::optional<std::string_view> value, std::map<std::string, ViewRows>& views) {
  const OrderedJson json = OrderedJson::parse(key.begin(), key.end(), nullptr, false);
  if (!json.is_object() || !json.contains("payload") || !json["payload"].is_object()) return false;
  const std::string view = text_member(json["payload"], "view"), row = text_member(json["payload"], "row");
  if (view.empty()) return false;
  ViewRows& rows = views[view];
  if (!value) {
    rows.rows.erase(std::string(key));
    return true;
  }
  const OrderedJson record = OrderedJson::parse(value->begin(), value->end(), nullptr, false);
  if (!record.is_object() || !record.contains("payload") || !record["payload"].is_object()) return false;
  OrderedJson payload = record["payload"];
  if (row.empty()) {
    rows.cut = text_member(payload, "cut");
    return true;
  }
  payload.erase("cut");
  rows.rows[std::string(key)] = text_of(payload);
  return true;
}

}  // namespace bukubesar
