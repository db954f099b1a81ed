#include "base/status.h"
#include "base/time.h"
#include "events/payload.h"
#include "events/rules.h"
#include "server/correction_signature.h"
#include "server/entry_json.h"
#include "server/extract_stream.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

constexpr std::size_t kPurchasesLimitUsual = 100;
constexpr std::size_t kPurchasesLimitMost = 1000;
constexpr std::size_t kFindingsLimitMost = 1000;

Json history_json(const PurchaseAnswer& purchase, int zone_minutes) {
  Json history = Json::array();
  for (const PurchaseHistoryEvent& event : purchase.history) {
    Json transfers = Json::array();
    for (const TransferRow& row : event.transfers)
      transfers.push_back({{"row", row.row},
                           {"from", row.from_account},
                           {"to", row.to_account},
                           {"amount", format_rupiah(row.amount)},
                           {"packages", row.packages},
                           {"component", text_or_null(row.component)},
                           {"origin", text_or_null(row.origin)},
                           {"catalogue_kind", text_or_null(row.catalogue_kind)},
                           {"commodity", text_or_null(row.commodity)}});
    history.push_back({{"partition", event.partition.name()},
                       {"sequence", event.sequence.value()},
                       {"type", event.type},
                       {"time", event.event_time_ms ? Json(format_instant_ms(*event.event_time_ms, zone_minutes)) : Json(nullptr)},
                       {"entry", entry_link(event.partition, event.sequence)},
                       {"transfers", transfers}});
  }
  return history;
}

Json purchase_json(const PurchaseAnswer& purchase, int zone_minutes) {
  Json cells = Json::array();
  for (const PurchaseAnswer::Cell& cell : purchase.cells)
    cells.push_back({{"component", cell.component},
                     {"origin", cell.origin},
                     {"catalogue_kind", cell.catalogue_kind},
                     {"commodity", text_or_null(cell.commodity)},
                     {"amount", format_rupiah(cell.amount)}});
  return {{"cut", to_json(purchase.cut)},
          {"id", purchase.id},
          {"partition", purchase.partition.name()},
          {"system", text_or_null(purchase.system)},
          {"feed", text_or_null(purchase.feed)},
          {"stage", purchase.stage},
          {"fiscal_year", purchase.fiscal_year == 0 ? Json(nullptr) : Json(purchase.fiscal_year)},
          {"order_date", purchase.order_date ? Json(format_date(*purchase.order_date)) : Json(nullptr)},
          {"region", text_or_null(purchase.region)},
          {"institution", {{"code", text_or_null(purchase.institution)}, {"name", text_or_null(purchase.institution_name)}}},
          {"work_unit", text_or_null(purchase.work_unit)},
          {"vendor", {{"code", text_or_null(purchase.vendor)}, {"name", text_or_null(purchase.vendor_name)}}},
          {"distributor", text_or_null(purchase.distributor)},
          {"scale", {{"at_order", text_or_null(purchase.scale)}, {"stated", text_or_null(purchase.stated_scale)}}},
          {"method", text_or_null(purchase.method)},
          {"funding", purchase.funding},
          {"revision", purchase.revision ? Json(*purchase.revision) : Json(nullptr)},
          {"value", format_rupiah(purchase.value)},
          {"paid", format_rupiah(purchase.paid)},
          {"cells", cells},
          {"history", history_json(purchase, zone_minutes)},
          {"findings", findings_json(purchase.findings)}};
}

// Who signed a correction, and whether that holds.
absl::Status add_signatures(Node& node, const PurchaseAnswer& purchase, Json& json) {
  for (std::size_t i = 0; i < purchase.history.size(); ++i) {
    const PurchaseHistoryEvent& event = purchase.history[i];
    if (event.type != name_of(EventType::corrected)) continue;
    ASSIGN_OR_RETURN(const StoredRun run, node.ledger().read(event.partition, event.sequence, 1));
    if (run.entries.empty() || !run.entries.front().payload) continue;
    json["history"][i]["signature"] = check_correction_signature(*run.entries.front().payload, approver_keys(node.config().signing));
  }
  return absl::OkStatus();
}

absl::StatusOr<ServerResponse> purchase_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"as_of", "min_cut"}));
  ASSIGN_OR_RETURN(const std::optional<Cut> cut, read_cut(node, query));
  ASSIGN_OR_RETURN(const PurchaseAnswer purchase, node.projections().purchase(request.captures[0], cut));
  Json json = purchase_json(purchase, node.definition().zone_minutes);
  RETURN_IF_ERROR(add_signatures(node, purchase, json));
  if (node.synthetic()) json["synthetic"] = true;
  return json_response(json, purchase.cut);
}

// The payload of one entry, read once per row; what stands in for one that was erased.
absl::StatusOr<std::string> payload_of(Node& node, PartitionId partition, Sequence sequence) {
  ASSIGN_OR_RETURN(const StoredRun run, node.ledger().read(partition, sequence, 1));
  const auto payload = run.entries.empty() ? std::nullopt : run.entries.front().folded();
  if (!payload) return data_loss("{}:{}: its payload is not kept", partition.name(), sequence.value());
  return std::string(*payload);
}

