// The parts of a pack, and computing its report from its entries.
#include "server/evidence_pack.h"

#include <algorithm>

#include "adapters/http_client.h"
#include "adapters/json_answer.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/status.h"
#include "events/payload.h"
#include "projections/recount.h"
#include "projections/views.h"
#include "server/html.h"
#include "server/report_text.h"
#include "server/table.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

// Readable where that loses nothing: null, text or header by header.
Json payload_json(std::string_view payload) {
  PayloadView view;
  const Json bytes = {{"bytes", base64(payload)}};
  if (!parse_payload(payload, view)) return bytes;
  const auto text = [](const std::optional<std::string_view>& one) { return one ? Json(*one) : Json(nullptr); };
  Json headers = Json::array();
  for (const Header& header : view.headers) headers.push_back({header.name, text(header.value)});
  Json readable = {{"key", text(view.key)}, {"headers", headers}, {"value", text(view.value)}};
  const Json back = Json::parse(to_text(readable), nullptr, false);  // bytes that are no UTF-8 do not come back
  return back == readable ? readable : bytes;
}

std::optional<std::string> payload_of(const Json& json) {
  if (json.is_object() && json.contains("bytes") && json["bytes"].is_string()) return unbase64(json["bytes"].get<std::string>());
  if (!json.is_object() || !json.contains("key") || !json.contains("headers") || !json.contains("value") || !json["headers"].is_array())
    return std::nullopt;
  const auto text = [](const Json& one) -> std::optional<std::string> {
    return one.is_string() ? std::optional(one.get<std::string>()) : std::nullopt;
  };
  const std::optional<std::string> key = text(json["key"]);
  const std::optional<std::string> value = text(json["value"]);
  std::vector<std::pair<std::string, std::optional<std::string>>> texts;
  for (const Json& header : json["headers"]) {
    if (!header.is_array() || header.size() != 2 || !header[0].is_string()) return std::nullopt;
    texts.emplace_back(header[0].get<std::string>(), text(header[1]));
  }
  std::vector<Header> headers;
  for (const auto& [name, one] : texts) headers.push_back({name, one ? std::optional<std::string_view>(*one) : std::nullopt});
  return encode_payload(key ? std::optional<std::string_view>(*key) : std::nullopt, headers,
                        value ? std::optional<std::string_view>(*value) : std::nullopt);
}

constexpr const char* kMeasureNames[] = {"packages", "vendors", "committed", "strict", "broad", "stage_unknown", "paid"};

std::string measure_cells_html(const Json& measures) {
  std::string cells;
  for (const char* name : kMeasureNames) {
    const Json& value = measures[name];
    const std::string text = value.is_string()            ? for_people(value.get<std::string>())
                             : value.is_number_unsigned() ? for_people(value.get<std::uint64_t>())
                                                          : "–";
    cells += "<td class=\"n\">" + html_escaped(text) + "</td>";
  }
  return cells;
}

constexpr std::string_view kStyle =
    "body{font:10pt/1.4 sans-serif;margin:2em;color:#111}table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;"
    "padding:.25em .5em;text-align:left}.n{text-align:right;white-space:nowrap}thead{display:table-header-group}tr{break-inside:avoid}"
    "tfoot td{font-weight:bold}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1em}dd{margin:0;overflow-wrap:anywhere}"
    "@page{size:A4 landscape;margin:15mm}";

std::string report_html(const Json& report, const Json& pack) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{} as of {}</title><style>{}</style></head><body>\n",
      html_escaped(pack["report"].get<std::string>()), html_escaped(cut_text(report["cut"])), kStyle);
  html += fmt::format("<h1>{}</h1>\n<dl>", html_escaped(report.contains("title") ? report["title"].get<std::string>() : "Totals"));
  const auto line = [&html](std::string_view name, const std::string& value) {
    html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html_escaped(value));
  };
  line("Ledger", pack["ledger"].get<std::string>());
  line("Question", pack["report"].get<std::string>());
  line("As of", pack["as_of"].get<std::string>());
  line("Cut", cut_text(report["cut"]));
  line("Strict", report["realised"]["strict"].get<std::string>());
  line("Broad", report["realised"]["broad"].get<std::string>());
  line("Scale", report["scale_basis"].get<std::string>());
  line("Purchases behind it", std::to_string(pack["purchases"].get<std::uint64_t>()));
  line("Configuration (SHA-256)", pack["configuration_sha256"].get<std::string>());
  if (report.value("synthetic", false)) line("Synthetic", "this ledger holds events of the demo; its figures are made up");
  html += "</dl>\n<table><thead><tr>";
  for (const Json& name : report["by"]) html += "<th>" + html_escaped(name.get<std::string>()) + "</th>";
  if (report["by"].empty()) html += "<th></th>";
  for (const char* name : {"packages", "vendors", "committed (Rp)", "strict (Rp)", "broad (Rp)", "stage unknown (Rp)", "paid (Rp)"})
    html += fmt::format("<th class=\"n\">{}</th>", name);
  html += "</tr></thead><tbody>\n";
  for (const Json& row : report["rows"]) {
    html += "<tr>";
    for (const Json& name : report["by"]) {
      const auto dimension = name.get<std::string>();
      std::string text = row[dimension].get<std::string>();
      if (row.contains("names") && row["names"].contains(dimension)) text += " " + row["names"][dimension].get<std::string>();
      html += "<td>" + html_escaped(text) + "</td>";
    }
    if (report["by"].empty()) html += "<td></td>";
    html += measure_cells_html(row) + "</tr>\n";
  }
  html += fmt::format("</tbody><tfoot><tr><td colspan=\"{}\">total</td>{}</tr></tfoot></table>\n",
                      std::max<std::size_t>(report["by"].size(), 1), measure_cells_html(report["total"]));
  html +=
      "<p>Computed from the entries in this pack. To compute it again: <code>bukubesar evidence check PACK.zip --key KEYS</code>.</p>\n";
  return html + "</body></html>\n";
}

}  // namespace

