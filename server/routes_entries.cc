#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/status.h"
#include "ledger/proof.h"
#include "ledger/signer.h"
#include "server/entry_json.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

constexpr std::size_t kEntriesLimitUsual = 100;
constexpr std::size_t kEntriesLimitMost = 1000;
constexpr std::uint64_t kEntriesScanMax = 65'536;  // entries looked at for one page, however few of them match
constexpr std::size_t kReadRun = 1024;
constexpr std::size_t kGapsLimitUsual = 100;
constexpr std::size_t kGapsLimitMost = 1000;

absl::StatusOr<std::optional<Verdict>> verdict_filter(const Query& query) {
  if (!query.has("verdict")) return std::optional<Verdict>();
  for (Verdict verdict : {Verdict::none, Verdict::accepted, Verdict::duplicate, Verdict::rejected})
    if (name_of(verdict) == query.text("verdict")) return std::optional<Verdict>(verdict);
  return invalid_argument("query: verdict: '{}' is none of none, accepted, duplicate, rejected", query.text("verdict"));
}

struct EntriesPage {
  Json entries = Json::array();
  std::optional<std::uint64_t> next;  // where the next page begins: first to look at
};

// oldest first: from `start` up to `size`; newest first: from `start` down to 0.
absl::StatusOr<EntriesPage> scan_entries(Node& node, PartitionId partition, std::uint64_t start, std::uint64_t size, bool newest,
                                         std::size_t limit, std::optional<Verdict> verdict) {
  EntriesPage page;
  const int zone = node.definition().zone_minutes;
  std::uint64_t looked_at = 0;
  std::uint64_t at = start;  // newest: one past the next to look at
  const std::size_t run = verdict ? kReadRun : std::min(kReadRun, limit);
  while (page.entries.size() < limit && looked_at < kEntriesScanMax && (newest ? at > 0 : at < size)) {
    const std::uint64_t first = newest ? (at > run ? at - run : 0) : at;
    const std::uint64_t count = newest ? at - first : std::min<std::uint64_t>(run, size - at);
    ASSIGN_OR_RETURN(std::vector<Entry> entries, node.ledger().read_entries(partition, Sequence(first), count));
    if (entries.empty()) break;
    for (std::size_t i = 0; i < entries.size() && page.entries.size() < limit; ++i) {
      const std::size_t index = newest ? entries.size() - 1 - i : i;
      const std::uint64_t sequence = first + index;
      if (!verdict || entries[index].verdict == *verdict)
        page.entries.push_back(entry_json(partition, Sequence(sequence), entries[index], zone));
      at = newest ? sequence : sequence + 1;
      ++looked_at;
    }
  }
  if (newest ? at > 0 : at < size) page.next = at;
  return page;
}

absl::StatusOr<ServerResponse> entries_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"cursor", "limit", "verdict", "order", "as_of", "min_cut"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kEntriesLimitUsual, kEntriesLimitMost));
  ASSIGN_OR_RETURN(const std::optional<Verdict> verdict, verdict_filter(query));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> cursor, query.number("cursor"));
  const std::string_view order = query.has("order") ? query.text("order") : "oldest";
  if (order != "oldest" && order != "newest") return invalid_argument("query: order: '{}' is neither oldest nor newest", order);
  const bool newest = order == "newest";
  Cut cut = node.ledger().cut();
  if (query.has("as_of")) {
    ASSIGN_OR_RETURN(AsOf as_of, resolve_as_of(query.text("as_of"), node));
    cut = std::move(as_of.cut);
  }
  const std::uint64_t size = cut.size(partition);
  if (cursor && *cursor > size)
    return out_of_range("query: cursor: {} lies beyond the {} entries of partition {}", *cursor, size, partition.name());
  ASSIGN_OR_RETURN(const EntriesPage page, scan_entries(node, partition, cursor.value_or(newest ? size : 0), size, newest, limit, verdict));
  return json_response({{"cut", to_json(cut)},
                        {"partition", partition.name()},
                        {"order", order},
                        {"entries", page.entries},
                        {"next_cursor", page.next ? Json(std::to_string(*page.next)) : Json(nullptr)}},
                       cut);
}

// Inclusion under the newest checkpoint that covers the entry; else under the head, unsigned.
absl::Status add_proof(Node& node, PartitionId partition, Sequence sequence, Json& json) {
  std::uint64_t size = node.ledger().head(partition).size;
  std::string note;
  ASSIGN_OR_RETURN(const std::optional<std::string> newest, node.ledger().newest_checkpoint(partition));
  if (newest) {
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(*newest));
    if (checkpoint.size > sequence.value()) {
      size = checkpoint.size;
      note = *newest;
    }
  }
  ASSIGN_OR_RETURN(const Hash256 root, node.ledger().root(partition, size));
  ASSIGN_OR_RETURN(const std::vector<Hash256> hashes, node.ledger().inclusion_proof(partition, sequence, size));
  Json texts = Json::array();
  for (const Hash256& hash : hashes) texts.push_back(base64(as_view(hash)));
  json["proof"] = {
      {"index", sequence.value()}, {"size", size}, {"root", base64(as_view(root))}, {"hashes", texts}, {"signed", !note.empty()}};
  if (!note.empty()) json["proof"]["tlog_proof"] = tlog_proof(sequence.value(), hashes, note, "");
  return absl::OkStatus();
}

