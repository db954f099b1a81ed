// What an evidence pack and an export are made of: the entries behind a report, transfers by page, and the log of reads itself.
#include <algorithm>

#include "base/bytes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/time.h"
#include "ledger/entry.h"
#include "ledger/proof.h"
#include "projections/views.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

constexpr std::size_t kJournalUsual = 10'000;
constexpr std::size_t kJournalMost = 50'000;
constexpr std::uint64_t kPayloadsMost = 4096;
constexpr std::size_t kPayloadsBytesMax = 8U << 20;
constexpr std::size_t kReadsUsual = 100;
constexpr std::size_t kReadsMost = 10'000;

// What is signed last: what a report is as of where nobody says.
absl::StatusOr<Cut> signed_cut(Node& node) {
  ASSIGN_OR_RETURN(const std::optional<std::string> note, node.ledger().newest_cut_note());
  if (!note) return not_found("nothing is signed yet: a pack needs a checkpoint; `bukubesar key new` makes a key");
  ASSIGN_OR_RETURN(const CutNote parsed, parse_cut_note(*note));
  Cut cut;
  const std::vector<PartitionId> partitions = node.definition().all_partitions();
  for (std::size_t i = 0; i < partitions.size() && i < parsed.parts.size(); ++i) cut.set(partitions[i], parsed.parts[i].size);
  return cut;
}

// The signed notes that a pack stands on: the first cut note that covers the report's cut, and the checkpoints of its sizes; or, cosigned,
// the newest ones with a cosignature.
absl::StatusOr<Json> signed_notes(Node& node, const Cut& cut, bool cosigned) {
  ASSIGN_OR_RETURN(const std::optional<std::string> note, node.ledger().first_cut_note_covering(cut));
  if (!note) RETURN_IF_ERROR(node.verifier_key(PartitionId::reference()).status());  // without a key nothing is ever signed
  if (!note)
    return unavailable("no cut note covers {} yet; one is signed at most every {} ms", cut.text(), node.config().signing.interval_ms);
  ASSIGN_OR_RETURN(const CutNote parsed, parse_cut_note(*note));
  Json checkpoints = Json::object();
  const std::vector<PartitionId> partitions = node.definition().all_partitions();
  for (std::size_t i = 0; i < partitions.size() && i < parsed.parts.size(); ++i) {
    const PartitionId partition = partitions[i];
    if (cut.size(partition) == 0) continue;
    CheckpointChoice choice;
    if (cosigned)
      choice.cosigned = true;
    else
      choice.size = parsed.parts[i].size;
    ASSIGN_OR_RETURN(const std::string checkpoint, choose_checkpoint(node.ledger(), partition, choice));
    ASSIGN_OR_RETURN(const Checkpoint head, parse_checkpoint(checkpoint));
    if (head.size < cut.size(partition))
      return unavailable("partition {}: the newest cosigned checkpoint has {} entries, the report {}", partition.name(), head.size,
                         cut.size(partition));
    checkpoints[partition.name()] = checkpoint;
  }
  return Json{{"cut_note", *note}, {"checkpoints", checkpoints}};
}

// [[first, limit], …]
Json runs_json(const std::vector<std::uint64_t>& sequences) {
  Json runs = Json::array();
  for (std::size_t i = 0; i < sequences.size();) {
    std::size_t end = i + 1;
    while (end < sequences.size() && sequences[end] == sequences[end - 1] + 1) ++end;
    runs.push_back({sequences[i], sequences[end - 1] + 1});
    i = end;
  }
  return runs;
}

absl::StatusOr<std::string> views_text(const Config& config) {
  if (config.projections.views_file.empty()) return std::string(default_views_text());
  return read_file(config.projections.views_file);
}

absl::StatusOr<TotalsQuery> query_of(const std::string& views, std::string_view view, const TotalsQuery& asked) {
  if (view.empty()) return asked;
  ASSIGN_OR_RETURN(const std::vector<ViewDefinition> known, parse_views(views));
  for (const ViewDefinition& each : known)
    if (each.name == view) return narrow(each, asked);
  return not_found("no view '{}'", view);
}

