#include "server/routes.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "base/status.h"
#include "server/problem.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

// Held by whoever waits for a cut, and by the pool until it has answered.
struct Waiting {
  explicit Waiting(std::function<void(absl::Status)> what) : then(std::move(what)) {}
  const std::function<void(absl::Status)> then;
  std::atomic<bool> over{false};
};

// read_so_far: what `min_cut` is compared with before anybody waits.
void add_waiting_read(Router& router, Node& node, std::string pattern, RunsOn runs_on, std::function<Cut()> read_so_far,
                      ReadHandler handler) {
  Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.runs_on = runs_on;
  route.handle = [&node, read_so_far = std::move(read_so_far), handler = std::move(handler)](const ServerRequestPtr& request,
                                                                                             const Respond& respond) {
    if (const absl::Status readable = node.readable(); !readable.ok()) return respond(problem(readable));
    const auto min_cut = min_cut_of(request->query, node.definition());
    if (!min_cut.ok()) return respond(problem(min_cut.status()));
    const auto answer = [handler, request, respond](const absl::Status& read) {
      if (!read.ok()) return respond(problem(read));
      absl::StatusOr<ServerResponse> response = handler(*request);
      respond(response.ok() ? *std::move(response) : problem(response.status()));
    };
    const Cut needed = min_cut->value_or(Cut());
    if (needed.sizes().empty() || read_so_far().covers(needed)) return answer(absl::OkStatus());
    when_read(node, *request, needed, answer);
  };
  router.add(std::move(route));
}

}  // namespace

void add_read(Router& router, Node& node, std::string pattern, RunsOn runs_on, ReadHandler handler) {
  add_waiting_read(
      router, node, std::move(pattern), runs_on, [&node] { return node.ledger().cut(); }, std::move(handler));
}

void add_projection_read(Router& router, Node& node, std::string pattern, ReadHandler handler) {
  add_waiting_read(
      router, node, std::move(pattern), RunsOn::pool, [&node] { return node.projections().cut(); }, std::move(handler));
}

void when_read(Node& node, const ServerRequest& request, const Cut& needed, std::function<void(absl::Status)> then) {
  const auto waiting = std::make_shared<Waiting>(std::move(then));
  const std::optional<WaitId> wait = node.projections().when_read(needed, Waits::reader, [&node, waiting, abandoned = request.abandoned] {
    if (waiting->over.exchange(true)) return;
    const bool queued = node.http().run_on_pool([waiting, abandoned] {
      const ComputesFor asker(abandoned);
      waiting->then(absl::OkStatus());
    });
    if (!queued) waiting->then(unavailable("{} long reads are waiting; try again later", kPoolQueueMax));
  });
  if (!wait) return waiting->then(resource_exhausted("{} requests wait for a cut already; try again later", kWaitsMax));
  // The timer runs on after the answer: it must not keep request and answer alive.
  const auto give_up = [&node, held = std::weak_ptr(waiting), needed, wait = *wait](std::string_view why) {
    const auto still_waiting = held.lock();
    if (still_waiting == nullptr || still_waiting->over.exchange(true)) return;
    node.projections().stop_waiting(wait);
    still_waiting->then(deadline_exceeded("{} for cut {}; read so far: {}", why, needed.text(), node.projections().cut().text()));
  };
  const auto bound = std::min<std::chrono::milliseconds>(kCutWaitMax, std::chrono::milliseconds(node.config().http.request_timeout_ms / 2));
  node.http().run_after(bound, [give_up, bound] { give_up(fmt::format("waited {} ms", bound.count())); });
  if (request.when_client_gone) request.when_client_gone([give_up] { give_up("the client closed its side while it waited"); });
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
  add_dashboard_routes(router, node);
  add_status_routes(router, node);
  add_event_routes(router, node);
  add_totals_routes(router, node);
  add_entry_routes(router, node);
  add_purchase_routes(router, node);
  add_stream_routes(router, node);
  add_transfer_routes(router, node);
  add_history_routes(router, node);
  add_alert_routes(router, node);
  add_log_routes(router, node);
  add_proof_routes(router, node);
  add_completeness_routes(router, node);
  add_backup_routes(router, node);
  add_redaction_routes(router, node);
  add_payload_routes(router, node);
  add_openapi_routes(router);
  add_evidence_routes(router, node);
}

}  // namespace bukubesar