std::string ReportTarget::view() const { return path == "totals" ? "" : path.substr(std::string_view("views/").size()); }

namespace {

// "totals --by district --region 63" as "totals?by=district&region=63": the command that showed a figure names its report.
std::string target_of_command(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!word.empty()) words.emplace_back(word);
  }
  std::string target = words.empty() ? "" : words[0];
  char separator = '?';
  for (std::size_t i = 1; i < words.size(); ++i) {
    std::string name = words[i].substr(words[i].rfind("--", 0) == 0 ? 2 : 0);
    std::replace(name.begin(), name.end(), '-', '_');
    const bool has_value = i + 1 < words.size() && words[i + 1].rfind("--", 0) != 0;
    target += separator + name + "=" + (has_value ? percent_encode(words[++i]) : "true");
    separator = '&';
  }
  return target;
}

}  // namespace

absl::StatusOr<ReportTarget> parse_report_target(std::string_view text) {
  const std::string of_command = text.find(' ') == std::string_view::npos ? "" : target_of_command(text);
  if (!of_command.empty()) text = of_command;
  for (const std::string_view prefix : {std::string_view("http://"), std::string_view("https://")})
    if (text.substr(0, prefix.size()) == prefix)
      return invalid_argument("--report: '{}': name the report alone, the server is --url's to say", text);
  for (const std::string_view prefix : {std::string_view("/v1/"), std::string_view("v1/"), std::string_view("/")})
    if (text.substr(0, prefix.size()) == prefix) {
      text.remove_prefix(prefix.size());
      break;
    }
  const std::size_t question = text.find('?');
  ReportTarget target{std::string(text.substr(0, question)),
                      question == std::string_view::npos ? "" : std::string(text.substr(question + 1))};
  const bool is_view = target.path.rfind("views/", 0) == 0 && target.path.size() > 6 && target.path.find('/', 6) == std::string::npos;
  if (target.path != "totals" && !is_view)
    return invalid_argument(
        "--report: '{}' is no report: want totals?by=… or views/<name>?…, as in docs/API.md, or a command such as 'totals --by district'",
        text);
  for (std::string_view rest = target.query; !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::string_view name = pair.substr(0, pair.find('='));
    if (name == "as_of" || name == "format" || name == "min_cut" || name == "skip")
      return invalid_argument("--report: {} does not belong there{}", name, name == "as_of" ? "; give --as-of" : "");
  }
  return target;
}

std::string to_line(const PackEntry& entry) {
  Json json = {{"partition", entry.partition.name()},
               {"sequence", entry.sequence.value()},
               {"entry", hex(entry.bytes)},
               {"payload", entry.payload ? payload_json(*entry.payload) : Json(nullptr)}};
  if (entry.erased) json["erased"] = {{"by", entry.erased->by.value()}, {"substitute", payload_json(entry.erased->substitute)}};
  return to_text(json) + "\n";
}

absl::StatusOr<PackEntry> parse_pack_entry(std::string_view line) {
  const Json json = Json::parse(line, nullptr, false);
  const auto wrong = [](std::string_view what) { return invalid_argument("it is no entry: {}", what); };
  if (!json.is_object() || !json.contains("partition") || !json.contains("sequence") || !json.contains("entry") ||
      !json.contains("payload"))
    return wrong("want an object with partition, sequence, entry, payload");
  if (!json["partition"].is_string() || !json["sequence"].is_number_unsigned() || !json["entry"].is_string())
    return wrong("a member's type");
  PackEntry entry;
  const auto partition = PartitionId::parse(json["partition"].get<std::string>());
  if (!partition) return wrong("partition");
  entry.partition = *partition;
  entry.sequence = Sequence(json["sequence"].get<std::uint64_t>());
  auto bytes = unhex(json["entry"].get<std::string>());
  if (!bytes || bytes->size() != kEntryBytes) return wrong("entry: want 88 bytes in hex");
  entry.bytes = *std::move(bytes);
  if (json.contains("erased")) {
    const Json& erased = json["erased"];
    if (!json["payload"].is_null() || !erased.is_object() || !erased.contains("by") || !erased["by"].is_number_unsigned() ||
        !erased.contains("substitute"))
      return wrong("erased: want by and substitute, and payload null");
    std::optional<std::string> substitute = payload_of(erased["substitute"]);
    if (!substitute) return wrong("substitute");
    entry.erased = PackErased{Sequence(erased["by"].get<std::uint64_t>()), *std::move(substitute)};
  }
  if (json["payload"].is_null()) return entry;
  entry.payload = payload_of(json["payload"]);
  if (!entry.payload) return wrong("payload");
  return entry;
}

