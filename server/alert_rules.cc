#include "server/alert_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "adapters/json_answer.h"
#include "base/day.h"
#include "base/status.h"
#include "base/time.h"
#include "events/event.h"
#include "projections/scan.h"
#include "server/json.h"

namespace bukubesar {

namespace {

constexpr std::string_view kKinds[] = {"share_below", "stalled",    "spiking",    "splitting",
                                       "no_progress", "intake_lag", "unbalanced", "unverifiable"};
constexpr std::size_t kPageRows = 1000;
constexpr std::size_t kNamedMost = 5;

absl::Status wrong(const std::string& alert, std::string_view member, std::string_view why) {
  return invalid_argument("alerts.json: alert '{}': {}: {}", alert, member, why);
}

absl::StatusOr<std::vector<std::string>> texts_of(const Json& json) {
  std::vector<std::string> texts;
  if (!json.is_array()) return invalid_argument("not a list of texts");
  for (const Json& one : json) {
    if (!one.is_string()) return invalid_argument("not a list of texts");
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

absl::StatusOr<Dimension> dimension_of(const std::string& name) {
  const auto dimension = parse_dimension(name);
  if (!dimension) return invalid_argument("'{}' is no dimension", name);
  return *dimension;
}

absl::StatusOr<std::int64_t> sen_of(const Json& json) {
  const ParsedMoney parsed = json.is_string() ? parse_rupiah(json.get<std::string>()) : ParsedMoney{{}, MoneyError::syntax};
  if (parsed.error != MoneyError::none || parsed.money.sen < 0) return invalid_argument("want a decimal text such as \"40.00\"");
  return parsed.money.sen;
}

absl::StatusOr<std::uint64_t> number_of(const Json& json) {
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() == 0 || json.get<std::uint64_t>() > 1'000'000'000)
    return invalid_argument("want a whole number from 1");
  return json.get<std::uint64_t>();
}

absl::Status read_where(const Json& json, AlertRule& rule) {
  if (!json.is_object()) return invalid_argument("want an object: a list of values for each dimension");
  for (const auto& [name, values] : json.items()) {
    ASSIGN_OR_RETURN(const Dimension dimension, dimension_of(name));
    ASSIGN_OR_RETURN(rule.where[dimension], texts_of(values));
  }
  return absl::OkStatus();
}

absl::Status read_text_member(const std::string& member, const Json& json, AlertRule& rule) {
  if (member == "title") {
    if (!json.is_object() || !json.contains("id") || !json.contains("en") || !json["id"].is_string() || !json["en"].is_string())
      return invalid_argument("want {{\"id\": …, \"en\": …}}");
    rule.title_id = json["id"].get<std::string>();
    rule.title_en = json["en"].get<std::string>();
    return absl::OkStatus();
  }
  if (!json.is_string()) return invalid_argument("want a text");
  const std::string text = json.get<std::string>();
  if (member == "severity" && text != "critical" && text != "warning" && text != "info")
    return invalid_argument("'{}' is none of critical, warning, info", text);
  if (member == "measure" && text != "committed" && text != "strict" && text != "broad")
    return invalid_argument("'{}' is none of committed, strict, broad", text);
  if (member == "dimension") {
    ASSIGN_OR_RETURN(rule.dimension, dimension_of(text));
    return absl::OkStatus();
  }
  (member == "severity" ? rule.severity : member == "measure" ? rule.measure : rule.value) = text;
  return absl::OkStatus();
}

absl::Status read_member(const std::string& member, const Json& json, AlertRule& rule) {
  if (member == "title" || member == "severity" || member == "measure" || member == "dimension" || member == "value")
    return read_text_member(member, json, rule);
  if (member == "where") return read_where(json, rule);
  if (member == "stages") {
    ASSIGN_OR_RETURN(rule.stages, texts_of(json));
    for (const std::string& stage : rule.stages)
      if (!parse_stage(stage)) return invalid_argument("'{}' is no stage", stage);
    return absl::OkStatus();
  }
  if (member == "by") {
    ASSIGN_OR_RETURN(const auto names, texts_of(json));
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(const Dimension dimension, dimension_of(name));
      rule.by.push_back(dimension);
    }
    return absl::OkStatus();
  }
  if (member == "percent" || member == "times" || member == "at_least" || member == "threshold") {
    ASSIGN_OR_RETURN(const std::int64_t sen, sen_of(json));
    if (member == "percent") rule.percent = sen;
    if (member == "times") rule.times = sen;
    if (member == "at_least") rule.at_least = sen;
    if (member == "threshold") rule.threshold = sen;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::uint64_t number, number_of(json));
  if (member == "months") rule.months = static_cast<std::int32_t>(number);
  if (member == "before") rule.before = static_cast<std::int32_t>(number);
  if (member == "days") rule.days = static_cast<std::int32_t>(number);
  if (member == "count") rule.count = number;
  if (member == "records") rule.records = number;
  return absl::OkStatus();
}

// The members that a kind needs, beside name, kind, severity and title; `where` may be left out.
std::vector<std::string_view> members_of(AlertKind kind) {
  switch (kind) {
    case AlertKind::share_below:
      return {"by", "dimension", "value", "measure", "percent", "at_least"};
    case AlertKind::stalled:
      return {"by", "months", "before", "at_least"};
    case AlertKind::spiking:
      return {"by", "before", "times", "at_least"};
    case AlertKind::splitting:
      return {"threshold", "count"};
    case AlertKind::no_progress:
      return {"days", "stages"};
    case AlertKind::intake_lag:
      return {"records"};
    case AlertKind::unbalanced:
    case AlertKind::unverifiable:
      break;
  }
  return {};
}

absl::StatusOr<AlertRule> parse_rule(const Json& json) {
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string())
    return invalid_argument("alerts.json: an alert without a name");
  AlertRule rule;
  rule.name = json["name"].get<std::string>();
  const std::string kind = text_member(json, "kind");
  const std::optional<AlertKind> known = parse_alert_kind(kind);
  if (!known) return wrong(rule.name, "kind", fmt::format("'{}' is none of {}", kind, fmt::join(kKinds, ", ")));
  rule.kind = *known;
  std::vector<std::string_view> needed = members_of(rule.kind);
  needed.insert(needed.end(), {"severity", "title"});
  for (const std::string_view member : needed)
    if (!json.contains(std::string(member))) return wrong(rule.name, member, "is missing");
  for (const auto& [member, value] : json.items()) {
    if (member == "name" || member == "kind") continue;
    const bool where = member == "where" && rule.kind <= AlertKind::splitting;
    if (!where && std::find(needed.begin(), needed.end(), member) == needed.end())
      return wrong(rule.name, member, fmt::format("no member of kind {}", kind));
    if (const absl::Status read = read_member(member, value, rule); !read.ok()) return wrong(rule.name, member, message_of(read));
  }
  TotalsQuery query;
  query.by = rule.by;
  query.where = rule.where;
  if (const absl::Status checked = check_query(query); !checked.ok()) return wrong(rule.name, "by", message_of(checked));
  return rule;
}

absl::Status read_webhook(const Json& json, AlertSettings& settings) {
  if (!json.is_object()) return invalid_argument("alerts.json: webhook: want an object");
  for (const auto& [member, value] : json.items()) {
    if (member == "url" && value.is_string())
      settings.webhook_url = value.get<std::string>();
    else if (member == "secret_file" && value.is_string())
      settings.webhook_secret_file = value.get<std::string>();
    else if (member == "timeout_ms" && value.is_number_unsigned() && value.get<std::uint64_t>() >= 100 &&
             value.get<std::uint64_t>() <= 60'000)
      settings.webhook_timeout_ms = value.get<std::uint32_t>();
    else
      return invalid_argument("alerts.json: webhook: {}: want url and secret_file (texts), timeout_ms (100 … 60000)", member);
  }
  if (!settings.webhook_url.empty() && settings.webhook_secret_file.empty())
    return invalid_argument("alerts.json: webhook: a url without a secret_file; a post that is not signed could come from anybody");
  return absl::OkStatus();
}

}  // namespace

std::string_view name_of(AlertKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::optional<AlertKind> parse_alert_kind(std::string_view name) {
  const auto found = std::find(std::begin(kKinds), std::end(kKinds), name);
  if (found == std::end(kKinds)) return std::nullopt;
  return static_cast<AlertKind>(found - std::begin(kKinds));
}

absl::StatusOr<AlertSettings> parse_alerts(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false, true);
  if (!json.is_object() || text.find('\0') != std::string_view::npos) return invalid_argument("alerts.json: no JSON object");
  AlertSettings settings;
  std::set<std::string> names;
  for (const auto& [member, value] : json.items()) {
    if (member == "interval_ms") {
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 50 || value.get<std::uint64_t>() > 3'600'000)
        return invalid_argument("alerts.json: interval_ms: want 50 … 3600000");
      settings.interval_ms = value.get<std::uint32_t>();
    } else if (member == "webhook") {
      RETURN_IF_ERROR(read_webhook(value, settings));
    } else if (member == "alerts") {
      if (!value.is_array()) return invalid_argument("alerts.json: alerts: want a list");
      for (const Json& one : value) {
        ASSIGN_OR_RETURN(AlertRule rule, parse_rule(one));
        if (!names.insert(rule.name).second) return wrong(rule.name, "name", "stands twice");
        settings.rules.push_back(std::move(rule));
      }
    } else {
      return invalid_argument("alerts.json: unknown member '{}'; there are interval_ms, webhook, alerts", member);
    }
  }
  return settings;
}

namespace {

MoneySum measure_of(const Measures& measures, const std::string& name) {
  if (name == "strict") return measures.strict;
  return name == "broad" ? measures.broad : measures.committed;
}

std::string joined(const std::vector<std::string>& parts, std::size_t count) {
  std::string key;
  for (std::size_t i = 0; i < count && i < parts.size(); ++i) key += (key.empty() ? "" : " ") + parts[i];
  return key;
}

// Evaluates rules; asking the projections the same twice costs nothing.
class Evaluation {
 public:
  Evaluation(const Projections& projections, const std::optional<Cut>& cut, const AlertTime& time, std::map<std::string, Cut>& balanced)
      : projections_(projections), cut_(cut), time_(time), balanced_(balanced) {}

