// POST /v1/events: published to Kafka, answered after the ledger's commit (I8).
#include "base/status.h"
#include "consumers/kafka_embedded.h"
#include "server/entry_json.h"
#include "server/event_request.h"
#include "server/problem.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

constexpr std::size_t kDetailsMax = 100;  // rejected events of one answer that get a detail

constexpr std::size_t kTopicRecordBytesMax = 5U << 20;  // max.message.bytes of the topic contract

using Receipts = std::vector<absl::StatusOr<Receipt>>;

Json receipt_json(const Receipt& receipt) {
  Json json = {{"partition", receipt.partition.name()},
               {"sequence", receipt.sequence.value()},
               {"epoch", receipt.epoch.value()},
               {"offset", receipt.offset.value()},
               {"verdict", name_of(receipt.verdict)},
               {"reason", receipt.reason == Reason::none ? Json(nullptr) : Json(name_of(receipt.reason))},
               {"duplicate_of", receipt.duplicate_of == kNoSequence ? Json(nullptr) : Json(receipt.duplicate_of.value())}};
  if (receipt.verdict != Verdict::rejected) return json;
  for (const ReasonInfo& info : all_reasons())
    if (info.code == receipt.reason) json["sentence"] = info.sentence;
  return json;
}

std::string detail_of(Node& node, const Receipt& receipt) {
  const auto run = node.ledger().read(receipt.partition, receipt.sequence, 1);
  if (!run.ok() || run->entries.empty()) return {};
  return rejection_detail(node, receipt.partition, run->entries[0].entry, run->entries[0].payload);
}

ServerResponse receipts_answer(Node& node, const Receipts& receipts, bool details) {
  Json results = Json::array();
  absl::Status first_error;
  std::size_t failed = 0;
  std::size_t detailed = 0;
  for (const absl::StatusOr<Receipt>& receipt : receipts) {
    if (!receipt.ok()) {
      if (failed++ == 0) first_error = receipt.status();
      results.push_back({{"error", {{"status", http_status_of(receipt.status().code())}, {"detail", message_of(receipt.status())}}}});
      continue;
    }
    Json json = receipt_json(*receipt);
    if (details && receipt->verdict == Verdict::rejected && detailed++ < kDetailsMax)
      if (std::string detail = detail_of(node, *receipt); !detail.empty()) json["detail"] = std::move(detail);
    results.push_back(std::move(json));
  }
  const Cut cut = node.ledger().cut();
  if (failed == 0) return json_response({{"cut", to_json(cut)}, {"results", results}}, cut);
  // Some may be stored and some not: each result says which. Sending all again is safe, since ids are accepted once.
  ServerResponse response = problem(
      with_context(first_error, fmt::format("{} of {} events got no receipt; sending them again is safe", failed, receipts.size())));
  Json body = Json::parse(response.body);
  body["cut"] = to_json(cut);
  body["results"] = results;
  response.body = to_text(body) + "\n";
  response.with("Bukubesar-Cut", cut.text());
  return response;
}

// Empty while records can be published.
std::string why_stopped(Node& node) {
  for (const SourceStatus& source : node.intake().sources())
    if (source.state == SourceState::stopped || source.state == SourceState::waiting_for_disk)
      return fmt::format("intake of partition {} {}: {}", source.partition.name(),
                         source.state == SourceState::stopped ? "has stopped" : "waits", source.why);
  return {};
}

// Empty where the broker takes every record; else which one it would refuse, so that nothing of the request is published.
std::string why_too_large(const Node& node, const std::vector<OutgoingRecord>& records) {
  const std::size_t bytes_max = node.config().broker.kind == BrokerKind::embedded ? kEmbeddedRecordBytesMax : kTopicRecordBytesMax;
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::size_t bytes = (records[i].key ? records[i].key->size() : 0) + (records[i].value ? records[i].value->size() : 0);
    for (const auto& [name, value] : records[i].headers) bytes += name.size() + value.size();
    if (bytes > bytes_max)
      return fmt::format("event {} of the request has {} bytes, the broker takes at most {}; nothing was published", i, bytes, bytes_max);
  }
  return {};
}

void handle_events(Node& node, const ServerRequestPtr& request, const Respond& respond) {
  if (!node.ready()) return respond(problem(503, "starting: " + node.starting_text()));
  if (const auto query = Query::parse(request->query, {}); !query.ok()) return respond(problem(query.status()));
  EventRequest parsed = parse_event_request(*request);
  if (parsed.refused != 0) return respond(problem(parsed.refused, parsed.why));
  if (const std::string why = why_too_large(node, parsed.records); !why.empty()) return respond(problem(413, why));
  if (const std::string why = why_stopped(node); !why.empty()) return respond(problem(503, why));
  if (parsed.records.empty()) return respond(receipts_answer(node, {}, false));
  const absl::Status published = node.intake().publish(std::move(parsed.records), [&node, respond](Receipts receipts) {
    bool rejected = false;
    for (const auto& receipt : receipts) rejected = rejected || (receipt.ok() && receipt->verdict == Verdict::rejected);
    // Details are read from the ledger: not on a thread of the intake's. Where the pool is full the answer goes without them.
    const auto shared = std::make_shared<Receipts>(std::move(receipts));
    if (!node.http().run_on_pool([&node, respond, shared, rejected] { respond(receipts_answer(node, *shared, rejected)); }))
      respond(receipts_answer(node, *shared, false));
  });
  if (absl::IsFailedPrecondition(published)) return respond(problem(503, message_of(published)));  // the intake has stopped
  if (!published.ok()) respond(problem(published));
}

}  // namespace

void add_event_routes(Router& router, Node& node) {
  Route route;
  route.method = "POST";
  route.pattern = "/v1/events";
  route.runs_on = RunsOn::io;
  route.handle = [&node](const ServerRequestPtr& request, const Respond& respond) { handle_events(node, request, respond); };
  router.add(std::move(route));
}

}  // namespace bukubesar
