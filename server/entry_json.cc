#include "server/entry_json.h"

#include <fmt/format.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/time.h"
#include "events/json_peek.h"
#include "events/payload.h"
#include "events/rules.h"
#include "server/correction_signature.h"
#include "server/node.h"

namespace bukubesar {

namespace {

std::string_view kind_name(EntryKind kind) { return kind == EntryKind::record ? "record" : "source_statement"; }

std::string_view sentence_of(Reason reason) {
  for (const ReasonInfo& info : all_reasons())
    if (info.code == reason) return info.sentence;
  return {};
}

template <class T, class Format>
Json optional_json(const std::optional<T>& value, Format format) {
  return value ? Json(format(*value)) : Json(nullptr);
}

Json money_json(const std::optional<Money>& money) {
  return optional_json(money, [](Money amount) { return format_rupiah(amount.sen); });
}

std::string quantity_text(Quantity quantity) {
  const std::int64_t value = quantity.ten_thousandths;
  const std::uint64_t magnitude = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  return fmt::format("{}{}.{:04}", value < 0 ? "-" : "", magnitude / 10'000, magnitude % 10'000);
}

Json line_json(const Line& line) {
  return {{"line", text_or_null(line.line)},
          {"product", text_or_null(line.product)},
          {"commodity", text_or_null(line.commodity)},
          {"catalogue_kind", name_of(line.catalogue_kind)},
          {"origin", name_of(line.origin)},
          {"quantity", optional_json(line.quantity, quantity_text)},
          {"unit_price", money_json(line.unit_price)},
          {"amount", format_rupiah(line.amount.sen)},
          {"derived", line.derived}};
}

Json document_json(const Document& document) {
  Json funding = Json::array();
  for (std::string_view name : document.funding) funding.push_back(name);
  Json lines = Json::array();
  for (const Line& line : document.lines) lines.push_back(line_json(line));
  return {{"revision", document.revision ? Json(*document.revision) : Json(nullptr)},
          {"fiscal_year", document.fiscal_year},
          {"order_date", optional_json(document.order_date, format_date)},
          {"stage", name_of(document.stage)},
          {"method", text_or_null(document.method)},
          {"institution", text_or_null(document.institution)},
          {"work_unit", text_or_null(document.work_unit)},
          {"vendor", text_or_null(document.vendor)},
          {"distributor", text_or_null(document.distributor)},
          {"stated", {{"region", text_or_null(document.stated_region)}, {"scale", name_of(document.stated_scale)}}},
          {"funding", funding},
          {"plan", text_or_null(document.plan)},
          {"commodity", text_or_null(document.commodity)},
          {"catalogue_kind", name_of(document.catalogue_kind)},
          {"amounts",
           {{"total", format_rupiah(document.total.sen)}, {"shipping", money_json(document.shipping)}, {"tax", money_json(document.tax)}}},
          {"lines", lines}};
}

Json fact_json(const Fact& fact) {
  Json json = {{"code", fact.code}, {"valid_from", format_month(fact.valid_from)}};
  const auto add = [&json](const char* name, const std::optional<std::string_view>& value) {
    if (value) json[name] = *value;
  };
  add("name", fact.name);
  if (fact.scale) json["scale"] = name_of(*fact.scale);
  add("domicile", fact.domicile);
  if (fact.vendor_kind) json["kind"] = name_of(*fact.vendor_kind);
  add("kind", fact.institution_kind);
  add("region", fact.region);
  add("group", fact.group);
  add("parent", fact.parent);
  if (!fact.work_units.empty()) {
    Json units = Json::object();
    for (const WorkUnit& unit : fact.work_units) units[std::string(unit.code)] = unit.name;
    json["work_units"] = units;
  }
  return json;
}

Json observation_json(const Observation& observation, int zone_minutes) {
  return {{"sha256", text_or_null(observation.sha256)},
          {"rows", observation.rows},
          {"complete", observation.complete},
          {"scope",
           {{"institution", text_or_null(observation.institution)},
            {"fiscal_year", observation.fiscal_year ? Json(*observation.fiscal_year) : Json(nullptr)}}},
          {"observed_at", optional_json(observation.observed_at_ms, [&](std::int64_t ms) { return format_instant_ms(ms, zone_minutes); })}};
}

Judge judge_of(Node& node) {
  Routing routing;
  routing.partitioner = parse_partitioner(node.definition().partitioner).value_or(Partitioner::murmur2);
  routing.partitions = node.definition().partitions;
  return Judge(routing);
}

}  // namespace

Json entry_json(PartitionId partition, Sequence sequence, const Entry& entry, int zone_minutes) {
  Json json = {{"partition", partition.name()},
               {"sequence", sequence.value()},
               {"kind", kind_name(entry.kind)},
               {"verdict", name_of(entry.verdict)},
               {"reason", entry.reason == Reason::none ? Json(nullptr) : Json(name_of(entry.reason))}};
  if (entry.reason != Reason::none) json["sentence"] = sentence_of(entry.reason);
  json["rules_version"] = entry.rules_version;
  json["epoch"] = entry.epoch.value();
  json["offset"] = entry.offset.value();
  json["timestamp"] = entry.timestamp_present ? Json(format_instant_ms(entry.timestamp_ms, zone_minutes)) : Json(nullptr);
  json["log_append_time"] = entry.log_append_time;
  json["duplicate_of"] = entry.duplicate_of == kNoSequence ? Json(nullptr) : Json(entry.duplicate_of.value());
  json["fingerprint"] = hex(as_view(entry.fingerprint));
  json["payload_size"] = entry.payload_size;
  json["payload_hash"] = hex(as_view(entry.payload_hash));
  json["payload"] = fmt::format("/payload/{}/{}", partition.name(), sequence.value());
  return json;
}

Json event_json(const Event& event, int zone_minutes) {
  Json json = {{"type", "id.bukubesar." + std::string(name_of(event.type)) + ".v1"},
               {"source", event.source},
               {"id", event.id},
               {"subject", event.subject},
               {"time", optional_json(event.time_ms, [&](std::int64_t ms) { return format_instant_ms(ms, zone_minutes); })}};
  if (event.document != nullptr) json["document"] = document_json(*event.document);
  if (event.correction != nullptr)
    json["correction"] = {{"reason", event.correction->reason},
                          {"authority", event.correction->authority},
                          {"approver", event.correction->approver},
                          {"corrects", {{"source", event.correction->corrects_source}, {"id", event.correction->corrects_id}}}};
  if (event.type == EventType::advanced) json["stage"] = name_of(event.stage);
  if (event.type == EventType::paid || event.type == EventType::refunded) {
    json["amount"] = format_rupiah(event.amount.sen);
    json["reference"] = text_or_null(event.reference);
    json["date"] = optional_json(event.date, format_date);
  }
  if (event.fact != nullptr) json["fact"] = fact_json(*event.fact);
  if (event.observation != nullptr) json["observation"] = observation_json(*event.observation, zone_minutes);
  return json;
}

std::string rejection_detail(Node& node, PartitionId partition, const Entry& entry, std::optional<std::string_view> payload) {
  if (!payload || entry.verdict != Verdict::rejected) return {};
  Arena arena;
  return judge_of(node).judge(entry.rules_version, partition, *payload, arena).detail;
}

void add_decoded(Json& json, Node& node, PartitionId partition, const StoredEntry& stored) {
  if (!stored.payload) json["kept"] = stored.redaction == nullptr ? "hash only" : "erased";
  if (stored.redaction != nullptr) json["erased_by"] = fmt::format("reference/{}", stored.redaction->by.value());
  const auto payload = stored.folded();
  if (!payload || (!stored.payload && stored.entry.verdict != Verdict::accepted)) return;
  if (stored.entry.kind == EntryKind::source_statement) {
    PayloadView view;
    if (parse_payload(*payload, view) && view.value) json["statement"] = *view.value;
    return;
  }
  Arena arena;
  const Judgement judgement = judge_of(node).judge(stored.entry.rules_version, partition, *payload, arena);
  if (judgement.event != nullptr) json["event"] = event_json(*judgement.event, node.definition().zone_minutes);
  if (judgement.event != nullptr && judgement.event->correction != nullptr && stored.payload)
    json["event"]["correction"]["signature"] = check_correction_signature(*stored.payload, approver_keys(node.config().signing));
  if (!judgement.detail.empty()) json["detail"] = judgement.detail;
}

Json entry_summary_json(Node& node, PartitionId partition, const StoredEntry& stored) {
  const Entry& entry = stored.entry;
  const int zone = node.definition().zone_minutes;
  Json json = {{"partition", partition.name()},
               {"sequence", stored.sequence.value()},
               {"verdict", name_of(entry.verdict)},
               {"reason", entry.reason == Reason::none ? Json(nullptr) : Json(name_of(entry.reason))},
               {"timestamp", entry.timestamp_present ? Json(format_instant_ms(entry.timestamp_ms, zone)) : Json(nullptr)}};
  if (!stored.payload || entry.kind == EntryKind::source_statement) return json;
  Arena arena;
  const Judgement judgement = judge_of(node).judge(entry.rules_version, partition, *stored.payload, arena);
  if (judgement.event == nullptr) return json;
  const Event& event = *judgement.event;
  json["type"] = name_of(event.type);
  json["subject"] = event.subject;
  if (event.document != nullptr) {
    json["stage"] = name_of(event.document->stage);
    json["amount"] = format_rupiah(event.document->total.sen);
    json["institution"] = text_or_null(event.document->institution);
  }
  if (event.type == EventType::advanced) json["stage"] = name_of(event.stage);
  if (event.type == EventType::paid || event.type == EventType::refunded) json["amount"] = format_rupiah(event.amount.sen);
  return json;
}

std::string entry_link(PartitionId partition, Sequence sequence) {
  return fmt::format("/v1/entries/{}/{}", partition.name(), sequence.value());
}

Json findings_json(const std::vector<Finding>& findings) {
  Json json = Json::array();
  for (const Finding& finding : findings)
    json.push_back({{"partition", finding.partition.name()},
                    {"sequence", finding.sequence.value()},
                    {"kind", finding.kind},
                    {"purchase", text_or_null(finding.purchase)},
                    {"detail", finding.detail},
                    {"entry", entry_link(finding.partition, finding.sequence)}});
  return json;
}

std::optional<std::string> member_text(std::string_view payload, std::initializer_list<std::string_view> path) {
  PayloadView view;
  if (!parse_payload(payload, view) || !view.value) return std::nullopt;
  bool binary = false;
  for (const Header& header : view.headers)
    if (header.name.substr(0, 3) == "ce_") binary = true;
  if (binary && path.size() == 2) return peek_raw(*view.value, {*(path.begin() + 1)});  // the value is the data
  if (binary && path.size() == 3) return peek_raw(*view.value, {*(path.begin() + 1), *(path.begin() + 2)});
  return peek_raw(*view.value, path);
}

}  // namespace bukubesar
