#include <fmt/format.h>

#include "base/bytes.h"
#include "base/status.h"
#include "events/reason.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

ServerResponse plain(unsigned status, std::string text) {
  ServerResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text) + "\n";
  response.with("Cache-Control", "no-store");
  return response;
}

std::string_view name_of(LedgerClock clock) {
  switch (clock) {
    case LedgerClock::kafka:
      return "kafka";
    case LedgerClock::intake:
      return "intake";
    case LedgerClock::none:
      return "none";
  }
  return "none";
}

Json instant_or_null(std::int64_t instant_ms, int zone_minutes) {
  return instant_ms == 0 ? Json(nullptr) : Json(format_instant_ms(instant_ms, zone_minutes));
}

Json partitions_json(Node& node) {
  Json partitions = Json::array();
  for (PartitionId partition : node.ledger().partitions()) {
    const PartitionHead head = node.ledger().head(partition);
    Json checkpoint = nullptr;
    if (const auto note = node.ledger().newest_checkpoint(partition); note.ok() && note->has_value())
      if (const auto parsed = parse_checkpoint(**note); parsed.ok())
        checkpoint = {{"origin", parsed->origin}, {"size", parsed->size}, {"root", base64(as_view(parsed->root))}};
    partitions.push_back({{"partition", partition.name()},
                          {"size", head.size},
                          {"root", base64(as_view(head.root))},
                          {"epoch", head.epoch.value()},
                          {"next_offset", head.next_offset.value()},
                          {"ledger_time", instant_or_null(head.ledger_time_ms, node.definition().zone_minutes)},
                          {"verdicts",
                           {{"accepted", head.counts.accepted},
                            {"duplicate", head.counts.duplicate},
                            {"rejected", head.counts.rejected},
                            {"statements", head.counts.statements}}},
                          {"records", head.records},
                          {"gap_offsets", head.gap_offsets},
                          {"checkpoint", checkpoint}});
  }
  return partitions;
}

Json sources_json(Node& node) {
  Json sources = Json::array();
  const auto known = [](std::int64_t value) { return value < 0 ? Json(nullptr) : Json(value); };
  for (const SourceStatus& source : node.intake().sources())
    sources.push_back({{"partition", source.partition.name()},
                       {"topic", source.topic},
                       {"state", name_of(source.state)},
                       {"why", text_or_null(source.why)},
                       {"high_watermark", known(source.high_watermark)},
                       {"lag_records", known(source.lag_records)},
                       {"reconnects", source.reconnects},
                       {"gaps_refetched", source.gaps_refetched},
                       {"anchors_checked", source.anchors_checked},
                       {"anchors_missing", source.anchors_missing}});
  return sources;
}

Json bytes_json(const std::vector<std::pair<std::string, std::uint64_t>>& parts) {
  Json json = Json::object();
  for (const auto& [part, bytes] : parts) json[part] = bytes;
  return json;
}

Json scrub_json(Node& node) {
  if (node.scrub() == nullptr) return nullptr;
  const ScrubStatus status = node.scrub()->status();
  Json partitions = Json::array();
  for (const auto& [partition, position] : status.partitions)
    partitions.push_back({{"partition", partition.name()}, {"next", position.next}, {"size", position.size}, {"errors", position.errors}});
  Json findings = Json::array();
  for (const ScrubFinding& finding : status.findings) findings.push_back({{"place", finding.place}, {"what", finding.what}});
  return {{"in_pass", status.in_pass},
          {"passes", status.passes},
          {"last_pass_ended", instant_or_null(status.last_pass_ended_ms, node.definition().zone_minutes)},
          {"partitions", partitions},
          {"entries", status.entries},
          {"read_bytes", status.read_bytes},
          {"gaps_looked_at", status.gaps_looked_at},
          {"errors", status.errors},
          {"findings", findings}};
}