  absl::Status add(const AlertRule& rule) {
    switch (rule.kind) {
      case AlertKind::share_below:
        return share_below(rule);
      case AlertKind::stalled:
      case AlertKind::spiking:
        return moving(rule);
      case AlertKind::splitting:
        return splitting(rule);
      case AlertKind::no_progress:
        return no_progress(rule);
      case AlertKind::unbalanced:
        return unbalanced(rule);
      case AlertKind::intake_lag:
      case AlertKind::unverifiable:
        break;
    }
    return absl::OkStatus();
  }
  std::vector<Firing> firings;

 private:
  using Key = std::vector<std::string>;
  static Key group_of(const AlertRule& rule, const TotalsRow& row) {
    return {row.key.begin(), row.key.begin() + static_cast<std::ptrdiff_t>(rule.by.size())};
  }
  absl::StatusOr<TotalsAnswer> totals(std::vector<Dimension> by, const AlertRule& rule, std::uint64_t packages_min = 0) const {
    TotalsQuery query;
    query.packages_min = packages_min;
    query.by = std::move(by);
    query.where = rule.where;
    query.cut = cut_;
    return projections_.totals(query);
  }
  // key: of a group of these dimensions.
  void fire(const AlertRule& rule, const std::vector<Dimension>& by, const std::vector<std::string>& key, AlertValues values) {
    std::map<std::string, std::string> about;
    for (std::size_t i = 0; i < by.size(); ++i) about.emplace(name_of(by[i]), key[i]);
    firings.push_back({rule.name, joined(key, by.size()), rule.severity, rule.kind, std::move(about), std::move(values)});
  }

