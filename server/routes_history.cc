// The auditor's questions: what makes up a figure, what changed between two cuts, what happened entry by entry.
#include <fmt/format.h>

#include <algorithm>

#include "adapters/http_client.h"
#include "base/status.h"
#include "base/time.h"
#include "server/entry_json.h"
#include "server/routes.h"
#include "server/table.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

std::string entry_path(PartitionId partition, Sequence sequence) {
  return fmt::format("/v1/entries/{}/{}", partition.name(), sequence.value());
}
std::string proof_path(PartitionId partition, Sequence sequence) {
  return fmt::format("/v1/proofs/{}/{}", partition.name(), sequence.value());
}
std::string purchase_path(std::string_view id) { return "/v1/purchases/" + percent_encode(id, true); }

Json time_json(const Node& node, const std::optional<std::int64_t>& time_ms) {
  return time_ms ? Json(format_instant_ms(*time_ms, node.definition().zone_minutes)) : Json(nullptr);
}

Json change_json(const MeasuresChange& change) {
  return {{"packages", change.packages},
          {"vendors", change.vendors},
          {"committed", format_rupiah(change.committed)},
          {"strict", format_rupiah(change.strict)},
          {"broad", format_rupiah(change.broad)},
          {"stage_unknown", format_rupiah(change.stage_unknown)},
          {"paid", change.paid ? Json(format_rupiah(*change.paid)) : Json(nullptr)}};
}

Json adds_json(const PostingSums& adds, bool with_paid) {
  return {{"packages", adds.packages},
          {"committed", format_rupiah(adds.committed)},
          {"strict", format_rupiah(adds.strict)},
          {"broad", format_rupiah(adds.broad)},
          {"stage_unknown", format_rupiah(adds.stage_unknown)},
          {"paid", with_paid ? Json(format_rupiah(adds.paid)) : Json(nullptr)}};
}

Json by_json(const TotalsQuery& query) {
  Json by = Json::array();
  for (const Dimension dimension : query.by) by.push_back(name_of(dimension));
  return by;
}

Json where_json(const TotalsQuery& query) {
  Json where = Json::object();
  for (const auto& [dimension, values] : query.where) where[std::string(name_of(dimension))] = values;
  return where;
}

Json key_json(const TotalsQuery& query, const std::vector<std::string>& key) {
  Json json = Json::object();
  for (std::size_t i = 0; i < key.size(); ++i) json[std::string(name_of(query.by[i]))] = key[i];
  return json;
}

absl::StatusOr<Query> parse(std::string_view raw, std::initializer_list<std::string_view> also,
                            std::initializer_list<std::string_view> not_here) {
  std::vector<std::string_view> known = totals_parameters(false);
  for (const std::string_view name : not_here) known.erase(std::remove(known.begin(), known.end(), name), known.end());
  known.insert(known.end(), also.begin(), also.end());
  return Query::parse(raw, known);
}

absl::Status check_format(const TotalsRequest& request) {
  if (request.format == ExtractFormat::json || request.format == ExtractFormat::csv) return absl::OkStatus();
  return invalid_argument("query: format: this answer has json and csv alone");
}

// ---- explain

Json explained_json(const Node& node, const ExplainedPurchase& purchase, bool with_paid) {
  Json events = Json::array();
  for (const ExplainedEvent& event : purchase.events) {
    Json transfers = Json::array();
    for (const ExplainedTransfer& t : event.transfers)
      transfers.push_back({{"row", t.row},
                           {"from", t.from_account},
                           {"to", t.to_account},
                           {"amount", format_rupiah(t.amount)},
                           {"component", text_or_null(t.component)},
                           {"origin", text_or_null(t.origin)},
                           {"catalogue_kind", text_or_null(t.catalogue_kind)},
                           {"commodity", text_or_null(t.commodity)},
                           {"adds", adds_json(t.adds, with_paid)}});
    events.push_back({{"sequence", event.sequence.value()},
                      {"type", event.type},
                      {"time", time_json(node, event.event_time_ms)},
                      {"adds", adds_json(event.adds, with_paid)},
                      {"entry", entry_path(purchase.partition, event.sequence)},
                      {"proof", proof_path(purchase.partition, event.sequence)},
                      {"transfers", transfers}});
  }
  Json json = {{"id", purchase.id},           {"partition", purchase.partition.name()},      {"history", purchase_path(purchase.id)},
               {"vendors", purchase.vendors}, {"adds", adds_json(purchase.adds, with_paid)}, {"events", events}};
  if (purchase.facts.empty()) return json;
  Json facts = Json::array();
  for (const Sequence sequence : purchase.facts)
    facts.push_back({{"sequence", sequence.value()},
                     {"entry", entry_path(PartitionId::reference(), sequence)},
                     {"proof", proof_path(PartitionId::reference(), sequence)}});
  json["facts"] = facts;
  return json;
}