absl::StatusOr<ServerResponse> status_answer(Node& node) {
  const ProjectionStatus projections = node.projections().status();
  const IntakeStats intake = node.intake().stats();
  const Definition& definition = node.definition();
  Json feeds = Json::array();
  for (const FeedStatement& feed : definition.feeds)
    feeds.push_back({{"system", feed.system}, {"institution", feed.institution}, {"source", feed.source}});
  const Json json = {
      {"ledger", definition.name},
      {"version", kVersion},
      {"synthetic", node.synthetic()},
      {"warnings", node.warnings()},
      {"cut", to_json(projections.cut)},
      {"committed", to_json(node.ledger().cut())},
      {"definition",
       {{"partitions", definition.partitions},
        {"partitioner", definition.partitioner},
        {"clock", name_of(definition.clock)},
        {"zone_minutes", definition.zone_minutes},
        {"feeds", feeds},
        {"authorities", definition.authorities}}},
      {"broker",
       {{"kind", node.config().broker.kind == BrokerKind::embedded ? "embedded" : "kafka"},
        {"bootstrap_servers", node.bootstrap_servers()}}},
      {"sources", sources_json(node)},
      {"partitions", partitions_json(node)},
      {"intake",
       {{"records", intake.records},
        {"commits", intake.commits},
        {"queue_depth", intake.queue_depth},
        {"last_commit",
         {{"entries", intake.last_commit.entries},
          {"payload_bytes", intake.last_commit.payload_bytes},
          {"stored_bytes", intake.last_commit.stored_bytes},
          {"build_us", intake.last_commit.build_us},
          {"write_us", intake.last_commit.write_us}}}}},
      {"projections",
       {{"events", projections.events},
        {"transfers", projections.transfers},
        {"purchases", projections.purchases},
        {"segments", projections.segments},
        {"findings", projections.findings},
        {"queue_depth", projections.queue_depth},
        {"hand_offs_dropped", projections.hand_offs_dropped},
        {"caught_up_from_ledger", projections.caught_up_from_ledger},
        {"failed", text_or_null(projections.failed)}}},
      {"scrub", scrub_json(node)},
      {"memory_bytes",
       {{"ledger", bytes_json(node.ledger().memory_bytes())}, {"projections", bytes_json(node.projections().memory_bytes())}}},
      {"disk_bytes", {{"ledger", node.ledger().disk_bytes()}, {"segments", node.projections().disk_bytes()}}}};
  return json_response(json, projections.cut);
}

std::string escaped_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out.push_back(c);
  }
  return out;
}

struct IndexLine {
  const char* href;
  const char* says;
};

ServerResponse index_page(Node& node) {
  static constexpr IndexLine kLines[] = {
      {"/v1/totals?by=region,scale",
       "totals by region and size class; filters are dimensions: <code>&amp;region=63&amp;fiscal_year=2023</code>"},
      {"/v1/totals?by=district&region=63&fiscal_year=2023&catalogue_kind=local&until=2023-06-15",
       "the two published figures of June 2023: <code>broad</code>"},
      {"/v1/views", "the standing views"},
      {"/v1/entries/0?order=newest&limit=20", "the newest entries of partition 0"},
      {"/v1/entries/0?verdict=rejected", "the rejected ones, with their reasons"},
      {"/v1/purchases", "purchases; each with its history under /v1/purchases/&lt;system&gt;/&lt;package id&gt;"},
      {"/v1/findings", "contradictions and red flags"},
      {"/v1/transfers/{partition}", "every transfer, as NDJSON or CSV, streamed"},
      {"/v1/facts", "what is stated about vendors, institutions, commodities and regions"},
      {"/v1/reasons", "what each reason code means"},
      {"/v1/status", "sources, partitions, projections, warnings"},
      {"/v1/cut", "what views and totals have read"},
      {"/v1/gaps", "offsets that Kafka did not have"},
      {"/log/0/checkpoint", "the signed head of partition 0 (C2SP tlog-tiles); its key: <a href=\"/log/0/vkey\">vkey</a>"},
      {"/metrics", "Prometheus metrics"}};
  std::string rows;
  for (const IndexLine& line : kLines)
    rows += fmt::format("<tr><td><a href=\"{0}\">{0}</a></td><td>{1}</td></tr>\n", escaped_html(line.href), line.says);
  std::string state = "starting";
  std::string synthetic;
  if (node.ready()) {
    state = escaped_html(node.projections().cut().text());
    if (node.synthetic()) synthetic = "<p><strong>Synthetic: this ledger holds events of the demo. Its figures are made up.</strong></p>";
  }
  ServerResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Bukubesar</title>\n"
      "<style>body{{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}td{{padding:.3em 1em .3em "
      "0;vertical-align:top}}</style></head>\n"
      "<body><h1>Bukubesar</h1><p>An append-only, tamper-evident ledger of public purchases, and totals over it.</p>{}\n"
      "<p>Cut: <code>{}</code></p>\n<table>\n{}</table>\n<p>Events come in by <code>POST /v1/events</code> (CloudEvents 1.0) and by "
      "Kafka.</p></body></html>\n",
      synthetic, state, rows);
  response.with("Cache-Control", "no-store");
  return response;
}

