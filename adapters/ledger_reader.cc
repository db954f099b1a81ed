#include "adapters/ledger_reader.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "adapters/json_answer.h"
#include "base/status.h"

namespace bukubesar {

namespace {

using Json = nlohmann::json;

// True where nothing is left.
bool strip(Json& value) {
  if (value.is_null()) return true;
  if (value.is_object()) {
    for (auto it = value.begin(); it != value.end();) it = strip(*it) ? value.erase(it) : std::next(it);
    return value.empty();
  }
  if (value.is_array()) {
    for (auto& item : value) strip(item);
    return value.empty();
  }
  return false;
}

std::string canonical(Json document) {
  for (const char* name : {"stage", "source_status", "revision"}) document.erase(name);
  strip(document);
  return document.dump();
}

KnownPurchase known_from(const Json& row) {
  KnownPurchase known;
  known.stage = text_member(row, "stage");
  const auto revision = row.find("revision");
  if (revision != row.end() && revision->is_number_unsigned()) known.revision = revision->get<std::uint64_t>();
  if (const auto status = row.find("source_status"); status != row.end() && status->is_object()) {
    known.package_status = text_member(*status, "package");
    known.shipment_status = text_member(*status, "shipment");
  }
  if (const auto document = row.find("document"); document != row.end() && document->is_object()) known.document = canonical(*document);
  if (const auto event = row.find("last_event"); event != row.end() && event->is_object()) {
    known.last_event_id = text_member(*event, "id");
    known.last_event_source = text_member(*event, "source");
    known.last_event_type = text_member(*event, "type");
  }
  return known;
}

// The cut of everything committed so far, to be waited for; empty where the server does not say.
absl::StatusOr<std::string> committed_cut(HttpClient& client) {
  ASSIGN_OR_RETURN(const HttpResponse response, client.get("/v1/cut"));
  RETURN_IF_ERROR(status_of(response));
  const Json json = Json::parse(response.body, nullptr, false);
  const auto* cut = &json;
  if (json.is_object() && json.contains("committed"))
    cut = &json["committed"];
  else if (json.is_object() && json.contains("cut"))
    cut = &json["cut"];
  if (!cut->is_object()) return unavailable("GET /v1/cut: no cut in the answer: {}", response.body.substr(0, 200));
  std::string text;
  for (const auto& [partition, size] : cut->items()) {
    if (!size.is_number_unsigned()) continue;
    if (!text.empty()) text += ',';
    text += fmt::format("{}={}", partition, size.get<std::uint64_t>());
  }
  return text;
}

}  // namespace

std::string canonical_document(std::string_view json) {
  Json document = Json::parse(json.begin(), json.end(), nullptr, false);
  return document.is_object() ? canonical(std::move(document)) : std::string();
}

absl::StatusOr<std::unordered_map<std::string, KnownPurchase>> read_known_purchases(HttpClient& client, const Scope& scope) {
  ASSIGN_OR_RETURN(const std::string cut, committed_cut(client));
  const std::string base = fmt::format("/v1/purchases?feed={}&institution={}&fiscal_year={}&documents=true&limit=1000",
                                       percent_encode(scope.source), percent_encode(scope.institution), scope.fiscal_year);
  std::unordered_map<std::string, KnownPurchase> known;
  std::string cursor;
  do {
    std::string target = base;
    if (!cut.empty()) target += "&min_cut=" + percent_encode(cut);
    if (!cursor.empty()) target += "&cursor=" + percent_encode(cursor);
    ASSIGN_OR_RETURN(const HttpResponse response, client.get(target));
    RETURN_IF_ERROR(status_of(response));
    const Json json = Json::parse(response.body, nullptr, false);
    if (!json.is_object()) return unavailable("GET {}: no JSON object", target);
    auto rows = json.find("purchases");
    if (rows == json.end()) rows = json.find("rows");
    if (rows == json.end() || !rows->is_array()) return unavailable("GET {}: no rows in the answer", target);
    for (const Json& row : *rows) known[text_member(row, "id")] = known_from(row);
    std::string next = text_member(json, "next_cursor");
    if (!next.empty() && next == cursor) return unavailable("GET {}: the cursor does not advance", target);
    cursor = std::move(next);
  } while (!cursor.empty());
  return known;
}

absl::StatusOr<std::vector<std::int32_t>> read_known_years(HttpClient& client, std::string_view source, std::string_view institution) {
  ASSIGN_OR_RETURN(const std::string cut, committed_cut(client));
  std::string target = fmt::format("/v1/totals?by=fiscal_year&feed={}&institution={}", percent_encode(source), percent_encode(institution));
  if (!cut.empty()) target += "&min_cut=" + percent_encode(cut);
  ASSIGN_OR_RETURN(const HttpResponse response, client.get(target));
  RETURN_IF_ERROR(status_of(response));
  const Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_object() || !json.contains("rows") || !json["rows"].is_array()) return unavailable("GET {}: no rows in the answer", target);
  std::vector<std::int32_t> years;
  for (const Json& row : json["rows"]) {
    std::int32_t year = 0;
    const std::string text = text_member(row, "fiscal_year");
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), year);
    if (error == std::errc() && end == text.data() + text.size())
      years.push_back(year);  // else unknown: of a stub, which has no feed's row
  }
  std::sort(years.begin(), years.end());
  return years;
}

}  // namespace bukubesar