// The entries that asked for the erasure of what stands among these, where the cut has them.
void add_redactions(const Ledger& ledger, EvidencePlaces& places) {
  const std::uint64_t size = places.cut.size(PartitionId::reference());
  std::vector<std::uint64_t> by;
  for (const auto& [partition, sequences] : places.entries)
    for (const std::uint64_t sequence : sequences)
      if (const auto redaction = ledger.redaction(partition, Sequence(sequence)); redaction != nullptr && redaction->by.value() < size)
        by.push_back(redaction->by.value());
  std::vector<std::uint64_t>& reference = places.entries[PartitionId::reference()];
  reference.insert(reference.end(), by.begin(), by.end());
  std::sort(reference.begin(), reference.end());
  reference.erase(std::unique(reference.begin(), reference.end()), reference.end());
}

absl::StatusOr<ServerResponse> evidence_answer(Node& node, const ServerRequest& request, std::string_view view) {
  std::vector<std::string_view> known = totals_parameters(!view.empty());
  known.emplace_back("cosigned");
  ASSIGN_OR_RETURN(const Query parameters, Query::parse(request.query, known));
  ASSIGN_OR_RETURN(const bool cosigned, parameters.flag("cosigned"));
  ASSIGN_OR_RETURN(const TotalsRequest asked, totals_request_of(parameters, node.definition(), !view.empty()));
  ASSIGN_OR_RETURN(const std::string views, views_text(node.config()));
  ASSIGN_OR_RETURN(TotalsQuery query, query_of(views, view, asked.query));
  if (asked.as_of.empty()) {
    ASSIGN_OR_RETURN(query.cut, signed_cut(node));
  } else {
    ASSIGN_OR_RETURN(const AsOf as_of, resolve_as_of(asked.as_of, node));
    query.cut = as_of.cut;
  }
  ASSIGN_OR_RETURN(const Json notes, signed_notes(node, *query.cut, cosigned));
  if (!node.projections().cut().covers(*query.cut))
    return unavailable("cut {}: read so far is {}", query.cut->text(), node.projections().cut().text());
  ASSIGN_OR_RETURN(EvidencePlaces places, node.projections().evidence(query));
  add_redactions(node.ledger(), places);
  Json entries = Json::object();
  for (const auto& [partition, sequences] : places.entries) entries[partition.name()] = runs_json(sequences);
  Json json = {{"cut", to_json(*query.cut)}};
  json.update(notes);
  json.update({{"purchases", places.purchases},
               {"entries", entries},
               {"synthetic", node.synthetic()},
               {"configuration_sha256", hex(as_view(sha256(to_json(node.config()) + "\n")))},
               {"views", views}});
  return json_response(json, *query.cut);
}

// "3,7,9-12": ascending, at most kPayloadsMost in all.
absl::StatusOr<std::vector<std::pair<std::uint64_t, std::uint64_t>>> runs_of(std::string_view text, std::uint64_t size) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
  std::uint64_t count = 0;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::size_t dash = part.find('-');
    const auto first = parse_decimal(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_decimal(part.substr(dash + 1));
    if (!first || !last || *last < *first || (!runs.empty() && *first < runs.back().second))
      return invalid_argument("query: at: '{}': want sequences or runs of them, ascending: 3,7,9-12", part);
    if (*last >= size) return out_of_range("query: at: entry {} lies beyond the {} of the partition", *last, size);
    count += *last - *first + 1;
    if (count > kPayloadsMost) return invalid_argument("query: at: more than {} entries", kPayloadsMost);
    runs.emplace_back(*first, *last + 1);
  }
  if (runs.empty()) return invalid_argument("query: at is missing: which entries, such as 3,7,9-12");
  return runs;
}

// sequence(u64) entry(88) length(u32) payload for each; length ffffffff where only the hash is kept, fffffffe where the payload was erased:
// then redaction(u64) length(u32) substitute. It ends early at kPayloadsBytesMax.
void append_pack_entry(const StoredEntry& stored, std::string& to) {
  append_be(to, stored.sequence.value());
  to += as_view(encode_entry(stored.entry));
  if (stored.redaction != nullptr) {
    append_be(to, 0xFFFFFFFEU);
    append_be(to, stored.redaction->by.value());
    append_be(to, static_cast<std::uint32_t>(stored.redaction->substitute.size()));
    to += stored.redaction->substitute;
    return;
  }
  append_be(to, stored.payload ? static_cast<std::uint32_t>(stored.payload->size()) : 0xFFFFFFFFU);
  if (stored.payload) to += *stored.payload;
}

