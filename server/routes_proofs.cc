// Proofs, checkpoints and cosignatures: what auditors and witnesses ask for beside the tiles.
#include <algorithm>

#include "base/bytes.h"
#include "base/status.h"
#include "ledger/proof.h"
#include "server/entry_json.h"
#include "server/problem.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

constexpr std::size_t kCheckpointsUsual = 100;
constexpr std::size_t kCheckpointsMost = 1000;

ServerResponse text_answer(const Cut& cut, std::string text) {
  ServerResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", "no-store");
  return response;
}

// The names that a sequence or size may have beyond the end: 416, whose exit code is its own.
absl::StatusOr<std::uint64_t> needed_number(const Query& query, std::string_view name) {
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> number, query.number(name));
  if (!number) return invalid_argument("query: {} is missing", name);
  return *number;
}

absl::StatusOr<ServerResponse> proof_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Sequence sequence, sequence_of(request.captures[1]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "checkpoint", "cosigned", "payload"}));
  CheckpointChoice choice;
  ASSIGN_OR_RETURN(choice.size, query.number("checkpoint"));
  ASSIGN_OR_RETURN(choice.cosigned, query.flag("cosigned"));
  const bool may_have_payload = request.roles.has(Role::audit);
  ASSIGN_OR_RETURN(const bool with_payload, query.has("payload") ? query.flag("payload") : absl::StatusOr<bool>(may_have_payload));
  const Cut cut = node.ledger().cut();
  if (with_payload && !may_have_payload)
    return absl::PermissionDeniedError("a proof that carries the payload needs the role audit; payload=false leaves it out");
  ASSIGN_OR_RETURN(std::string proof, prove_entry(node.ledger(), partition, sequence, choice, with_payload));
  ServerResponse response = text_answer(cut, std::move(proof));
  response.is_audited = with_payload;
  return response;
}

absl::StatusOr<ServerResponse> consistency_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "old", "new"}));
  ASSIGN_OR_RETURN(const std::uint64_t old_size, needed_number(query, "old"));
  ASSIGN_OR_RETURN(const std::uint64_t new_size, needed_number(query, "new"));
  const Cut cut = node.ledger().cut();
  ASSIGN_OR_RETURN(std::string proof, prove_consistency(node.ledger(), partition, old_size, new_size));
  return text_answer(cut, std::move(proof));
}

absl::StatusOr<ServerResponse> checkpoints_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "limit", "cursor"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kCheckpointsUsual, kCheckpointsMost));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> cursor, query.number("cursor"));
  const Cut cut = node.ledger().cut();
  ASSIGN_OR_RETURN(const std::vector<std::uint64_t> sizes,
                   node.ledger().checkpoint_sizes(partition, cursor.value_or(~std::uint64_t{0}), limit));
  Json rows = Json::array();
  for (const std::uint64_t size : sizes) {
    ASSIGN_OR_RETURN(const std::string note, node.ledger().checkpoint(partition, size));
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(note));
    ASSIGN_OR_RETURN(const std::vector<NoteSignature> signatures, note_signatures(note));
    Json witnesses = Json::array();
    for (const NoteSignature& signature : signatures)
      if (signature.cosigned_at_s)
        witnesses.push_back(
            {{"name", signature.name},
             {"at", format_instant_ms(static_cast<std::int64_t>(*signature.cosigned_at_s) * 1000, node.definition().zone_minutes)}});
    rows.push_back({{"size", size}, {"root", base64(as_view(checkpoint.root))}, {"cosigned_by", witnesses}});
  }
  const bool more = sizes.size() == limit && sizes.back() > 0;
  return json_response({{"cut", to_json(cut)},
                        {"partition", partition.name()},
                        {"checkpoints", rows},
                        {"next_cursor", more ? Json(std::to_string(sizes.back())) : Json(nullptr)}},
                       cut);
}

absl::StatusOr<ServerResponse> chosen_checkpoint_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  RETURN_IF_ERROR(Query::parse(request.query, {}).status());
  CheckpointChoice choice;
  if (request.captures[1] == "cosigned") {
    choice.cosigned = true;
  } else {
    choice.size = parse_decimal(request.captures[1]);
    if (!choice.size) return not_found("'{}' is no size of a checkpoint, nor 'cosigned'", request.captures[1]);
  }
  const Cut cut = node.ledger().cut();
  ASSIGN_OR_RETURN(std::string note, choose_checkpoint(node.ledger(), partition, choice));
  return text_answer(cut, std::move(note));
}

absl::StatusOr<ServerResponse> keys_answer(Node& node) {
  auto keys = node.verifier_keys();
  if (!keys.ok()) return not_found("{}", message_of(keys.status()));
  std::string text;
  for (const std::string& key : *keys) text += key + "\n";
  return text_answer(node.ledger().cut(), std::move(text));
}

