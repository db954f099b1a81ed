// Transfers and facts, row by row: what a mart, a snapshot or another book-keeping is loaded from.
#include "base/day.h"
#include "base/status.h"
#include "base/time.h"
#include "projections/facts_page.h"
#include "projections/transfer_reader.h"
#include "server/extract_stream.h"
#include "server/extract_writer.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

constexpr std::size_t kFactsLimitUsual = 1000;
constexpr std::size_t kFactsLimitMost = 10'000;
constexpr std::uint64_t kTransfersLimitMost = 1'000'000'000;
constexpr std::size_t kStepRows = 128;

const std::vector<std::string>& transfer_columns() {
  static const std::vector<std::string> columns = {
      "partition",     "sequence",     "row",     "ledger_time", "event_time",  "kind",
      "purchase",      "from",         "to",      "amount",      "packages",    "cells",
      "order_date",    "fiscal_year",  "system",  "method",      "institution", "work_unit",
      "vendor",        "distributor",  "funding", "region",      "region_key",  "scale",
      "stated_region", "stated_scale", "feed",    "component",   "origin",      "catalogue_kind",
      "commodity",     "revision",
  };
  return columns;
}

void write_place(const TransferView& view, std::string_view partition, int zone_minutes, ExtractWriter& writer, std::string& to) {
  const Transfer& t = view.transfer;
  writer.text(partition, to);
  writer.integer(static_cast<std::int64_t>(t.sequence), to);
  writer.integer(t.row, to);
  view.ledger_time_ms ? writer.text(format_instant_ms(*view.ledger_time_ms, zone_minutes), to) : writer.null(to);
  (t.flags & kFlagTimeAbsent) == 0 ? writer.text(format_instant_ms(t.event_time_ms, zone_minutes), to) : writer.null(to);
  writer.text(name_of(t.kind), to);
  writer.text(view.text(DictionaryId::purchase, t.purchase), to);
}

void write_transfer(const TransferView& view, std::string_view partition, int zone_minutes, ExtractWriter& writer, std::string& to) {
  const Transfer& t = view.transfer;
  const Dimensions& d = t.dimensions;
  const auto code = [&](DictionaryId id, std::uint32_t number) { writer.text_or_null(view.text(id, number), to); };
  write_place(view, partition, zone_minutes, writer, to);
  writer.text(name_of(t.from), to);
  writer.text(name_of(t.to), to);
  writer.amount(t.amount, to);
  writer.integer(t.packages, to);
  writer.integer(t.cells, to);
  d.order_date == kNoOrderDate ? writer.null(to) : writer.text(format_date(Date{d.order_date}), to);
  d.fiscal_year == 0 ? writer.null(to) : writer.integer(d.fiscal_year, to);
  code(DictionaryId::system, d.system);
  code(DictionaryId::method, d.method);
  code(DictionaryId::institution, d.institution);
  code(DictionaryId::work_unit, d.work_unit);
  code(DictionaryId::vendor, d.vendor);
  code(DictionaryId::vendor, d.distributor);
  code(DictionaryId::funding, d.funding);
  writer.region_and_key(view.region, to);
  writer.text(view.scale, to);
  code(DictionaryId::region, d.region);
  writer.text(name_of(d.scale), to);
  code(DictionaryId::feed, d.feed);
  writer.text(name_of(t.cell.component), to);
  writer.text(name_of(t.cell.origin), to);
  writer.text(name_of(t.cell.catalogue_kind), to);
  code(DictionaryId::commodity, t.cell.commodity);
  t.revision == 0 ? writer.null(to) : writer.integer(static_cast<std::int64_t>(t.revision - 1), to);
  writer.end_row(to);
}

absl::StatusOr<ServerResponse> transfers_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"from", "limit", "as_of", "format", "min_cut"}));
  TransferRange range;
  ASSIGN_OR_RETURN(range.partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> from, query.number("from"));
  range.first = Sequence(from.value_or(0));
  if (query.has("limit")) {
    ASSIGN_OR_RETURN(range.rows_max, query.limit(0, kTransfersLimitMost));
  }
  const auto format = query.has("format") ? parse_extract_format(query.text("format")) : ExtractFormat::ndjson;
  if (!format || *format == ExtractFormat::json)
    return invalid_argument("query: format: '{}' is none of ndjson, csv, csv_semicolon, xlsx", query.text("format"));
  ASSIGN_OR_RETURN(range.cut, read_cut(node, query));
  ASSIGN_OR_RETURN(std::shared_ptr<TransferReader> reader, TransferReader::open(node.projections(), range));
  const auto step = [reader, partition = range.partition.name(), zone = node.definition().zone_minutes](
                        ExtractWriter& writer, std::string& to) -> absl::StatusOr<bool> {
    return reader->read(kStepRows, [&](const TransferView& view) { write_transfer(view, partition, zone, writer, to); });
  };
  ASSIGN_OR_RETURN(ServerResponse response, extract_response({*format, reader->cut(), transfer_columns(), step}));
  response.with("Bukubesar-Next", fmt::format("{}", reader->next().value())).with("Bukubesar-Rows", fmt::format("{}", reader->rows()));
  return response;
}

Json fact_json(const FactRow& row) {
  Json json = {{"sequence", row.sequence.value()}, {"table", row.table}, {"code", row.code}, {"valid_from", format_month(row.valid_from)}};
  if (row.name) json["name"] = *row.name;
  if (row.scale) json["scale"] = *row.scale;
  if (row.vendor_kind) json["kind"] = *row.vendor_kind;
  if (row.place) json[std::string(place_name(row.table))] = *row.place;
  if (!row.work_units.empty()) {
    Json units = Json::array();
    for (const auto& [code, name] : row.work_units) units.push_back({{"code", code}, {"name", name}});
    json["work_units"] = units;
  }
  return json;
}

absl::StatusOr<ServerResponse> facts_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"from", "limit", "as_of", "min_cut"}));
  FactsRange range;
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> from, query.number("from"));
  range.first = Sequence(from.value_or(0));
  ASSIGN_OR_RETURN(range.limit, query.limit(kFactsLimitUsual, kFactsLimitMost));
  ASSIGN_OR_RETURN(range.cut, read_cut(node, query));
  ASSIGN_OR_RETURN(const FactsPage page, read_facts(node.projections(), range));
  Json facts = Json::array();
  for (const FactRow& row : page.rows) facts.push_back(fact_json(row));
  return json_response({{"cut", to_json(page.cut)},
                        {"month", page.month ? Json(format_month(*page.month)) : Json(nullptr)},
                        {"facts", facts},
                        {"next_from", page.next ? Json(page.next->value()) : Json(nullptr)}},
                       page.cut);
}

}  // namespace

void add_transfer_routes(Router& router, Node& node) {
  add_projection_read(router, node, "/v1/transfers/{partition}",
                      [&node](const ServerRequest& request) { return transfers_answer(node, request); });
  add_projection_read(router, node, "/v1/facts", [&node](const ServerRequest& request) { return facts_answer(node, request); });
}

}  // namespace bukubesar
