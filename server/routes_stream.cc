// GET /v1/stream: text/event-stream over views, entries, findings and alerts.
#include <fmt/format.h>

#include "base/status.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

absl::StatusOr<Topics> topics_of(const Query& query) {
  Topics topics;
  if (!query.has("topics")) return topics.set();
  for (const std::string& name : query.list("topics")) {
    const auto topic = parse_topic(name);
    if (!topic) return invalid_argument("query: topics: '{}' is none of views, entries, findings, alerts", name);
    topics.set(static_cast<std::size_t>(*topic));
  }
  return topics;
}

// Header Last-Event-ID, which EventSource sends when it comes back, or the parameter, for who has only a URL.
absl::StatusOr<std::optional<Cut>> since_of(const ServerRequest& request, const Query& query) {
  std::string_view text = query.text("last_event_id");
  if (const auto header = request.header("last-event-id"); header && !header->empty()) text = *header;
  if (text.empty()) return std::optional<Cut>();
  auto cut = Cut::parse(text);
  if (!cut.ok()) return with_context(cut.status(), "Last-Event-ID");
  return std::optional<Cut>(*std::move(cut));
}

struct StreamRequest {
  Topics topics;
  std::optional<Cut> since;
  Cut needed;
};

absl::StatusOr<StreamRequest> stream_request(Node& node, const ServerRequest& request) {
  RETURN_IF_ERROR(node.readable());
  StreamRequest wanted;
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"topics", "last_event_id", "min_cut"}));
  ASSIGN_OR_RETURN(wanted.topics, topics_of(query));
  ASSIGN_OR_RETURN(wanted.since, since_of(request, query));
  ASSIGN_OR_RETURN(const std::optional<Cut> min_cut, min_cut_of(request.query, node.definition()));
  wanted.needed = min_cut.value_or(Cut());
  return wanted;
}

// Who begins now is answered at once, so that a thousand may come together; who comes back reads the ledger, on the pool.
void handle_stream(Node& node, const ServerRequestPtr& request, const Respond& respond) {
  auto wanted = stream_request(node, *request);
  if (!wanted.ok()) return respond(problem(wanted.status()));
  const auto answer = [&node, topics = wanted->topics, since = wanted->since, respond](const absl::Status& read) {
    if (!read.ok()) return respond(problem(read));
    auto response = node.stream().subscribe(topics, since);
    respond(response.ok() ? *std::move(response) : problem(response.status()));
  };
  if (!node.projections().cut().covers(wanted->needed)) return when_read(node, *request, wanted->needed, answer);
  if (!wanted->since) return answer(absl::OkStatus());
  if (!node.http().run_on_pool([answer] { answer(absl::OkStatus()); }))
    respond(problem(503, fmt::format("{} long reads are waiting; try again later", kPoolQueueMax)));
}

}  // namespace

void add_stream_routes(Router& router, Node& node) {
  Route route;
  route.method = "GET";
  route.pattern = "/v1/stream";
  route.handle = [&node](const ServerRequestPtr& request, const Respond& respond) { handle_stream(node, request, respond); };
  router.add(std::move(route));
}

}  // namespace bukubesar