absl::StatusOr<ServerResponse> entry_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Sequence sequence, sequence_of(request.captures[1]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"proof", "min_cut"}));
  ASSIGN_OR_RETURN(const bool proof, query.flag("proof"));
  const Cut cut = node.ledger().cut();
  if (sequence.value() >= cut.size(partition))
    return not_found("entry {}:{}: the partition has {} entries", partition.name(), sequence.value(), cut.size(partition));
  ASSIGN_OR_RETURN(const StoredRun run, node.ledger().read(partition, sequence, 1));
  if (run.entries.empty()) return data_loss("entry {}:{}: not stored", partition.name(), sequence.value());
  const StoredEntry& stored = run.entries.front();
  Json json = {{"cut", to_json(cut)}};
  json.update(entry_json(partition, sequence, stored.entry, node.definition().zone_minutes));
  json["leaf"] = hex(as_view(encode_entry(stored.entry)));
  ASSIGN_OR_RETURN(const std::int64_t ledger_time_ms, node.ledger().ledger_time_ms(partition, sequence));
  json["ledger_time"] = ledger_time_ms == 0 ? Json(nullptr) : Json(format_instant_ms(ledger_time_ms, node.definition().zone_minutes));
  add_decoded(json, node, partition, stored);
  if (!request.roles.has(Role::audit)) json.erase("detail");  // it may quote the payload
  if (proof) RETURN_IF_ERROR(add_proof(node, partition, sequence, json));
  return json_response(json, cut);
}

absl::StatusOr<ServerResponse> payload_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Sequence sequence, sequence_of(request.captures[1]));
  RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
  const Cut cut = node.ledger().cut();
  auto payload = node.ledger().read_payload(partition, sequence);
  if (payload.status().code() == absl::StatusCode::kFailedPrecondition) {
    const auto erased = node.eraser().erased_by(partition, sequence);
    return problem(
        410, message_of(payload.status()) + (erased ? fmt::format("; ground: {}; authority: {}", erased->ground, erased->authority) : ""));
  }
  RETURN_IF_ERROR(payload.status());
  ServerResponse response;
  response.content_type = "application/octet-stream";
  response.body = *std::move(payload);
  // An erasure can take a payload away: never immutable.
  response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", "no-cache").with("X-Content-Type-Options", "nosniff");
  return response;
}

// "0:1:512": partition, epoch and offset of the gap that a page begins with.
struct GapCursor {
  PartitionId partition;
  Epoch epoch;
  Offset first{0};
};

absl::StatusOr<GapCursor> gap_cursor_of(const Query& query) {
  GapCursor to;
  if (!query.has("cursor")) return to;
  const std::string_view text = query.text("cursor");
  const std::size_t first = text.find(':'), second = text.find(':', first + 1);
  const auto partition = PartitionId::parse(text.substr(0, first));
  const auto epoch = second < text.size() ? parse_decimal(text.substr(first + 1, second - first - 1)) : std::nullopt;
  const auto offset = second < text.size() ? parse_decimal(text.substr(second + 1)) : std::nullopt;
  if (!partition || !epoch || *epoch > std::numeric_limits<std::uint32_t>::max() || !offset ||
      *offset > std::numeric_limits<std::int64_t>::max())
    return invalid_argument("query: cursor: '{}' is not one that was given", text);
  return GapCursor{*partition, Epoch(static_cast<std::uint32_t>(*epoch)), Offset(static_cast<std::int64_t>(*offset))};
}

absl::StatusOr<ServerResponse> gaps_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"cursor", "limit", "min_cut"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kGapsLimitUsual, kGapsLimitMost));
  ASSIGN_OR_RETURN(GapCursor at, gap_cursor_of(query));
  const Cut cut = node.ledger().cut();
  Json gaps = Json::array();
  Json next = nullptr;
  for (PartitionId partition : node.ledger().partitions()) {
    if (partition < at.partition || !next.is_null()) continue;
    if (partition > at.partition) at = {partition, Epoch(0), Offset(0)};
    ASSIGN_OR_RETURN(const std::vector<Gap> found, node.ledger().gaps(partition, at.epoch, at.first, limit + 1 - gaps.size()));
    for (const Gap& gap : found) {
      if (gaps.size() == limit) {
        next = fmt::format("{}:{}:{}", partition.name(), gap.epoch.value(), gap.first.value());
        break;
      }
      gaps.push_back({{"partition", partition.name()},
                      {"epoch", gap.epoch.value()},
                      {"first_offset", gap.first.value()},
                      {"limit_offset", gap.limit.value()},
                      {"offsets", gap.limit - gap.first}});
    }
  }
  return json_response({{"cut", to_json(cut)}, {"gaps", gaps}, {"next_cursor", next}}, cut);
}

}  // namespace

void add_entry_routes(Router& router, Node& node) {
  add_read(router, node, "/v1/entries/{partition}", RunsOn::pool,
           [&node](const ServerRequest& request) { return entries_answer(node, request); });
  add_read(router, node, "/v1/entries/{partition}/{sequence}", RunsOn::pool,
           [&node](const ServerRequest& request) { return entry_answer(node, request); });
  add_read(router, node, "/payload/{partition}/{sequence}", RunsOn::pool,
           [&node](const ServerRequest& request) { return payload_answer(node, request); });
  add_read(router, node, "/v1/gaps", RunsOn::pool, [&node](const ServerRequest& request) { return gaps_answer(node, request); });
}

}  // namespace bukubesar