std::string explained_csv(const Node& node, const ExplainAnswer& answer) {
  std::string text =
      "partition,sequence,purchase,event,time,row,from,to,amount,component,packages,committed,strict,broad,stage_unknown,paid\r\n";
  for (const ExplainedPurchase& purchase : answer.purchases)
    for (const ExplainedEvent& event : purchase.events)
      for (const ExplainedTransfer& t : event.transfers)
        text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", purchase.partition.name(), event.sequence.value(),
                            csv_field(purchase.id), event.type,
                            event.event_time_ms ? format_instant_ms(*event.event_time_ms, node.definition().zone_minutes) : "", t.row,
                            t.from_account, t.to_account, format_rupiah(t.amount), t.component, t.adds.packages,
                            format_rupiah(t.adds.committed), format_rupiah(t.adds.strict), format_rupiah(t.adds.broad),
                            format_rupiah(t.adds.stage_unknown), answer.with_paid ? format_rupiah(t.adds.paid) : "");
  return text;
}

absl::StatusOr<ExplainQuery> explain_query(Node& node, const Query& query, TotalsRequest& request) {
  ExplainQuery to;
  ASSIGN_OR_RETURN(request, totals_request_of(query, node.definition(), false));
  to.totals = request.query;
  if (query.has("row")) to.row = query.list("row");
  if (query.has("measure")) {
    to.measure = parse_measure(query.text("measure"));
    if (!to.measure)
      return invalid_argument("query: measure: '{}' is none of packages, vendors, committed, strict, broad, stage_unknown, paid",
                              query.text("measure"));
  }
  if (query.has("part")) {
    to.part = parse_change_kind(query.text("part"));
    if (!to.part) return invalid_argument("query: part: '{}' is no part of a difference", query.text("part"));
  }
  ASSIGN_OR_RETURN(std::optional<AsOf> as_of, read_as_of(request.as_of, node));
  if (as_of) {
    to.totals.cut = std::move(as_of->cut);
    if (as_of->time_ms) request.is_final = as_of->is_final;
  }
  ASSIGN_OR_RETURN(std::optional<AsOf> since, read_as_of(query.text("since"), node));
  if (since) to.since = std::move(since->cut);
  to.cursor = query.text("cursor");
  ASSIGN_OR_RETURN(to.limit, query.limit(to.limit, kExplainPurchasesMax));
  return to;
}

absl::StatusOr<ServerResponse> explain_answer(Node& node, const ServerRequest& http) {
  ASSIGN_OR_RETURN(const Query query,
                   parse(http.query, {"row", "measure", "since", "part", "cursor", "limit"}, {"names", "share", "top", "order", "skip"}));
  TotalsRequest request;
  ASSIGN_OR_RETURN(const ExplainQuery asked, explain_query(node, query, request));
  RETURN_IF_ERROR(check_format(request));
  ASSIGN_OR_RETURN(const ExplainAnswer answer, node.projections().explain(asked));
  if (request.format == ExtractFormat::csv) {
    ServerResponse response = json_response(Json::object(), answer.cut);
    response.content_type = "text/csv; charset=utf-8; header=present";
    response.body = explained_csv(node, answer);
    if (answer.next_cursor) response.with("Bukubesar-Next-Cursor", *answer.next_cursor);
    return response;
  }
  Json json = {{"cut", to_json(answer.cut)},
               {"by", by_json(answer.query)},
               {"row", asked.row ? key_json(answer.query, *asked.row) : Json(nullptr)},
               {"where", where_json(answer.query)},
               {"scale_basis", name_of(answer.query.scale_basis)},
               {"measure", asked.measure ? Json(name_of(*asked.measure)) : Json(nullptr)},
               {"figure", answer.figure ? change_json(*answer.figure) : Json(nullptr)}};
  if (!request.from.empty()) json["from"] = request.from;
  if (!request.until.empty()) json["until"] = request.until;
  if (!request.as_of.empty()) json["as_of"] = request.as_of;
  if (request.is_final) json["final"] = *request.is_final;
  if (asked.since) json["since"] = to_json(*asked.since);
  if (asked.part) json["part"] = name_of(*asked.part);
  Json purchases = Json::array();
  for (const ExplainedPurchase& purchase : answer.purchases) purchases.push_back(explained_json(node, purchase, answer.with_paid));
  json["purchases"] = purchases;
  json["next_cursor"] = answer.next_cursor ? Json(*answer.next_cursor) : Json(nullptr);
  if (node.synthetic()) json["synthetic"] = true;
  return json_response(json, answer.cut);
}

