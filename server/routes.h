// Routes: HTTP as docs/API.md describes it. Each add_…_routes() adds one family of routes for a node.
#pragma once

#include <chrono>
#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/json.h"
#include "server/node.h"
#include "server/query.h"
#include "server/router.h"

namespace bukubesar {

void add_routes(Router& router, Node& node);

void add_dashboard_routes(Router& router, Node& node);     // /, assets
void add_status_routes(Router& router, Node& node);        // healthz, readyz, metrics, v1/status, v1/cut, v1/reasons
void add_event_routes(Router& router, Node& node);         // POST /v1/events
void add_totals_routes(Router& router, Node& node);        // v1/totals, v1/views
void add_entry_routes(Router& router, Node& node);         // v1/entries, v1/gaps, payload
void add_completeness_routes(Router& router, Node& node);  // v1/completeness, v1/rejected
void add_stream_routes(Router& router, Node& node);        // v1/stream
void add_backup_routes(Router& router, Node& node);        // v1/backup, v1/freeze
void add_payload_routes(Router& router, Node& node);       // v1/payloads
void add_redaction_routes(Router& router, Node& node);     // v1/redactions
void add_purchase_routes(Router& router, Node& node);      // v1/purchases, v1/findings
void add_alert_routes(Router& router, Node& node);         // v1/alerts
void add_transfer_routes(Router& router, Node& node);      // v1/transfers, v1/facts
void add_evidence_routes(Router& router, Node& node);      // v1/evidence, v1/journal, v1/reads
void add_history_routes(Router& router, Node& node);       // v1/explain, v1/difference, v1/history
void add_log_routes(Router& router, Node& node);           // log/…
void add_openapi_routes(Router& router);                   // openapi.json, docs: of all routes, also of those that are added later
void add_proof_routes(Router& router, Node& node);  // v1/proofs, v1/consistency, v1/checkpoints, GET v1/events, v1/definition; log/…

// Adds a GET route whose handler returns an answer or an error; it runs only while reads may be answered, and after what `min_cut` asks
// for is in the ledger (the handler lists `min_cut` among its known parameters).
using ReadHandler = std::function<absl::StatusOr<ServerResponse>(const ServerRequest&)>;
void add_read(Router& router, Node& node, std::string pattern, RunsOn runs_on, ReadHandler handler);
// The same where `min_cut` is to be read by the projections.
void add_projection_read(Router& router, Node& node, std::string pattern, ReadHandler handler);
// Runs `then` on the pool once the projections have read `needed`, or with the error that kept them from it: DeadlineExceeded after
// kCutWaitMax, or when the client closes its side; ResourceExhausted where kWaitsMax requests wait.
void when_read(Node& node, const ServerRequest& request, const Cut& needed, std::function<void(absl::Status)> then);
inline constexpr std::chrono::milliseconds kCutWaitMax{10'000};

// "0" or "reference", of this ledger.
[[nodiscard]] absl::StatusOr<PartitionId> partition_of(const Node& node, std::string_view name);
[[nodiscard]] absl::StatusOr<Sequence> sequence_of(std::string_view text);

}  // namespace bukubesar