absl::StatusOr<ServerResponse> payloads_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "at"}));
  const Cut cut = node.ledger().cut();
  ASSIGN_OR_RETURN(const auto runs, runs_of(query.text("at"), cut.size(partition)));
  ServerResponse response;
  response.content_type = "application/octet-stream";
  for (const auto& [first, limit] : runs)
    for (std::uint64_t at = first; at < limit;) {
      ASSIGN_OR_RETURN(const StoredRun run, node.ledger().read(partition, Sequence(at), limit - at));
      if (run.entries.empty()) return data_loss("entry {}:{}: not stored", partition.name(), at);
      for (const StoredEntry& stored : run.entries) {
        append_pack_entry(stored, response.body);
        if (response.body.size() >= kPayloadsBytesMax) {
          response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", "no-store");
          return response;
        }
      }
      at += run.entries.size();
    }
  response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", "no-store");
  return response;
}

absl::StatusOr<ServerResponse> journal_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const PartitionId partition, partition_of(node, request.captures[0]));
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "as_of", "cursor", "limit"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kJournalUsual, kJournalMost));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> cursor, query.number("cursor"));
  Cut cut = node.projections().cut();
  if (query.has("as_of")) {
    ASSIGN_OR_RETURN(const AsOf as_of, resolve_as_of(query.text("as_of"), node));
    if (!cut.covers(as_of.cut)) return unavailable("cut {}: read so far is {}", as_of.cut.text(), cut.text());
    cut = as_of.cut;
  }
  ASSIGN_OR_RETURN(const TransferPage page, node.projections().transfers(partition, cut.size(partition), cursor.value_or(0), limit));
  Json rows = Json::array();
  for (const TransferLine& line : page.rows)
    rows.push_back({{"sequence", line.sequence},
                    {"row", line.row},
                    {"event", line.type},
                    {"time", format_instant_ms(line.event_time_ms, node.definition().zone_minutes)},
                    {"purchase", line.purchase},
                    {"from", line.from_account},
                    {"to", line.to_account},
                    {"amount", format_rupiah(line.amount)}});
  return json_response({{"cut", to_json(cut)},
                        {"partition", partition.name()},
                        {"rows", rows},
                        {"rows_total", page.rows_total},
                        {"next_cursor", page.next_row < page.rows_total ? Json(std::to_string(page.next_row)) : Json(nullptr)}},
                       cut);
}

absl::StatusOr<ServerResponse> reads_answer(Node& node, const ServerRequest& request) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(request.query, {"min_cut", "token", "cursor", "limit"}));
  ASSIGN_OR_RETURN(const std::size_t limit, query.limit(kReadsUsual, kReadsMost));
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> cursor, query.number("cursor"));
  RETURN_IF_ERROR(node.reads().sync());  // what is shown is durable
  const ReadsHead head = node.reads().head();
  std::uint64_t first = cursor.value_or(0);
  if (first > head.lines) return out_of_range("query: cursor: {} lies beyond the {} lines of the log of reads", first, head.lines);
  ASSIGN_OR_RETURN(const std::vector<std::string> lines, node.reads().lines(first, limit));
  Json rows = Json::array();
  for (const std::string& line : lines) {
    Json row = Json::parse(line, nullptr, false);
    if (!row.is_object()) row = Json{{"n", first}, {"damaged", line}};
    ++first;
    if (query.has("token") && row.value("token", Json(nullptr)) != Json(query.text("token"))) continue;
    rows.push_back(std::move(row));
  }
  const Cut cut = node.ledger().cut();
  return json_response({{"cut", to_json(cut)},
                        {"head", {{"lines", head.lines}, {"hash", head.hash}}},
                        {"trouble", text_or_null(node.reads().trouble())},
                        {"reads", rows},
                        {"next_cursor", first < head.lines && !lines.empty() ? Json(std::to_string(first)) : Json(nullptr)}},
                       cut);
}

}  // namespace

void add_evidence_routes(Router& router, Node& node) {
  add_projection_read(router, node, "/v1/evidence/totals",
                      [&node](const ServerRequest& request) { return evidence_answer(node, request, ""); });
  add_projection_read(router, node, "/v1/evidence/views/{name}",
                      [&node](const ServerRequest& request) { return evidence_answer(node, request, request.captures[0]); });
  add_projection_read(router, node, "/v1/journal/{partition}",
                      [&node](const ServerRequest& request) { return journal_answer(node, request); });
  add_read(router, node, "/v1/evidence/entries/{partition}", RunsOn::pool,
           [&node](const ServerRequest& request) { return payloads_answer(node, request); });
  add_read(router, node, "/v1/reads", RunsOn::pool, [&node](const ServerRequest& request) { return reads_answer(node, request); });
}

}  // namespace bukubesar