// What an importer compares a snapshot with: the document in force, and what the newest event said of itself. All verbatim.
absl::StatusOr<std::string> document_members(Node& node, const Projections::PurchaseSummary& purchase) {
  ASSIGN_OR_RETURN(const std::string last, payload_of(node, purchase.partition, purchase.last_sequence));
  std::string of_document;
  const bool same = purchase.document_sequence == purchase.last_sequence;
  // A stub has no document.
  if (!same && purchase.document_sequence != kNoSequence) {
    ASSIGN_OR_RETURN(of_document, payload_of(node, purchase.partition, purchase.document_sequence));
  }
  const std::string& document_payload = same ? last : of_document;
  std::string out = ",\"document\":" + member_text(document_payload, {"data", "document"}).value_or("null");
  auto status = member_text(last, {"data", "source_status"});
  if (!status) status = member_text(last, {"data", "document", "source_status"});
  if (!status) status = member_text(document_payload, {"data", "document", "source_status"});
  out += ",\"source_status\":" + status.value_or("null");
  Routing routing;
  routing.partitioner = parse_partitioner(node.definition().partitioner).value_or(Partitioner::murmur2);
  routing.partitions = node.definition().partitions;
  Arena arena;
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, node.ledger().read_entries(purchase.partition, purchase.last_sequence, 1));
  Json event = nullptr;
  if (!entries.empty()) {
    const Judgement judgement = Judge(routing).judge(entries[0].rules_version, purchase.partition, last, arena);
    if (judgement.event != nullptr)
      event = {{"source", judgement.event->source},
               {"id", judgement.event->id},
               {"type", "id.bukubesar." + std::string(name_of(judgement.event->type)) + ".v1"}};
  }
  return out + ",\"last_event\":" + to_text(event);
}

Json summary_json(const Projections::PurchaseSummary& purchase) {
  return {{"id", purchase.id},
          {"feed", purchase.feed},
          {"stage", purchase.stage},
          {"institution", text_or_null(purchase.institution)},
          {"vendor", text_or_null(purchase.vendor)},
          {"fiscal_year", purchase.fiscal_year == 0 ? Json(nullptr) : Json(purchase.fiscal_year)},
          {"value", format_rupiah(purchase.value)},
          {"revision", purchase.revision ? Json(*purchase.revision) : Json(nullptr)},
          {"partition", purchase.partition.name()},
          {"last_sequence", purchase.last_sequence.value()},
          {"document_sequence", purchase.document_sequence == kNoSequence ? Json(nullptr) : Json(purchase.document_sequence.value())}};
}

// From the cursor on, all of them, at one cut.
absl::StatusOr<ServerResponse> purchases_extract(Node& node, ExtractFormat format, const std::optional<Cut>& as_of,
                                                 const Projections::PurchaseFilter& filter, std::string_view cursor) {
  Extract extract{format,
                  as_of ? *as_of : node.projections().cut(),
                  {"id", "partition", "stage", "feed", "institution", "vendor", "fiscal_year", "value", "revision", "last_sequence",
                   "document_sequence"},
                  nullptr};
  extract.step = [&node, cut = extract.cut, filter, next = std::string(cursor)](ExtractWriter& writer,
                                                                                std::string& to) mutable -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const Projections::PurchasePage page, node.projections().purchases_at(cut, filter, next, kPurchasesLimitMost));
    for (const Projections::PurchaseSummary& one : page.purchases) {
      writer.text(one.id, to);
      writer.text(one.partition.name(), to);
      for (const std::string& text : {one.stage, one.feed, one.institution, one.vendor}) writer.text_or_null(text, to);
      one.fiscal_year == 0 ? writer.null(to) : writer.integer(one.fiscal_year, to);
      writer.amount(one.value, to);
      one.revision ? writer.integer(static_cast<std::int64_t>(*one.revision), to) : writer.null(to);
      writer.integer(static_cast<std::int64_t>(one.last_sequence.value()), to);
      one.document_sequence == kNoSequence ? writer.null(to) : writer.integer(static_cast<std::int64_t>(one.document_sequence.value()), to);
      writer.end_row(to);
    }
    next = page.next_cursor.value_or("");
    return page.next_cursor.has_value();
  };
  return extract_response(std::move(extract));
}

absl::StatusOr<ExtractFormat> extract_format_of(const Query& query) {
  if (!query.has("format")) return ExtractFormat::json;
  const auto format = parse_extract_format(query.text("format"));
  if (!format) return invalid_argument("query: format: '{}' is none of {}", query.text("format"), kExtractFormats);
  if (*format != ExtractFormat::json)
    for (const char* const name : {"limit", "documents"})
      if (query.has(name)) return invalid_argument("query: {}: an extract has all rows, and columns of its own", name);
  return *format;
}