Json reasons_json() {
  Json reasons = Json::array();
  for (const ReasonInfo& reason : all_reasons())
    reasons.push_back({{"code", static_cast<unsigned>(reason.code)},
                       {"verdict", bukubesar::name_of(reason.verdict)},
                       {"name", reason.name},
                       {"sentence", reason.sentence}});
  return reasons;
}

// A route that answers whatever state the node is in.
void add_always(Router& router, std::string pattern, std::function<ServerResponse()> answer) {
  Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.handle = [answer = std::move(answer)](const ServerRequestPtr& request, const Respond& respond) {
    const auto query = Query::parse(request->query, {});
    respond(query.ok() ? answer() : problem(query.status()));
  };
  router.add(std::move(route));
}

}  // namespace

void add_status_routes(Router& router, Node& node) {
  add_always(router, "/", [&node] { return index_page(node); });
  add_always(router, "/healthz", [] { return plain(200, "ok"); });
  add_always(router, "/readyz", [&node] {
    const absl::Status readable = node.readable();
    // Reads go on, with what is whole; but who can choose should ask another node.
    if (const std::string damage = readable.ok() ? node.damage_text() : ""; !damage.empty()) return plain(503, "damaged: " + damage);
    if (readable.ok()) return plain(200, "ready");
    ServerResponse waiting = plain(503, message_of(readable));
    waiting.with("Retry-After", "1");
    return waiting;
  });
  add_always(router, "/metrics", [&node] {
    ServerResponse response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = node.metrics().text(node);
    return response;
  });
  Route status;
  status.method = "GET";
  status.pattern = "/v1/status";
  status.runs_on = RunsOn::pool;
  status.handle = [&node](const ServerRequestPtr& request, const Respond& respond) {
    const auto query = Query::parse(request->query, {"min_cut"});
    if (!query.ok()) return respond(problem(query.status()));
    if (!node.ready()) return respond(problem(503, "starting: " + node.starting_text()));
    const auto min_cut = min_cut_of(request->query, node.definition());
    if (!min_cut.ok()) return respond(problem(min_cut.status()));
    const auto answer = [&node, respond](const absl::Status& read) {
      if (!read.ok()) return respond(problem(read));
      auto current = status_answer(node);
      respond(current.ok() ? *std::move(current) : problem(current.status()));
    };
    const Cut needed = min_cut->value_or(Cut());
    if (node.projections().cut().covers(needed)) return answer(absl::OkStatus());
    when_read(node, *request, needed, answer);
  };
  router.add(std::move(status));
  add_projection_read(router, node, "/v1/cut", [&node](const ServerRequest& request) -> absl::StatusOr<ServerResponse> {
    RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
    const Cut cut = node.projections().cut();
    return json_response({{"cut", to_json(cut)}, {"committed", to_json(node.ledger().cut())}}, cut);
  });
  add_projection_read(router, node, "/v1/reasons", [&node](const ServerRequest& request) -> absl::StatusOr<ServerResponse> {
    RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
    const Cut cut = node.projections().cut();
    return json_response({{"cut", to_json(cut)}, {"reasons", reasons_json()}}, cut);
  });
}

}  // namespace bukubesar
