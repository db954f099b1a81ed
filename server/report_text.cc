#include "server/report_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/money.h"
#include "projections/views.h"
#include "server/measures_json.h"
#include "server/table.h"

namespace bukubesar {

namespace {

Json measures_json(const Measures& measures) {
  Json json;
  append_measures(json, measures);
  return json;
}

std::string percent_text(const std::optional<std::int64_t>& hundredths) {
  if (!hundredths) return "";
  const std::int64_t size = *hundredths < 0 ? -*hundredths : *hundredths;
  return fmt::format("{}{}.{:02}", *hundredths < 0 ? "-" : "", size / 100, size % 100);
}

void append_percent(std::string& to, const std::optional<std::int64_t>& hundredths) {
  hundredths ? append_json_text(to, percent_text(hundredths)) : void(to += "null");
}

void append_member(std::string& to, std::string_view name, std::string_view value) {
  append_json_text(to, name);
  to.push_back(':');
  append_json_text(to, value);
  to.push_back(',');
}

void append_names(std::string& to, const TotalsAnswer& answer, const std::vector<std::string>& names) {
  to += "\"names\":{";
  for (std::size_t i = 0; i < answer.query.by.size() && i < names.size(); ++i)
    if (!names[i].empty()) append_member(to, name_of(answer.query.by[i]), names[i]);
  if (to.back() == ',') to.pop_back();
  to += "},";
}

MoneySum size_of(const Measures& measures, std::string_view order) {
  if (order == "strict") return measures.strict;
  if (order == "committed") return measures.committed;
  if (order == "packages") return static_cast<MoneySum>(measures.packages);
  if (order == "vendors") return static_cast<MoneySum>(measures.vendors);
  return measures.broad;
}

}  // namespace

bool has_share(const std::vector<std::string>& measures) {
  return std::find(measures.begin(), measures.end(), kShareMeasure) != measures.end();
}

void keep_top(const TotalsRequest& request, TotalsAnswer& answer, RowNotes& notes) {
  std::vector<std::size_t> at(answer.rows.size());
  std::iota(at.begin(), at.end(), std::size_t{0});
  const std::size_t kept = std::min(request.top, at.size());
  std::partial_sort(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(kept), at.end(), [&](std::size_t a, std::size_t b) {
    const MoneySum left = size_of(answer.rows[a].measures, request.order), right = size_of(answer.rows[b].measures, request.order);
    return left != right ? left > right : a < b;
  });
  TotalsAnswer before = std::move(answer);
  const std::vector<RowShare> shares = std::move(notes.shares);
  answer = {before.cut, before.query, {}, before.total, before.unknown};
  notes.shares.clear();
  for (std::size_t i = 0; i < kept; ++i) {
    answer.rows.push_back(std::move(before.rows[at[i]]));
    if (!shares.empty()) notes.shares.push_back(shares[at[i]]);
  }
}

Json report_head(const TotalsAnswer& answer, const TotalsRequest& request, const ReportFrame& frame, bool shares) {
  Json json;
  json["cut"] = to_json(answer.cut);
  Json by = Json::array();
  for (Dimension dimension : answer.query.by) by.push_back(name_of(dimension));
  json["by"] = by;
  json["scale_basis"] = name_of(answer.query.scale_basis);
  json["realised"] = {{"strict", "completed"}, {"broad", "contracted + shipping + delivered + addendum + completed"}};
  if (!answer.query.where.empty()) {
    Json where = Json::object();
    for (const auto& [dimension, values] : answer.query.where) where[std::string(name_of(dimension))] = values;
    json["where"] = where;
  }
  if (!request.from.empty()) json["from"] = request.from;
  if (!request.until.empty()) json["until"] = request.until;
  if (!request.as_of.empty()) json["as_of"] = request.as_of;
  if (request.is_final) json["final"] = *request.is_final;
  if (frame.dedup_per_partition) json["dedup"] = "per partition";
  if (frame.synthetic) json["synthetic"] = true;
  if (frame.view) json.update({{"view", frame.view->name}, {"title", frame.view->title}, {"measures", frame.view->measures}});
  if (frame.rows_matching) json["rows_matching"] = *frame.rows_matching;
  if (shares) json["share_of"] = name_of(answer.query.by.back());
  return json;
}

std::string report_json_head(const Json& head) {
  std::string text = to_text(head);
  text.back() = ',';
  return text + "\"rows\":[";
}

void append_report_row(std::string& to, const TotalsAnswer& answer, const RowNotes& notes, std::size_t at) {
  const TotalsRow& row = answer.rows[at];
  to += at > 0 ? ",{" : "{";
  for (std::size_t i = 0; i < answer.query.by.size() && i < row.key.size(); ++i) append_member(to, name_of(answer.query.by[i]), row.key[i]);
  if (!notes.names.empty()) append_names(to, answer, notes.names[at]);
  append_measures_text(to, row.measures);
  if (!notes.shares.empty()) {
    const RowShare& share = notes.shares[at];
    to += ",\"share\":{\"committed\":";
    append_percent(to, share.committed);
    to += ",\"strict\":";
    append_percent(to, share.strict);
    to += ",\"broad\":";
    append_percent(to, share.broad);
    to.push_back('}');
  }
  to.push_back('}');
}

std::string report_json_tail(const TotalsAnswer& answer) {
  Json unknown = Json::object();
  for (const auto& [dimension, measures] : answer.unknown) unknown[dimension] = measures_json(measures);
  return "],\"total\":" + to_text(measures_json(answer.total)) + ",\"unknown\":" + to_text(unknown) + "}\n";
}

std::string report_csv_head(const TotalsAnswer& answer, const RowNotes& notes) {
  std::string line;
  for (Dimension dimension : answer.query.by) {
    line += fmt::format("{},", name_of(dimension));
    if (!notes.names.empty()) line += fmt::format("{}_name,", name_of(dimension));
  }
  line += "packages,vendors,committed,strict,broad,stage_unknown,paid";
  if (!notes.shares.empty()) line += ",share_committed,share_strict,share_broad";
  return line + "\r\n";
}

std::string report_csv_row(const TotalsAnswer& answer, const RowNotes& notes, std::size_t at) {
  const TotalsRow& row = answer.rows[at];
  const Measures& measures = row.measures;
  std::string line;
  for (std::size_t i = 0; i < row.key.size(); ++i) {
    line += csv_field(row.key[i]) + ",";
    if (!notes.names.empty()) line += csv_field(notes.names[at][i]) + ",";
  }
  line += fmt::format("{},{},{},{},{},{},{}", measures.packages, measures.vendors, format_rupiah(measures.committed),
                      format_rupiah(measures.strict), format_rupiah(measures.broad), format_rupiah(measures.stage_unknown),
                      measures.paid ? format_rupiah(*measures.paid) : "");
  if (!notes.shares.empty()) {
    const RowShare& share = notes.shares[at];
    line += fmt::format(",{},{},{}", percent_text(share.committed), percent_text(share.strict), percent_text(share.broad));
  }
  return line + "\r\n";
}

}  // namespace bukubesar
