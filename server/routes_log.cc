// C2SP tlog-tiles under /log/<partition>/. Beyond the tree the answer is 404, never 5xx: clients retry 5xx for minutes.
#include "base/bytes.h"
#include "base/status.h"
#include "ledger/signer.h"
#include "ledger/tlog_path.h"
#include "server/problem.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

constexpr std::string_view kShortCache = "public, max-age=1";
constexpr std::string_view kImmutable = "public, max-age=31536000, immutable";

ServerResponse text_answer(const Cut& cut, std::string text, std::string_view cache) {
  ServerResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", cache);
  return response;
}

absl::StatusOr<ServerResponse> checkpoint_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  const Cut cut = node.ledger().cut();
  ASSIGN_OR_RETURN(std::optional<std::string> note, node.ledger().newest_checkpoint(partition));
  if (!note) return not_found("partition {}: nothing is signed yet", partition.name());
  return text_answer(cut, *std::move(note), kShortCache);
}

absl::StatusOr<ServerResponse> cut_note_answer(Node& node) {
  const Cut cut = node.ledger().cut();
  ASSIGN_OR_RETURN(std::optional<std::string> note, node.ledger().newest_cut_note());
  if (!note) return not_found("nothing is signed yet");
  return text_answer(cut, *std::move(note), kShortCache);
}

absl::StatusOr<ServerResponse> vkey_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  auto key = node.verifier_key(partition);
  if (!key.ok()) return not_found("{}", message_of(key.status()));
  return text_answer(node.ledger().cut(), *key + "\n", kShortCache);
}

absl::StatusOr<ServerResponse> tile_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const TilePath path, parse_tile_path("tile/" + request.captures[1]));
  const Cut cut = node.ledger().cut();
  auto bytes = path.entries ? node.ledger().entry_bundle(partition, path.index, path.width)
                            : node.ledger().tile(partition, path.level, path.index, path.width);
  if (bytes.status().code() == absl::StatusCode::kOutOfRange) return not_found("{}", message_of(bytes.status()));
  RETURN_IF_ERROR(bytes.status());
  ServerResponse response;
  response.content_type = "application/octet-stream";
  response.body = *std::move(bytes);
  response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", kImmutable);
  return response;
}

// On demand: an auditor does not wait for the interval.
absl::StatusOr<ServerResponse> sign_answer(Node& node, const ServerRequest& request) {
  RETURN_IF_ERROR(Query::parse(request.query, {}).status());
  RETURN_IF_ERROR(node.readable());
  RETURN_IF_ERROR(node.sign_once());
  RETURN_IF_ERROR(node.verifier_key(PartitionId::reference()).status());  // without a key nothing was signed
  Json checkpoints = Json::array();
  for (PartitionId partition : node.ledger().partitions()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> note, node.ledger().newest_checkpoint(partition));
    if (!note) continue;
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(*note));
    checkpoints.push_back({{"partition", partition.name()},
                           {"origin", checkpoint.origin},
                           {"size", checkpoint.size},
                           {"root", base64(as_view(checkpoint.root))}});
  }
  const Cut cut = node.ledger().cut();
  return json_response({{"cut", to_json(cut)}, {"checkpoints", checkpoints}}, cut);
}

}  // namespace

void add_log_routes(Router& router, Node& node) {
  Route sign;
  sign.method = "POST";
  sign.pattern = "/v1/sign";
  sign.runs_on = RunsOn::pool;
  sign.handle = [&node](const ServerRequestPtr& request, const Respond& respond) {
    auto answer = sign_answer(node, *request);
    respond(answer.ok() ? *std::move(answer) : problem(answer.status()));
  };
  router.add(std::move(sign));
  add_read(router, node, "/log/cut", RunsOn::pool, [&node](const ServerRequest&) { return cut_note_answer(node); });
  add_read(router, node, "/log/{partition}/checkpoint", RunsOn::pool,
           [&node](const ServerRequest& request) { return checkpoint_answer(node, request); });
  add_read(router, node, "/log/{partition}/vkey", RunsOn::io, [&node](const ServerRequest& request) { return vkey_answer(node, request); });
  add_read(router, node, "/log/{partition}/tile/{rest...}", RunsOn::pool,
           [&node](const ServerRequest& request) { return tile_answer(node, request); });
}

}  // namespace bukubesar