absl::StatusOr<ServerResponse> purchases_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"feed", "system", "institution", "fiscal_year", "limit", "cursor",
                                                                   "documents", "as_of", "min_cut", "format"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kPurchasesLimitUsual, kPurchasesLimitMost));
  ASSIGN_OR_RETURN(const bool documents, query.flag("documents"));
  Projections::PurchaseFilter filter;
  filter.feed = query.text("feed");
  filter.system = query.text("system");
  filter.institution = query.text("institution");
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> year, query.number("fiscal_year"));
  if (year) {
    if (*year > 9999) return invalid_argument("query: fiscal_year: {} is no year", *year);
    filter.fiscal_year = static_cast<std::int32_t>(*year);
  }
  ASSIGN_OR_RETURN(const std::optional<Cut> cut, read_cut(node, query));
  ASSIGN_OR_RETURN(const ExtractFormat format, extract_format_of(query));
  if (format != ExtractFormat::json) return purchases_extract(node, format, cut, filter, query.text("cursor"));
  ASSIGN_OR_RETURN(const Projections::PurchasePage page, cut ? node.projections().purchases_at(*cut, filter, query.text("cursor"), limit)
                                                             : node.projections().purchases(filter, query.text("cursor"), limit));
  ServerResponse response = json_response(Json::object(), page.cut);
  response.body = "{\"cut\":" + to_text(to_json(page.cut)) + ",\"purchases\":[";
  for (std::size_t i = 0; i < page.purchases.size(); ++i) {
    if (i > 0) response.body.push_back(',');
    std::string row = to_text(summary_json(page.purchases[i]));
    if (documents) {
      ASSIGN_OR_RETURN(const std::string members, document_members(node, page.purchases[i]));
      row.insert(row.size() - 1, members);
    }
    response.body += row;
  }
  response.body += "],\"next_cursor\":" + to_text(page.next_cursor ? Json(*page.next_cursor) : Json(nullptr));
  if (node.synthetic()) response.body += ",\"synthetic\":true";
  response.body += "}\n";
  return response;
}

// Where a page of findings begins; a cursor keeps the order of the page that gave it.
absl::StatusOr<std::string> findings_begin(const Query& query) {
  const std::string_view order = query.has("order") ? query.text("order") : "oldest";
  if (order != "oldest" && order != "newest") return invalid_argument("query: order: '{}' is neither oldest nor newest", order);
  return std::string(query.has("cursor") ? query.text("cursor") : order == "newest" ? "newest" : "");
}

absl::StatusOr<ServerResponse> findings_extract(Node& node, ExtractFormat format, const std::optional<Cut>& as_of, const Query& query) {
  ASSIGN_OR_RETURN(const std::string begin, findings_begin(query));
  Extract extract{format, as_of ? *as_of : node.projections().cut(), {"partition", "sequence", "kind", "purchase", "detail"}, nullptr};
  extract.step = [&node, cut = extract.cut, kind = std::string(query.text("kind")), purchase = std::string(query.text("purchase")),
                  next = begin](ExtractWriter& writer, std::string& to) mutable -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const FindingsPage page, node.projections().findings(kind, purchase, next, kFindingsLimitMost, cut));
    for (const Finding& one : page.findings) {
      writer.text(one.partition.name(), to);
      writer.integer(static_cast<std::int64_t>(one.sequence.value()), to);
      writer.text(one.kind, to);
      writer.text_or_null(one.purchase, to);
      writer.text(one.detail, to);
      writer.end_row(to);
    }
    next = page.next_cursor.value_or("");
    return page.next_cursor.has_value();
  };
  return extract_response(std::move(extract));
}

absl::StatusOr<ServerResponse> findings_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query,
                   Query::parse(request.query, {"kind", "purchase", "order", "cursor", "limit", "as_of", "min_cut", "format"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(100, kFindingsLimitMost));
  ASSIGN_OR_RETURN(const std::optional<Cut> cut, read_cut(node, query));
  ASSIGN_OR_RETURN(const ExtractFormat format, extract_format_of(query));
  if (format != ExtractFormat::json) return findings_extract(node, format, cut, query);
  ASSIGN_OR_RETURN(const std::string begin, findings_begin(query));
  ASSIGN_OR_RETURN(const FindingsPage page, node.projections().findings(query.text("kind"), query.text("purchase"), begin, limit, cut));
  Json counts = Json::object();
  for (const auto& [kind, count] : page.counts) counts[kind] = count;
  Json json = {{"cut", to_json(page.cut)},
               {"counts", counts},
               {"findings", findings_json(page.findings)},
               {"next_cursor", page.next_cursor ? Json(*page.next_cursor) : Json(nullptr)}};
  if (node.synthetic()) json["synthetic"] = true;
  return json_response(json, page.cut);
}

}  // namespace

void add_purchase_routes(Router& router, Node& node) {
  add_projection_read(router, node, "/v1/purchases", [&node](const ServerRequest& request) { return purchases_answer(node, request); });
  add_projection_read(router, node, "/v1/purchases/{id...}",
                      [&node](const ServerRequest& request) { return purchase_answer(node, request); });
  add_projection_read(router, node, "/v1/findings", [&node](const ServerRequest& request) { return findings_answer(node, request); });
}

}  // namespace bukubesar
