#include "server/routes.h"

#include <algorithm>
#include <atomic>

#include "base/status.h"
#include "server/problem.h"
#include "server/totals_request.h"

namespace bukubesar {

void add_read(Router& router, Node& node, std::string pattern, RunsOn runs_on, ReadHandler handler) {
  Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.runs_on = runs_on;
  route.handle = [&node, handler = std::move(handler)](const ServerRequestPtr& request, const Respond& respond) {
    if (const absl::Status readable = node.readable(); !readable.ok()) {
      respond(problem(readable));
      return;
    }
    absl::StatusOr<ServerResponse> response = handler(*request);
    respond(response.ok() ? *std::move(response) : problem(response.status()));
  };
  router.add(std::move(route));
}

void when_read(Node& node, const Cut& needed, std::function<void(absl::Status)> then) {
  const auto fired = std::make_shared<std::atomic<bool>>(false);
  const bool waits = node.projections().when_read(needed, [&node, fired, then] {
    if (fired->exchange(true)) return;
    if (!node.http().run_on_pool([then] { then(absl::OkStatus()); }))
      then(unavailable("{} long reads are waiting; try again later", kPoolQueueMax));
  });
  if (!waits && !fired->exchange(true)) return then(resource_exhausted("too many requests wait for a cut"));
  const auto bound = std::min<std::chrono::milliseconds>(kCutWaitMax, std::chrono::milliseconds(node.config().http.request_timeout_ms / 2));
  node.http().run_after(bound, [&node, fired, then, needed, bound] {
    if (!fired->exchange(true))
      then(deadline_exceeded("waited {} ms for cut {}; read so far: {}", bound.count(), needed.text(), node.projections().cut().text()));
  });
}

void add_projection_read(Router& router, Node& node, std::string pattern, ReadHandler handler) {
  Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.runs_on = RunsOn::pool;
  route.handle = [&node, handler = std::move(handler)](const ServerRequestPtr& request, const Respond& respond) {
    if (const absl::Status readable = node.readable(); !readable.ok()) return respond(problem(readable));
    const auto min_cut = min_cut_of(request->query, node.definition());
    if (!min_cut.ok()) return respond(problem(min_cut.status()));
    const auto answer = [handler, request, respond](const absl::Status& read) {
      if (!read.ok()) return respond(problem(read));
      absl::StatusOr<ServerResponse> response = handler(*request);
      respond(response.ok() ? *std::move(response) : problem(response.status()));
    };
    const Cut needed = min_cut->value_or(Cut());
    if (node.projections().cut().covers(needed)) return answer(absl::OkStatus());
    when_read(node, needed, answer);
  };
  router.add(std::move(route));
}

absl::StatusOr<PartitionId> partition_of(const Node& node, std::string_view name) {
  const auto partition = PartitionId::parse(name);
  if (partition)
    for (PartitionId known : node.definition().all_partitions())
      if (known == *partition) return known;
  return not_found("partition '{}': this ledger has 0 … {} and reference", name, node.definition().partitions - 1);
}

absl::StatusOr<Sequence> sequence_of(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number) return not_found("'{}' is no sequence", text);
  return Sequence(*number);
}

void add_routes(Router& router, Node& node) {
  add_status_routes(router, node);
  add_event_routes(router, node);
  add_totals_routes(router, node);
  add_entry_routes(router, node);
  add_purchase_routes(router, node);
  add_log_routes(router, node);
  add_proof_routes(router, node);
  add_completeness_routes(router, node);
}

}  // namespace bukubesar
