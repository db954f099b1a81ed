#include "adapters/mart_facts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/status.h"

namespace bukubesar {

namespace {

using Json = nlohmann::json;

std::optional<std::string> optional_text(const Json& object, const char* name) {
  const auto at = object.find(name);
  if (at == object.end() || !at->is_string()) return std::nullopt;
  return at->get<std::string>();
}

const char* place_member(std::string_view table) {
  if (table == "vendor") return "domicile";
  if (table == "institution") return "region";
  return table == "commodity" ? "group" : "parent";
}

}  // namespace

absl::Status MartFacts::add(std::string_view answer, std::optional<std::uint64_t>& next) {
  const Json json = Json::parse(answer.begin(), answer.end(), nullptr, false);
  if (!json.is_object() || !json.contains("facts") || !json["facts"].is_array())
    return unavailable("GET /v1/facts: no facts in the answer");
  month_ = parse_month(optional_text(json, "month").value_or(""));
  for (const Json& fact : json["facts"]) {
    const auto table = optional_text(fact, "table");
    const auto code = optional_text(fact, "code");
    const auto from = parse_month(optional_text(fact, "valid_from").value_or(""));
    if (!table || !code || !from) return unavailable("GET /v1/facts: a statement without table, code or month: {}", fact.dump());
    Statement statement{*from, optional_text(fact, "name"), optional_text(fact, place_member(*table)), std::nullopt, std::nullopt, {}};
    if (const auto scale = optional_text(fact, "scale")) statement.scale = parse_scale(*scale);
    if (const auto kind = optional_text(fact, "kind")) statement.cooperative = *kind == "cooperative";
    if (fact.contains("work_units"))
      for (const Json& unit : fact["work_units"])
        statement.work_units.emplace_back(optional_text(unit, "code").value_or(""), optional_text(unit, "name").value_or(""));
    all_[{*table, *code}].push_back(std::move(statement));
    ++statements_;
  }
  next.reset();
  const auto following = json.find("next_from");
  if (following != json.end() && following->is_number_unsigned()) next = following->get<std::uint64_t>();
  return absl::OkStatus();
}

template <class Has>
const MartFacts::Statement* MartFacts::in_force(std::string_view table, std::string_view code, const std::optional<Month>& by,
                                                Has has) const {
  const auto found = all_.find(std::pair<std::string, std::string>(table, code));
  if (found == all_.end()) return nullptr;
  const Statement* best = nullptr;
  for (const Statement& one : found->second) {  // a later one of the same month wins
    if ((by && one.valid_from > *by) || !has(one)) continue;
    if (best == nullptr || one.valid_from >= best->valid_from) best = &one;
  }
  return best;
}

std::string MartFacts::name(std::string_view table, std::string_view code) const {
  const Statement* s = in_force(table, code, month_, [](const Statement& one) { return one.name.has_value(); });
  return s == nullptr ? std::string() : *s->name;
}

std::string MartFacts::place(std::string_view table, std::string_view code) const {
  const Statement* s = in_force(table, code, month_, [](const Statement& one) { return one.place.has_value(); });
  return s == nullptr ? std::string() : *s->place;
}

std::string MartFacts::work_unit_name(std::string_view institution, std::string_view work_unit) const {
  const auto named = [&](const Statement& one) {
    return std::find_if(one.work_units.begin(), one.work_units.end(), [&](const auto& unit) { return unit.first == work_unit; });
  };
  const Statement* s =
      in_force("institution", institution, month_, [&](const Statement& one) { return named(one) != one.work_units.end(); });
  return s == nullptr ? std::string() : named(*s)->second;
}

Scale MartFacts::scale_in(std::string_view vendor, Month month) const {
  const Statement* s = in_force("vendor", vendor, month, [](const Statement& one) { return one.scale.has_value(); });
  if (s != nullptr && *s->scale != Scale::unknown) return *s->scale;
  const Statement* k = in_force("vendor", vendor, month, [](const Statement& one) { return one.cooperative.has_value(); });
  return k != nullptr && *k->cooperative ? Scale::cooperative : Scale::unknown;
}

std::vector<ScalePeriod> MartFacts::scales(std::string_view vendor) const {
  const auto found = all_.find(std::pair<std::string, std::string>("vendor", vendor));
  std::vector<ScalePeriod> periods;
  if (found == all_.end()) return periods;
  std::set<Month> months;
  for (const Statement& one : found->second)
    if (one.scale || one.cooperative) months.insert(one.valid_from);
  for (const Month month : months) {
    const Scale scale = scale_in(vendor, month);
    if (!periods.empty() && periods.back().scale == scale) continue;
    if (!periods.empty()) periods.back().until = month;
    periods.push_back({month, std::nullopt, scale});
  }
  periods.erase(std::remove_if(periods.begin(), periods.end(), [](const ScalePeriod& one) { return one.scale == Scale::unknown; }),
                periods.end());
  return periods;
}

}  // namespace bukubesar