std::optional<std::string_view> PackEntry::folded() const {
  if (payload) return *payload;
  return erased && !erased->substitute.empty() ? std::optional<std::string_view>(erased->substitute) : std::nullopt;
}

std::string manifest_of(const ZipFiles& files) {
  std::string text;
  for (const auto& [name, content] : files)
    if (name != kPackManifest) text += fmt::format("{}  {}\n", hex(as_view(sha256(content))), name);
  return text;
}

namespace {

struct PackQuestion {
  ReportTarget target;
  Cut cut;
  TotalsRequest request;
  TotalsQuery query;
  ReportFrame frame;
  bool shares = false;
};

absl::StatusOr<PackQuestion> question_of(const ZipFiles& files, const Definition& definition, const Json& pack) {
  PackQuestion to;
  ASSIGN_OR_RETURN(to.target, parse_report_target(pack["report"].get<std::string>()));
  std::string cut = cut_text(pack["cut"]);
  ASSIGN_OR_RETURN(to.cut, Cut::parse(cut));
  ASSIGN_OR_RETURN(to.request, parse_totals_request(to.target.query, definition, !to.target.view().empty()));
  to.request.as_of = cut;
  to.query = to.request.query;
  to.frame.dedup_per_partition = definition.partitioner == "any";
  to.frame.synthetic = pack["synthetic"].get<bool>();
  to.shares = to.request.share;
  if (!to.target.view().empty()) {
    ASSIGN_OR_RETURN(const std::vector<ViewDefinition> views, parse_views(files.at("views.json")));
    const auto view = std::find_if(views.begin(), views.end(), [&](const ViewDefinition& each) { return each.name == to.target.view(); });
    if (view == views.end()) return invalid_argument("views.json: no view '{}'", to.target.view());
    ASSIGN_OR_RETURN(to.query, narrow(*view, to.request.query));
    to.frame.view = ReportFrame::View{view->name, view->title, view->measures};
    to.shares = to.shares || has_share(view->measures);
  }
  to.query.cut = to.cut;
  return to;
}

}  // namespace

absl::StatusOr<ZipFiles> recompute_report(const ZipFiles& files, const std::vector<PackEntry>& entries) {
  ASSIGN_OR_RETURN(const Definition definition, parse_definition(files.at("definition.jsonl"), "definition.jsonl"));
  const Json pack = Json::parse(files.at("pack.json"), nullptr, false);
  ASSIGN_OR_RETURN(const PackQuestion question, question_of(files, definition, pack));
  Recount recount(definition);
  for (const PackEntry& entry : entries) {
    const auto decoded = decode_entry(entry.bytes);
    if (!decoded)
      return invalid_argument("entry {}/{}: the bytes are no entry of version 1", entry.partition.name(), entry.sequence.value());
    if (entry.sequence.value() >= question.cut.size(entry.partition))
      return invalid_argument("entry {}/{}: beyond the cut", entry.partition.name(), entry.sequence.value());
    RETURN_IF_ERROR(recount.add(entry.partition, entry.sequence, *decoded, entry.folded()));
  }
  ASSIGN_OR_RETURN(TotalsAnswer answer, recount.totals(question.query));
  RowNotes notes;
  ReportFrame frame = question.frame;
  if (question.shares) notes.shares = shares_of(answer);
  if (question.request.top > 0) {
    frame.rows_matching = answer.rows.size();
    keep_top(question.request, answer, notes);
  }
  if (question.request.names) notes.names = recount.names(answer);
  ZipFiles report;
  std::string& json = report["report.json"];
  json = report_json_head(report_head(answer, question.request, frame, !notes.shares.empty()));
  for (std::size_t i = 0; i < answer.rows.size(); ++i) append_report_row(json, answer, notes, i);
  json += report_json_tail(answer);
  std::string& csv = report["report.csv"];
  csv = report_csv_head(answer, notes);
  for (std::size_t i = 0; i < answer.rows.size(); ++i) csv += report_csv_row(answer, notes, i);
  report["report.html"] = report_html(Json::parse(json), pack);
  return report;
}

}  // namespace bukubesar
