// Completeness: what arrived and what became of it, the rejected and whether they were sent again, gaps and who decided.
#include <algorithm>

#include "base/bytes.h"
#include "base/cancellation.h"
#include "base/status.h"
#include "ledger/completeness.h"
#include "ledger/proof.h"
#include "server/entry_json.h"
#include "server/problem.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

constexpr std::size_t kRejectedUsual = 100;
constexpr std::size_t kRejectedMost = 1000;
constexpr std::uint64_t kScanMax = 65'536;  // entries looked at for one page
constexpr std::size_t kCountRun = 1024;

Json time_or_null(std::int64_t time_ms, int zone_minutes) {
  return time_ms == 0 ? Json(nullptr) : Json(format_instant_ms(time_ms, zone_minutes));
}

Json row_json(const CompletenessRow& row) {
  return {{"partition", row.partition.name()},
          {"epoch", row.epoch.value()},
          {"day", row.day ? Json(format_date(*row.day)) : Json(nullptr)},
          {"first_sequence", row.first_sequence},
          {"entries", row.entries},
          {"accepted", row.counts.accepted},
          {"duplicate", row.counts.duplicate},
          {"rejected", row.counts.rejected},
          {"statements", row.counts.statements},
          {"first_offset", row.first_offset.value()},
          {"limit_offset", row.limit_offset.value()},
          {"offsets", row.offsets()},
          {"records", row.records},
          {"gap_offsets", row.gap_offsets},
          {"holds", row.holds()}};
}

Json gap_json(const GapReport& report, int zone_minutes) {
  return {{"partition", report.partition.name()},
          {"epoch", report.gap.epoch.value()},
          {"first_offset", report.gap.first.value()},
          {"limit_offset", report.gap.limit.value()},
          {"offsets", report.gap.limit - report.gap.first},
          {"before_sequence", report.before.value()},
          {"ledger_time", time_or_null(report.ledger_time_ms, zone_minutes)},
          {"decision", "none needed: the broker did not have them when they were fetched again"},
          {"decided_by", nullptr}};
}

// Where an operator said that a partition goes on elsewhere: what stands between the epochs is his decision.
Json decisions_json(Node& node, const Completeness& found) {
  Json decisions = Json::array();
  for (const SourceStatement& source : node.definition().sources) {
    if (source.epoch == Epoch(0)) continue;
    Offset before{0};
    std::string cluster, topic;
    if (const SourceStatement* previous = node.definition().source_of(source.partition, Epoch(source.epoch.value() - 1))) {
      before = previous->first_offset;
      cluster = previous->cluster;
      topic = previous->topic;
    }
    for (const CompletenessRow& row : found.rows)
      if (row.partition == source.partition && row.epoch + 1 == source.epoch) before = row.limit_offset;
    const bool same_topic = cluster == source.cluster && topic == source.topic && source.first_offset >= before;
    decisions.push_back({{"partition", source.partition.name()},
                         {"epoch", source.epoch.value()},
                         {"sequence", source.size},
                         {"topic", source.topic},
                         {"cluster", source.cluster},
                         {"offset_before", before.value()},
                         {"first_offset", source.first_offset.value()},
                         {"offsets_skipped", same_topic ? Json(source.first_offset - before) : Json(nullptr)},
                         {"decision", source.reason},
                         {"decided_by", source.decided_by}});
  }
  return decisions;
}

absl::StatusOr<ServerResponse> completeness_answer(Node& node, const ServerRequest& request) {
  RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
  ASSIGN_OR_RETURN(const Completeness found, count_completeness(node.ledger(), node.definition()));
  Json rows = Json::array();
  for (const CompletenessRow& row : found.rows) rows.push_back(row_json(row));
  Json gaps = Json::array();
  for (const GapReport& gap : found.gaps) gaps.push_back(gap_json(gap, node.definition().zone_minutes));
  return json_response({{"cut", to_json(found.cut)},
                        {"complete", found.contradictions.empty()},
                        {"contradictions", found.contradictions},
                        {"rows", rows},
                        {"gaps", gaps},
                        {"gaps_total", found.gaps_total},
                        {"decisions", decisions_json(node, found)}},
                       found.cut);
}