// A checkpoint with a witness's line under it: stored where the witness is one of ours and its signature holds.
absl::StatusOr<ServerResponse> cosignature_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  RETURN_IF_ERROR(Query::parse(request.query, {}).status());
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(request.body));
  ASSIGN_OR_RETURN(const std::string own, node.ledger().checkpoint(partition, checkpoint.size));
  ASSIGN_OR_RETURN(const std::string own_text, note_text(own));
  ASSIGN_OR_RETURN(const std::string text, note_text(request.body));
  if (text != own_text)
    return failed_precondition("this is not our checkpoint {}/{}: origin or root differ", partition.name(), checkpoint.size);
  ASSIGN_OR_RETURN(const std::vector<NoteSignature> signatures, note_signatures(request.body));
  Json stored = Json::array();
  for (const std::string& key : node.witness_keys()) {
    ASSIGN_OR_RETURN(const KeyInfo info, key_info(key));
    for (const NoteSignature& signature : signatures) {
      if (signature.name != info.name || signature.key_id != info.id) continue;
      RETURN_IF_ERROR(node.ledger().store_cosignature(partition, checkpoint.size, key, signature.line));
      stored.push_back(info.name);
    }
  }
  if (stored.empty()) return failed_precondition("no signature by a witness that signing.witnesses lists");
  const Cut cut = node.ledger().cut();
  return json_response({{"cut", to_json(cut)}, {"partition", partition.name()}, {"size", checkpoint.size}, {"cosigned_by", stored}}, cut);
}

absl::StatusOr<ServerResponse> event_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "source", "id"}));
  if (query.text("id").empty()) return invalid_argument("query: id is missing: of the event, as its producer gave it");
  const std::vector<std::string> sources =
      query.has("source") ? std::vector<std::string>{std::string(query.text("source"))} : node.known_sources();
  const Cut cut = node.ledger().cut();
  Json entries = Json::array();
  for (const std::string& source : sources) {
    ASSIGN_OR_RETURN(const std::vector<EntryPlace> places, find_event(node.ledger(), source, query.text("id")));
    for (const EntryPlace& place : places) {
      ASSIGN_OR_RETURN(const std::vector<Entry> found, node.ledger().read_entries(place.partition, place.sequence, 1));
      Json json = {{"source", source}, {"id", query.text("id")}};
      json.update(entry_json(place.partition, place.sequence, found.front(), node.definition().zone_minutes));
      entries.push_back(std::move(json));
    }
  }
  if (entries.empty())
    return not_found("no accepted event has id '{}' and source {}; known sources: {}", query.text("id"),
                     query.has("source") ? fmt::format("'{}'", query.text("source")) : "any that is known",
                     fmt::join(node.known_sources(), ", "));
  return json_response({{"cut", to_json(cut)}, {"entries", entries}}, cut);
}

absl::StatusOr<ServerResponse> definition_answer(Node& node, const ServerRequest& request) {
  RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
  ServerResponse response = text_answer(node.ledger().cut(), node.definition().text);
  response.content_type = "application/x-ndjson; charset=utf-8";
  return response;
}

}  // namespace

void add_proof_routes(Router& router, Node& node) {
  const auto read = [&](std::string pattern, auto answer) {
    add_read(router, node, std::move(pattern), RunsOn::pool,
             [&node, answer](const ServerRequest& request) { return answer(node, request); });
  };
  read("/v1/proofs/{partition}/{sequence}", proof_answer);
  read("/v1/consistency/{partition}", consistency_answer);
  read("/v1/checkpoints/{partition}", checkpoints_answer);
  read("/v1/events", event_answer);
  read("/log/{partition}/checkpoint/{size}", chosen_checkpoint_answer);
  add_read(router, node, "/v1/definition", RunsOn::io, [&node](const ServerRequest& request) { return definition_answer(node, request); });
  add_read(router, node, "/log/vkeys", RunsOn::io, [&node](const ServerRequest&) { return keys_answer(node); });
  Route route;
  route.method = "POST";
  route.pattern = "/log/{partition}/cosignature";
  route.runs_on = RunsOn::pool;
  route.handle = [&node](const ServerRequestPtr& request, const Respond& respond) {
    if (const absl::Status readable = node.readable(); !readable.ok()) return respond(problem(readable));
    absl::StatusOr<ServerResponse> response = cosignature_answer(node, *request);
    respond(response.ok() ? *std::move(response) : problem(response.status()));
  };
  router.add(std::move(route));
}

}  // namespace bukubesar