// ---- difference

// The explanation of one part of one row: the same question, with the cuts as they were resolved.
std::string part_path(const DifferenceAnswer& answer, const TotalsRequest& request, const DifferenceRow& row, ChangeKind kind) {
  std::string path = "/v1/explain?";
  const auto add = [&](std::string_view name, std::string_view value) {
    path += fmt::format("{}{}={}", path.back() == '?' ? "" : "&", name, percent_encode(value));
  };
  const auto list = [](const std::vector<std::string>& values) {
    std::string text;
    for (std::string value : values) {
      for (std::size_t at = 0; (at = value.find_first_of("\\,", at)) != std::string::npos; at += 2) value.insert(at, "\\");
      text += (text.empty() ? "" : ",") + value;
    }
    return text;
  };
  std::vector<std::string> by;
  for (const Dimension dimension : answer.query.by) by.emplace_back(name_of(dimension));
  if (!row.key.empty()) add("by", list(by));
  for (const auto& [dimension, values] : answer.query.where) add(name_of(dimension), list(values));
  if (!request.from.empty()) add("from", request.from);
  if (!request.until.empty()) add("until", request.until);
  add("scale_basis", name_of(answer.query.scale_basis));
  if (!row.key.empty()) add("row", list(row.key));
  add("since", answer.from.text());
  add("as_of", answer.to.text());
  add("part", name_of(kind));
  return path;
}

Json difference_row_json(const DifferenceAnswer& answer, const TotalsRequest& request, const DifferenceRow& row) {
  Json json = key_json(answer.query, row.key);
  json["before"] = change_json(change_between({}, row.before));
  json["after"] = change_json(change_between({}, row.after));
  json["change"] = change_json(row.change);
  Json parts = Json::object();
  for (std::size_t k = 0; k < kChangeKindCount; ++k) {
    if (!row.parts[k]) continue;
    const auto kind = static_cast<ChangeKind>(k);
    Json part = change_json(*row.parts[k]);
    part["explain"] = part_path(answer, request, row, kind);
    parts[std::string(name_of(kind))] = part;
  }
  json["parts"] = parts;
  return json;
}

std::string difference_csv(const DifferenceAnswer& answer) {
  std::string text;
  for (const Dimension dimension : answer.query.by) text += fmt::format("{},", name_of(dimension));
  text += "part,packages,vendors,committed,strict,broad,stage_unknown,paid\r\n";
  const auto line = [&](const DifferenceRow& row, std::string_view part, const MeasuresChange& m) {
    for (const std::string& value : row.key) text += csv_field(value) + ",";
    text += fmt::format("{},{},{},{},{},{},{},{}\r\n", part, m.packages, m.vendors, format_rupiah(m.committed), format_rupiah(m.strict),
                        format_rupiah(m.broad), format_rupiah(m.stage_unknown), m.paid ? format_rupiah(*m.paid) : "");
  };
  const auto lines = [&](const DifferenceRow& row) {
    line(row, "before", change_between({}, row.before));
    for (std::size_t k = 0; k < kChangeKindCount; ++k)
      if (row.parts[k]) line(row, name_of(static_cast<ChangeKind>(k)), *row.parts[k]);
    line(row, "after", change_between({}, row.after));
  };
  for (const DifferenceRow& row : answer.rows) lines(row);
  if (answer.query.by.empty()) lines(answer.total);
  return text;
}

