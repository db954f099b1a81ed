#include "base/status.h"
#include "server/payload_run.h"
#include "server/routes.h"

namespace bukubesar {

void add_payload_routes(Router& router, Node& node) {
  add_read(router, node, "/v1/payloads/{partition}", RunsOn::pool, [&node](const ServerRequest& request) -> absl::StatusOr<ServerResponse> {
    ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
    ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"first", "limit", "min_cut"}));
    ASSIGN_OR_RETURN(const std::optional<std::uint64_t> first, query.number("first"));
    ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kPayloadRunEntriesMax, kPayloadRunEntriesMax));
    const Cut cut = node.ledger().cut();
    ASSIGN_OR_RETURN(const StoredRun run, node.ledger().read(partition, Sequence(first.value_or(0)), limit));
    ServerResponse response;
    response.content_type = "application/octet-stream";
    response.body = encode_payload_run(run.entries);
    // An erasure can take a payload away: never immutable.
    response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", "no-store").with("X-Content-Type-Options", "nosniff");
    return response;
  });
}

}  // namespace bukubesar