  absl::Status share_below(const AlertRule& rule) {
    std::vector<Dimension> by = rule.by;
    by.push_back(rule.dimension);
    ASSIGN_OR_RETURN(const TotalsAnswer answer, totals(by, rule));
    std::map<Key, std::pair<MoneySum, MoneySum>> groups;  // the value's part, all
    for (const TotalsRow& row : answer.rows) {
      auto& [part, all] = groups[group_of(rule, row)];
      const MoneySum amount = measure_of(row.measures, rule.measure);
      all += amount;
      if (row.key.back() == rule.value) part += amount;
    }
    for (const auto& [key, sums] : groups) {
      const auto& [part, all] = sums;
      if (all <= 0 || all < rule.at_least || part * 10'000 >= all * rule.percent) continue;
      fire(rule, rule.by, key,
           {{"share", format_rupiah(part * 10'000 / all)},
            {"amount", format_rupiah(all)},
            {"measure", rule.measure},
            {"target", format_rupiah(rule.percent)}});
    }
    return absl::OkStatus();
  }

  // What was committed in each month, by group; and the newest month of all.
  absl::Status moving(const AlertRule& rule) {
    std::vector<Dimension> by = rule.by;
    by.push_back(Dimension::event_month);
    ASSIGN_OR_RETURN(const TotalsAnswer answer, totals(by, rule));
    std::map<Key, std::map<Month, MoneySum>> groups;
    std::optional<Month> newest;
    std::optional<Month> bound;
    if (time_.ledger_time_ms) bound = month_of(Date{static_cast<std::int32_t>(day_of(*time_.ledger_time_ms, time_.zone_minutes))});
    for (const TotalsRow& row : answer.rows) {
      const auto month = parse_month(row.key.back());
      if (!month || (bound && *month > *bound)) continue;
      groups[group_of(rule, row)][*month] += row.measures.committed;
      if (!newest || *month > *newest) newest = *month;
    }
    if (!newest) return absl::OkStatus();
    for (const auto& [key, months] : groups) {
      const auto sum = [&months = months](std::int32_t first, std::int32_t limit) {
        MoneySum total = 0;
        for (const auto& [month, amount] : months)
          if (month.months >= first && month.months < limit) total += amount;
        return total;
      };
      const std::int32_t now = newest->months;
      rule.kind == AlertKind::stalled ? stalled(rule, key, now, sum) : spiking(rule, key, now, sum);
    }
    return absl::OkStatus();
  }
  // Nothing in the newest months, the current one included, and enough in each of those before.
  template <class Sum>
  void stalled(const AlertRule& rule, const Key& key, std::int32_t now, Sum sum) {
    const std::int32_t first = now - rule.months + 1;
    const MoneySum before = sum(first - rule.before, first);
    if (sum(first, now + 1) > 0 || before < rule.at_least * rule.before || before <= 0) return;
    fire(rule, rule.by, key, {{"since", format_month(Month{first})}, {"before", format_rupiah(before / rule.before)}});
  }
  // The newest month against the mean of those before it.
  template <class Sum>
  void spiking(const AlertRule& rule, const Key& key, std::int32_t now, Sum sum) {
    const MoneySum before = sum(now - rule.before, now), current = sum(now, now + 1);
    if (before <= 0 || current < rule.at_least || current * rule.before * 100 < before * rule.times) return;
    fire(rule, rule.by, key,
         {{"amount", format_rupiah(current)}, {"month", format_month(Month{now})}, {"before", format_rupiah(before / rule.before)}});
  }

  // Several purchases of one institution from one vendor in one order month, together at or over the threshold, each about half of it or
  // more and under it in the mean.
  absl::Status splitting(const AlertRule& rule) {
    const std::vector<Dimension> by = {Dimension::institution, Dimension::vendor, Dimension::order_month};
    ASSIGN_OR_RETURN(const TotalsAnswer answer, totals(by, rule, rule.count));
    for (const TotalsRow& row : answer.rows) {
      const Measures& m = row.measures;
      const auto packages = static_cast<MoneySum>(m.packages);
      if (row.key[1] == "unknown" || row.key[2] == "unknown" || m.committed < rule.threshold) continue;
      if (m.committed >= rule.threshold * packages || m.committed * 2 < rule.threshold * packages) continue;
      fire(rule, by, row.key,
           {{"count", fmt::format("{}", m.packages)},
            {"mean", format_rupiah(m.committed / packages)},
            {"amount", format_rupiah(m.committed)},
            {"threshold", format_rupiah(rule.threshold)}});
    }
    return absl::OkStatus();
  }

  // By institution: purchases in these stages of which nothing was heard for so many days of ledger time.
  absl::Status no_progress(const AlertRule& rule) {
    if (!time_.ledger_time_ms) return absl::OkStatus();
    Projections::PurchaseFilter filter;
    filter.unheard_since.emplace();
    for (const std::string& stage : rule.stages) filter.stages.push_back(*parse_stage(stage));
    const Cut partitions = cut_ ? *cut_ : projections_.cut();
    for (const auto& [partition, size] : partitions.sizes()) {
      ASSIGN_OR_RETURN(const std::uint64_t below, time_.size_at(partition, *time_.ledger_time_ms - rule.days * kDayMs));
      filter.unheard_since->set(partition, below);
    }
    struct Group {
      std::uint64_t count = 0;
      MoneySum value = 0;
      std::string named;
    };
    std::map<std::string, Group> groups;
    std::string cursor;
    do {
      ASSIGN_OR_RETURN(const Projections::PurchasePage page, cut_ ? projections_.purchases_at(*cut_, filter, cursor, kPageRows)
                                                                  : projections_.purchases(filter, cursor, kPageRows));
      for (const Projections::PurchaseSummary& one : page.purchases) {
        Group& group = groups[one.institution.empty() ? "unknown" : one.institution];
        group.value += one.value;
        if (++group.count <= kNamedMost) group.named += (group.named.empty() ? "" : " ") + one.id;
      }
      cursor = page.next_cursor.value_or("");
    } while (!cursor.empty());
    for (const auto& [key, group] : groups)
      fire(rule, {Dimension::institution}, {key},
           {{"count", fmt::format("{}", group.count)},
            {"amount", format_rupiah(group.value)},
            {"days", fmt::format("{}", rule.days)},
            {"purchases", group.named + (group.count > kNamedMost ? " …" : "")}});
    return absl::OkStatus();
  }

  // I6: every standing view without a filter has the same grand total, and its rows add up to it.
  absl::Status unbalanced(const AlertRule& rule) {
    TotalsQuery all;
    all.cut = cut_;
    ASSIGN_OR_RETURN(const TotalsAnswer whole, projections_.totals(all));
    for (const ViewInfo& view : projections_.views()) {
      const auto before = balanced_.find(view.name);
      if (before != balanced_.end() && before->second == view.cut) continue;
      ASSIGN_OR_RETURN(const TotalsAnswer answer, projections_.view(view.name, all));
      MoneySum committed = 0, broad = 0;
      for (const TotalsRow& row : answer.rows) {
        committed += row.measures.committed;
        broad += row.measures.broad;
      }
      const bool own = committed == answer.total.committed && broad == answer.total.broad;
      const bool same = !answer.query.where.empty() || answer.cut != whole.cut || answer.total.committed == whole.total.committed;
      if (own && same) balanced_[view.name] = answer.cut;
      if (!own || !same)
        firings.push_back({rule.name,
                           view.name,
                           rule.severity,
                           rule.kind,
                           {{"view", view.name}},
                           {{"rows", format_rupiah(committed)},
                            {"view", format_rupiah(answer.total.committed)},
                            {"all", format_rupiah(whole.total.committed)}}});
    }
    return absl::OkStatus();
  }

  const Projections& projections_;
  const std::optional<Cut>& cut_;
  const AlertTime& time_;
  std::map<std::string, Cut>& balanced_;
};

}  // namespace

Looked firings_at(const std::vector<AlertRule>& rules, const Projections& projections, const std::optional<Cut>& cut, const AlertTime& time,
                  std::map<std::string, Cut>& balanced) {
  Looked looked;
  for (const AlertRule& rule : rules) {
    Evaluation evaluation(projections, cut, time, balanced);
    if (const absl::Status added = evaluation.add(rule); !added.ok()) {
      looked.failed.emplace(rule.name, with_context(added, "alert " + rule.name));
      continue;
    }
    looked.firings.insert(looked.firings.end(), evaluation.firings.begin(), evaluation.firings.end());
  }
  return looked;
}

}  // namespace bukubesar