absl::StatusOr<ServerResponse> difference_answer(Node& node, const ServerRequest& http) {
  ASSIGN_OR_RETURN(const Query query, parse(http.query, {"from_as_of", "to_as_of"}, {"as_of", "names", "share", "top", "order", "skip"}));
  ASSIGN_OR_RETURN(const TotalsRequest request, totals_request_of(query, node.definition(), false));
  RETURN_IF_ERROR(check_format(request));
  ASSIGN_OR_RETURN(const std::optional<AsOf> from, read_as_of(query.text("from_as_of"), node));
  if (!from) return invalid_argument("query: from_as_of: missing; a cut, an RFC 3339 instant, a date or checkpoint:<partition>/<size>");
  ASSIGN_OR_RETURN(const std::optional<AsOf> to, read_as_of(query.text("to_as_of"), node));
  ASSIGN_OR_RETURN(const DifferenceAnswer answer,
                   node.projections().difference(request.query, from->cut, to ? to->cut : node.projections().cut()));
  if (request.format == ExtractFormat::csv) {
    ServerResponse response = json_response(Json::object(), answer.to);
    response.content_type = "text/csv; charset=utf-8; header=present";
    response.body = difference_csv(answer);
    return response;
  }
  Json json = {{"cut", to_json(answer.to)},
               {"from", {{"as_of", query.text("from_as_of")}, {"cut", to_json(answer.from)}}},
               {"to", {{"as_of", to ? Json(query.text("to_as_of")) : Json(nullptr)}, {"cut", to_json(answer.to)}}},
               {"by", by_json(answer.query)},
               {"where", where_json(answer.query)},
               {"scale_basis", name_of(answer.query.scale_basis)}};
  if (from->time_ms) json["from"]["final"] = from->is_final;
  if (to && to->time_ms) json["to"]["final"] = to->is_final;
  Json rows = Json::array();
  for (const DifferenceRow& row : answer.rows)
    if (!answer.query.by.empty()) rows.push_back(difference_row_json(answer, request, row));
  json["rows"] = rows;
  json["total"] = difference_row_json(answer, request, answer.total);
  if (node.synthetic()) json["synthetic"] = true;
  return json_response(json, answer.to);
}

// ---- history

Json history_entry_json(const Node& node, PartitionId partition, const HistoryEntry& entry) {
  Json json = entry_json(partition, entry.sequence, entry.entry, node.definition().zone_minutes);
  json["ledger_time"] = entry.ledger_time_ms == 0 ? Json(nullptr) : time_json(node, entry.ledger_time_ms);
  json["type"] = text_or_null(entry.type);
  json["source"] = text_or_null(entry.source);
  json["id"] = text_or_null(entry.id);
  json["subject"] = text_or_null(entry.subject);
  json["time"] = time_json(node, entry.event_time_ms);
  Json transfers = Json::array();
  for (const HistoryTransfer& t : entry.transfers)
    transfers.push_back({{"from", t.from_account},
                         {"to", t.to_account},
                         {"amount", format_rupiah(t.amount)},
                         {"packages", t.packages},
                         {"component", text_or_null(t.component)},
                         {"origin", text_or_null(t.origin)},
                         {"catalogue_kind", text_or_null(t.catalogue_kind)},
                         {"commodity", text_or_null(t.commodity)}});
  json["transfers"] = transfers;
  json["after"] = nullptr;
  if (entry.after)
    json["after"] = {{"stage", entry.after->stage},
                     {"value", format_rupiah(entry.after->value)},
                     {"paid", format_rupiah(entry.after->paid)},
                     {"region", text_or_null(entry.after->region)},
                     {"institution", text_or_null(entry.after->institution)},
                     {"vendor", text_or_null(entry.after->vendor)},
                     {"scale", text_or_null(entry.after->scale)}};
  json["findings"] = entry.findings;
  json["entry"] = entry_path(partition, entry.sequence);
  json["proof"] = proof_path(partition, entry.sequence);
  return json;
}

