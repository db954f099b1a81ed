#include "server/redaction_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/arena.h"
#include "base/status.h"
#include "base/time.h"
#include "events/event_digest.h"
#include "events/payload.h"
#include "projections/same_transfers.h"
#include "server/entry_json.h"
#include "server/json.h"
#include "server/query.h"

namespace bukubesar {

namespace {

std::string data_text(std::string_view payload, std::string_view name) {
  const auto raw = member_text(payload, {"data", name});
  const Json json = raw ? Json::parse(*raw, nullptr, /*allow_exceptions=*/false) : Json();
  return json.is_string() ? json.get<std::string>() : "";
}

Json fact_data(const Event& event) {
  const Fact& fact = *event.fact;
  Json data = {{"valid_from", format_month(fact.valid_from)}};
  const auto add = [&data](const char* name, const std::optional<std::string_view>& value) {
    if (value) data[name] = *value;
  };
  if (fact.scale) data["scale"] = name_of(*fact.scale);
  add("domicile", fact.domicile);
  if (fact.vendor_kind) data["kind"] = name_of(*fact.vendor_kind);
  add("kind", fact.institution_kind);
  add("region", fact.region);
  add("group", fact.group);
  add("parent", fact.parent);
  return data;
}

Json observation_data(const Observation& observation) {
  Json data = {{"sha256", observation.sha256}, {"rows", observation.rows}, {"complete", observation.complete}};
  if (!observation.institution.empty()) data["scope"]["institution"] = observation.institution;
  if (observation.fiscal_year) data["scope"]["fiscal_year"] = *observation.fiscal_year;
  if (observation.observed_at_ms) data["observed_at"] = format_instant_ms(*observation.observed_at_ms, 0);
  return data;
}

// What of an event's data the fold, or a lookup of a fact, reads; without the document.
Json kept_data(const Event& event) {
  if (event.fact != nullptr) return fact_data(event);
  if (event.observation != nullptr) return observation_data(*event.observation);
  Json data = Json::object();
  if (event.type == EventType::advanced) data["stage"] = name_of(event.stage);
  if (event.type == EventType::paid || event.type == EventType::refunded) {
    data["amount"] = format_rupiah(event.amount.sen);
    if (!event.reference.empty()) data["reference"] = event.reference;
    if (event.date) data["date"] = format_date(*event.date);
  }
  if (event.correction != nullptr)
    data["correction"] = {{"reason", "erased"},
                          {"authority", "erased"},
                          {"approver", "erased"},
                          {"corrects", {{"source", event.correction->corrects_source}, {"id", event.correction->corrects_id}}}};
  return data;
}

// The event again, with no more in it than what has to stay.
std::string substitute_payload(const Event& event, const std::optional<std::string>& replacement) {
  Json json = {{"specversion", "1.0"},
               {"type", "id.bukubesar." + std::string(name_of(event.type)) + ".v1"},
               {"source", event.source},
               {"id", event.id},
               {"subject", event.subject}};
  if (event.time_ms) json["time"] = format_instant_ms(*event.time_ms, 0);
  json["datacontenttype"] = "application/json";
  std::string data = R"({"salt":"00")";
  if (replacement) data += ",\"document\":" + *replacement;  // verbatim: a number must not be read and written again
  const std::string rest = to_text(kept_data(event));
  if (rest != "{}") data += "," + rest.substr(1, rest.size() - 2);
  std::string value = to_text(json);
  value.pop_back();
  value += ",\"data\":" + data + "}}";
  const Header header{"content-type", "application/cloudevents+json"};
  return encode_payload(event.subject, {&header, 1}, value);
}

absl::StatusOr<std::string> substitute_of_event(const RedactionRequest& request, const StoredEntry& target, const Definition& definition) {
  Judge judge(Routing{parse_partitioner(definition.partitioner).value_or(Partitioner::murmur2), definition.partitions});
  Arena arena;
  const std::uint16_t rules = target.entry.rules_version;
  const Judgement original = judge.judge(rules, request.partition, *target.payload, arena);
  if (original.event == nullptr) return data_loss("its target was accepted, and rules {} now say {}", rules, original.detail);
  const Event& event = *original.event;
  if (event.type == EventType::ledger_redacted) return failed_precondition("its target is a redaction itself: that record stays");
  if (event.document != nullptr && !request.replacement)
    return failed_precondition("its target states a document, and it has no replacement for that");
  if (event.document == nullptr && request.replacement)
    return failed_precondition("it has a replacement document, and its target, {}, states none", name_of(event.type));
  std::string payload = substitute_payload(event, request.replacement);
  const Judgement substitute = judge.judge(rules, request.partition, payload, arena);
  if (substitute.event == nullptr) return failed_precondition("with its replacement the event is none: {}", substitute.detail);
  if (is_purchase(event.type) && !same_transfers(event, *substitute.event))
    return failed_precondition("its replacement does not give the same transfers: amounts, codes, stage and revision have to stay");
  if (substitute.fingerprint != original.fingerprint) return failed_precondition("its replacement is another event");
  return payload;
}

// Only its key names the purchase of a duplicate; nothing of a rejected record is read again.
std::string substitute_of_other(const StoredEntry& target) {
  PayloadView view;
  if (target.entry.verdict != Verdict::duplicate || !parse_payload(*target.payload, view)) return {};
  return encode_payload(view.key, {}, std::nullopt);
}

}  // namespace

std::optional<RedactionRequest> redaction_request(const StoredEntry& stored, Judge& judge) {
  if (stored.entry.verdict != Verdict::accepted || !stored.payload) return std::nullopt;
  Arena arena;
  const Judgement judgement = judge.judge(stored.entry.rules_version, PartitionId::reference(), *stored.payload, arena);
  if (judgement.event == nullptr || judgement.event->type != EventType::ledger_redacted) return std::nullopt;
  const std::string_view subject = judgement.event->subject;
  const std::size_t slash = subject.find('/');
  const auto partition = PartitionId::parse(subject.substr(0, slash));
  const auto sequence = slash == std::string_view::npos ? std::nullopt : parse_decimal(subject.substr(slash + 1));
  if (!partition || !sequence) return std::nullopt;  // the rules have seen to that
  RedactionRequest request;
  request.by = stored.sequence;
  request.partition = *partition;
  request.sequence = Sequence(*sequence);
  request.source = std::string(judgement.event->source);
  request.ground = data_text(*stored.payload, "ground");
  request.authority = data_text(*stored.payload, "authority");
  if (judgement.event->document != nullptr) request.replacement = member_text(*stored.payload, {"data", "replacement"});
  return request;
}

absl::StatusOr<Redaction> decide_redaction(const RedactionRequest& request, const Ledger& ledger, const Definition& definition) {
  const auto& authorities = definition.authorities;
  if (std::find(authorities.begin(), authorities.end(), request.source) == authorities.end())
    return failed_precondition("its source, {}, is no authority of the definition", request.source);
  const auto partitions = definition.all_partitions();
  if (std::find(partitions.begin(), partitions.end(), request.partition) == partitions.end())
    return failed_precondition("there is no partition {}", request.partition.name());
  if (request.partition.is_reference() && request.sequence >= request.by) return failed_precondition("its target does not stand before it");
  if (request.sequence.value() >= ledger.head(request.partition).size) return out_of_range("its target has not been read yet");
  ASSIGN_OR_RETURN(const StoredRun run, ledger.read(request.partition, request.sequence, 1));
  if (run.entries.empty()) return data_loss("{}:{}: not stored", request.partition.name(), request.sequence.value());
  const StoredEntry& target = run.entries.front();
  if (target.redaction != nullptr)
    return failed_precondition("its target was erased {}, by reference:{}",
                               target.redaction->by < request.by ? "already" : "later; this one had been refused",
                               target.redaction->by.value());
  if (target.entry.kind == EntryKind::source_statement) return failed_precondition("its target is a source statement: that record stays");
  if (!target.payload) return failed_precondition("only the hash of its target is kept");
  Redaction redaction;
  redaction.by = request.by;
  if (target.entry.verdict != Verdict::accepted) {
    redaction.substitute = substitute_of_other(target);
    return redaction;
  }
  ASSIGN_OR_RETURN(redaction.substitute, substitute_of_event(request, target, definition));
  redaction.event_digest = event_digest(*target.payload);
  return redaction;
}

}  // namespace bukubesar