// Whether the event of a rejected entry was accepted, and where: only an id that could be read can say.
absl::Status add_accepted(Node& node, const Entry& entry, PartitionId partition, Sequence sequence, Json& json) {
  json["id_known"] = entry.fingerprint != Fingerprint{};
  json["accepted"] = nullptr;
  if (entry.fingerprint == Fingerprint{}) return absl::OkStatus();
  for (const PartitionId each : node.ledger().partitions()) {
    ASSIGN_OR_RETURN(const std::optional<Sequence> found, node.ledger().find_accepted(each, entry.fingerprint));
    if (!found) continue;
    ASSIGN_OR_RETURN(const std::int64_t time_ms, node.ledger().ledger_time_ms(each, *found));
    json["accepted"] = {{"partition", each.name()},
                        {"sequence", found->value()},
                        {"ledger_time", time_or_null(time_ms, node.definition().zone_minutes)},
                        {"order", each != partition   ? "in another partition"
                                  : *found > sequence ? "sent again"
                                                      : "before"}};
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> rejected_json(Node& node, PartitionId partition, Sequence sequence) {
  ASSIGN_OR_RETURN(const StoredRun run, node.ledger().read(partition, sequence, 1));
  if (run.entries.empty()) return data_loss("entry {}:{}: not stored", partition.name(), sequence.value());
  const StoredEntry& stored = run.entries.front();
  Json json = entry_json(partition, sequence, stored.entry, node.definition().zone_minutes);
  ASSIGN_OR_RETURN(const std::int64_t time_ms, node.ledger().ledger_time_ms(partition, sequence));
  json["ledger_time"] = time_or_null(time_ms, node.definition().zone_minutes);
  add_decoded(json, node, partition, stored);
  RETURN_IF_ERROR(add_accepted(node, stored.entry, partition, sequence, json));
  return json;
}

absl::StatusOr<ServerResponse> rejected_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "cursor", "limit"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kRejectedUsual, kRejectedMost));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> cursor, query.number("cursor"));
  const Cut cut = node.ledger().cut();
  const std::uint64_t size = cut.size(partition);
  std::uint64_t at = cursor.value_or(0);
  if (at > size) return out_of_range("query: cursor: {} lies beyond the {} entries of partition {}", at, size, partition.name());
  const std::uint64_t scan_limit = std::min(size, at + kScanMax);
  Json rows = Json::array();
  while (rows.size() < limit && at < scan_limit) {
    RETURN_IF_ERROR(still_wanted());
    ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                     node.ledger().read_entries(partition, Sequence(at), std::min<std::uint64_t>(kCountRun, scan_limit - at)));
    for (std::size_t i = 0; i < entries.size() && rows.size() < limit; ++i, ++at) {
      if (entries[i].verdict != Verdict::rejected) continue;
      ASSIGN_OR_RETURN(Json row, rejected_json(node, partition, Sequence(at)));
      rows.push_back(std::move(row));
    }
    if (entries.empty()) break;
  }
  return json_response({{"cut", to_json(cut)},
                        {"partition", partition.name()},
                        {"rejected", rows},
                        {"next_cursor", at < size ? Json(std::to_string(at)) : Json(nullptr)}},
                       cut);
}

}  // namespace

void add_completeness_routes(Router& router, Node& node) {
  add_read(router, node, "/v1/completeness", RunsOn::pool,
           [&node](const ServerRequest& request) { return completeness_answer(node, request); });
  add_read(router, node, "/v1/rejected/{partition}", RunsOn::pool,
           [&node](const ServerRequest& request) { return rejected_answer(node, request); });
}

}  // namespace bukubesar