// What was there before `from`: of a date, before it begins; of an instant, before it.
std::string before_text(std::string_view from, int zone_minutes) {
  if (const auto date = parse_date(from)) return format_instant_ms(day_start_ms(*date, zone_minutes) - 1, 0);
  std::string text(from);
  if (text.size() > 6 && text[text.size() - 6] == ' ') text[text.size() - 6] = '+';  // an unescaped "+08:00"
  if (const auto instant = parse_instant_ms(text)) return format_instant_ms(*instant - 1, 0);
  return text;
}

// begins: what lies before all pages.
absl::StatusOr<HistoryQuery> history_query(Node& node, const ServerRequest& http, const Query& query, Cut& begins) {
  HistoryQuery to;
  ASSIGN_OR_RETURN(to.partition, partition_of(node, http.captures[0]));
  ASSIGN_OR_RETURN(to.where.where, dimension_filters(query));
  ASSIGN_OR_RETURN(to.count, query.limit(to.count, kHistoryEntriesMax));
  ASSIGN_OR_RETURN(const std::optional<AsOf> upper, read_as_of(query.text("to"), node));
  ASSIGN_OR_RETURN(const std::optional<AsOf> lower, read_as_of(before_text(query.text("from"), node.definition().zone_minutes), node));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> cursor, query.number("cursor"));
  to.facts = upper ? upper->cut : node.projections().cut();
  to.limit = to.facts.size(to.partition);
  for (const PartitionId partition : node.definition().all_partitions()) begins.set(partition, lower ? lower->cut.size(partition) : 0);
  to.first = begins.size(to.partition);
  const std::string_view order = query.has("order") ? query.text("order") : "oldest";
  if (order != "oldest" && order != "newest") return invalid_argument("query: order: '{}' is neither oldest nor newest", order);
  to.newest_first = order == "newest";
  if (to.first > to.limit) return invalid_argument("query: from stands after to in partition {}", to.partition.name());
  if (cursor) {
    if (*cursor < to.first || *cursor > to.limit)
      return out_of_range("query: cursor: {} is not within entries {} … {} of partition {}", *cursor, to.first, to.limit,
                          to.partition.name());
    (to.newest_first ? to.limit : to.first) = *cursor;
  }
  to.types = query.list("type");
  to.purchase = query.text("purchase");
  if (!query.has("verdict")) return to;
  for (const Verdict verdict : {Verdict::none, Verdict::accepted, Verdict::duplicate, Verdict::rejected})
    if (name_of(verdict) == query.text("verdict")) to.verdict = verdict;
  if (!to.verdict) return invalid_argument("query: verdict: '{}' is none of none, accepted, duplicate, rejected", query.text("verdict"));
  return to;
}

absl::StatusOr<ServerResponse> history_answer(Node& node, const ServerRequest& http) {
  ASSIGN_OR_RETURN(const Query query, parse(http.query, {"to", "order", "cursor", "limit", "type", "verdict", "purchase"},
                                            {"by", "as_of", "until", "scale_basis", "format", "names", "share", "top", "skip"}));
  Cut begins;
  ASSIGN_OR_RETURN(const HistoryQuery asked, history_query(node, http, query, begins));
  ASSIGN_OR_RETURN(const HistoryPage page, node.projections().history(asked));
  Json entries = Json::array();
  for (const HistoryEntry& entry : page.entries) entries.push_back(history_entry_json(node, asked.partition, entry));
  Json json = {{"cut", to_json(page.cut)},
               {"begins", to_json(begins)},
               {"partition", asked.partition.name()},
               {"order", asked.newest_first ? "newest" : "oldest"},
               {"entries", entries},
               {"next_cursor", page.next ? Json(std::to_string(*page.next)) : Json(nullptr)}};
  if (node.synthetic()) json["synthetic"] = true;
  return json_response(json, page.cut);
}

}  // namespace

void add_history_routes(Router& router, Node& node) {
  add_projection_read(router, node, "/v1/explain", [&node](const ServerRequest& request) { return explain_answer(node, request); });
  add_projection_read(router, node, "/v1/difference", [&node](const ServerRequest& request) { return difference_answer(node, request); });
  add_projection_read(router, node, "/v1/history/{partition}",
                      [&node](const ServerRequest& request) { return history_answer(node, request); });
}

}  // namespace bukubesar
