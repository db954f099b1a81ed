#include "server/replay_into.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>

#include "adapters/terminal_progress.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "consumers/batcher.h"
#include "ledger/merkle.h"
#include "ledger/signer.h"
#include "ledger/statement.h"
#include "projections/projections.h"
#include "server/ask.h"
#include "server/log_reader.h"
#include "server/payload_run.h"
#include "server/table.h"

namespace bukubesar {

namespace {

constexpr std::size_t kCommitRecords = 4096;
constexpr std::uint64_t kFlushBytes = 16U << 20;
constexpr std::size_t kBundleEntries = 256;
constexpr std::size_t kDifferencesMax = 10;  // of one kind, that are listed

struct PartitionReport {
  PartitionId partition;
  std::uint64_t size = 0, hash_only = 0, erased = 0;
  std::string root, source_root;
  std::vector<std::string> differences;  // entries that came out otherwise
};

// Judges the entries of one partition again, in their order.
class PartitionReplay {
 public:
  PartitionReplay(LogReader& log, HttpClient& client, Ledger& ledger, const Definition& definition, PartitionId partition)
      : log_(log), client_(client), ledger_(ledger), definition_(definition), partition_(partition) {}

  absl::StatusOr<PartitionReport> run(std::uint64_t size, const Progress& progress) {
    report_.partition = partition_;
    report_.size = size;
    start();
    for (std::uint64_t first = 0; first < size; first += kBundleEntries) {
      const auto width = static_cast<unsigned>(std::min<std::uint64_t>(kBundleEntries, size - first));
      ASSIGN_OR_RETURN(const std::string bundle, log_.entry_bundle(partition_, first / kBundleEntries, width));
      constexpr std::size_t kStep = 2 + kEntryBytes;
      if (bundle.size() != kStep * width)
        return unavailable("entries {}:{} …: the bundle has {} bytes", partition_.name(), first, bundle.size());
      for (unsigned at = 0; at < width;) {
        const std::string target = fmt::format("/v1/payloads/{}?first={}&limit={}", partition_.name(), first + at,
                                               std::min<std::size_t>(width - at, kPayloadRunEntriesMax));
        ASSIGN_OR_RETURN(const std::string body, ask(client_, target));
        ASSIGN_OR_RETURN(const std::vector<RunPayload> payloads, decode_payload_run(body));
        if (payloads.empty() || payloads.size() > width - at)
          return unavailable("{}: gave {} payloads, not {}", target, payloads.size(), width - at);
        for (const RunPayload& payload : payloads) {
          RETURN_IF_ERROR(take(first + at, std::string_view(bundle).substr(at * kStep + 2, kEntryBytes), payload));
          ++at;
        }
      }
      progress("replaying " + partition_.name(), first + width, size);
    }
    RETURN_IF_ERROR(flush());
    report_.source_root = base64(as_view(source_.root()));
    ASSIGN_OR_RETURN(const Hash256 root, ledger_.root(partition_, size));
    report_.root = base64(as_view(root));
    return report_;
  }

 private:
  void start() {
    batcher_ = std::make_unique<Batcher>(BatcherOptions{&definition_, &ledger_, {partition_}, {}});
    next_offset_ = ledger_.head(partition_).next_offset;
  }
  absl::Status take(std::uint64_t sequence, std::string_view bytes, const RunPayload& given) {
    const auto entry = decode_entry(bytes);
    if (!entry) return data_loss("entry {}:{}: the bytes are no entry of version 1", partition_.name(), sequence);
    source_.append(leaf_hash(bytes), completed_);
    completed_.clear();
    const std::optional<std::string_view>& payload = given.payload;
    if (given.redaction != nullptr)
      ++report_.erased;
    else if (!payload)
      ++report_.hash_only;
    if (!payload || entry->kind == EntryKind::source_statement) return take_over(*entry, given);
    if (sha256(*payload) != entry->payload_hash)
      return data_loss("entry {}:{}: the payload is not the one it hashes", partition_.name(), sequence);
    PulledPartition& inbox = batcher_->inbox().front();
    if (entry->offset > next_offset_) inbox.gaps.push_back({entry->epoch, next_offset_, entry->offset});
    next_offset_ = entry->offset + 1;
    Record record;
    record.offset = entry->offset;
    record.timestamp_ms = entry->timestamp_ms;
    if (entry->timestamp_present)
      record.timestamp_type = entry->log_append_time ? TimestampType::log_append_time : TimestampType::create_time;
    record.payload = inbox.batch.arena->copy(*payload);
    inbox.batch.records.push_back(record);
    wanted_.push_back(*entry);
    bytes_ += payload->size();
    return wanted_.size() >= kCommitRecords || bytes_ >= kFlushBytes ? flush() : absl::OkStatus();
  }
  // A statement is its own reason; of a payload that is not kept there is nothing to judge. What stands in for an erased one is folded.
  absl::Status take_over(const Entry& entry, const RunPayload& given) {
    RETURN_IF_ERROR(flush());
    PartitionBatch batch;
    batch.partition = partition_;
    batch.first = Sequence(ledger_.head(partition_).size);
    batch.entries.push_back(entry);
    batch.payloads.push_back(given.payload.value_or(std::string_view()));
    if (given.redaction != nullptr) batch.redactions[0] = given.redaction;
    batch.events.push_back(nullptr);
    batch.epoch = entry.epoch;
    if (entry.kind == EntryKind::source_statement) {
      const auto stated = given.payload ? parse_statement_payload(*given.payload) : std::nullopt;
      if (!stated) return data_loss("entry {}:{}: is no source statement", partition_.name(), batch.first.value());
      batch.next_offset = stated->first_offset;
    } else {
      if (entry.offset > next_offset_) batch.gaps.push_back({entry.epoch, next_offset_, entry.offset});
      batch.next_offset = entry.offset + 1;
    }
    Commit commit;
    commit.parts.push_back(std::move(batch));
    RETURN_IF_ERROR(ledger_.commit(commit).status());
    start();
    return absl::OkStatus();
  }
  absl::Status flush() {
    if (wanted_.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(batcher_->judge_new());
    const std::shared_ptr<const Commit> commit = batcher_->take();
    const PartitionBatch& batch = commit->parts.front();
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      if (batch.entries[i] == wanted_[i] || report_.differences.size() >= kDifferencesMax) continue;
      report_.differences.push_back(fmt::format("entry {}/{}: replayed {} {}, in the ledger {} {}", partition_.name(),
                                                batch.first.value() + i, name_of(batch.entries[i].verdict),
                                                name_of(batch.entries[i].reason), name_of(wanted_[i].verdict), name_of(wanted_[i].reason)));
    }
    RETURN_IF_ERROR(ledger_.commit(*commit).status());
    batcher_->forget_oldest();
    wanted_.clear();
    bytes_ = 0;
    return absl::OkStatus();
  }

  LogReader& log_;
  HttpClient& client_;
  Ledger& ledger_;
  const Definition& definition_;
  const PartitionId partition_;
  PartitionReport report_;
  std::unique_ptr<Batcher> batcher_;
  Offset next_offset_{0};
  Frontier source_;
  std::vector<Subtree> completed_;
  std::vector<Entry> wanted_;  // beside the batcher's records
  std::uint64_t bytes_ = 0;
};

// ---- comparing

std::string row_text(const std::vector<std::string>& key, const Measures& m) {
  return fmt::format("{}: packages {}, vendors {}, committed {}, strict {}, broad {}, stage_unknown {}, paid {}", fmt::join(key, ","),
                     m.packages, m.vendors, format_rupiah(m.committed), format_rupiah(m.strict), format_rupiah(m.broad),
                     format_rupiah(m.stage_unknown), m.paid ? format_rupiah(*m.paid) : "-");
}

std::string answered_row_text(const Json& row, const Json& by) {
  std::vector<std::string> key;
  for (const Json& name : by) key.push_back(cell_of(row[name.get<std::string>()]));
  return fmt::format("{}: packages {}, vendors {}, committed {}, strict {}, broad {}, stage_unknown {}, paid {}", fmt::join(key, ","),
                     row["packages"].dump(), row["vendors"].dump(), cell_of(row["committed"]), cell_of(row["strict"]),
                     cell_of(row["broad"]), cell_of(row["stage_unknown"]), cell_of(row["paid"]));
}

struct Comparison {
  std::string what;
  std::uint64_t count = 0;
  std::vector<std::string> differences;
};

void compare(const std::vector<std::string>& theirs, const std::vector<std::string>& ours, Comparison& to) {
  to.count = theirs.size();
  for (std::size_t i = 0; i < std::max(theirs.size(), ours.size()) && to.differences.size() < kDifferencesMax; ++i) {
    const std::string a = i < theirs.size() ? theirs[i] : "nothing", b = i < ours.size() ? ours[i] : "nothing";
    if (a != b) to.differences.push_back(fmt::format("the server has {}; replayed: {}", a, b));
  }
}

// The question that a view's answer was to.
absl::StatusOr<TotalsQuery> question_of(const Json& answer) {
  TotalsQuery query;
  const auto dimension = [](const std::string& name) -> absl::StatusOr<Dimension> {
    const auto found = parse_dimension(name);
    if (!found) return unavailable("a view has dimension '{}', which this program does not know", name);
    return *found;
  };
  for (const Json& name : answer["by"]) {
    ASSIGN_OR_RETURN(const Dimension one, dimension(name.get<std::string>()));
    query.by.push_back(one);
  }
  if (answer.contains("where")) {
    for (const auto& [name, values] : answer["where"].items()) {
      ASSIGN_OR_RETURN(const Dimension one, dimension(name));
      query.where[one] = values.get<std::vector<std::string>>();
    }
  }
  query.scale_basis = parse_scale_basis(answer.value("scale_basis", "")).value_or(ScaleBasis::at_order);
  return query;
}

absl::StatusOr<std::vector<Comparison>> compare_views(HttpClient& client, const Projections& projections, const Cut& cut) {
  std::vector<Comparison> to;
  ASSIGN_OR_RETURN(const Json views, ask_json(client, "/v1/views"));
  for (const Json& view : views["views"]) {
    Comparison one;
    one.what = "view " + cell_of(view["name"]);
    ASSIGN_OR_RETURN(const Json answer, ask_json(client, target_of(cell_of(view["href"]), {{"as_of", cut.text()}})));
    ASSIGN_OR_RETURN(TotalsQuery query, question_of(answer));
    query.cut = cut;
    ASSIGN_OR_RETURN(const TotalsAnswer own, projections.totals(query));
    std::vector<std::string> theirs, ours;
    for (const Json& row : answer["rows"]) theirs.push_back(answered_row_text(row, answer["by"]));
    theirs.push_back(answered_row_text(answer["total"], Json::array()));
    for (const TotalsRow& row : own.rows) ours.push_back(row_text(row.key, row.measures));
    ours.push_back(row_text({}, own.total));
    compare(theirs, ours, one);
    to.push_back(std::move(one));
  }
  return to;
}

absl::StatusOr<Comparison> compare_findings(HttpClient& client, const Projections& projections, const Cut& cut) {
  std::vector<std::string> theirs, ours;
  for (std::string cursor;;) {
    ASSIGN_OR_RETURN(const Json page,
                     ask_json(client, target_of("/v1/findings", {{"as_of", cut.text()}, {"limit", "1000"}, {"cursor", cursor}})));
    for (const Json& f : page["findings"])
      theirs.push_back(fmt::format("{}/{} {} {} {}", cell_of(f["partition"]), f["sequence"].dump(), cell_of(f["kind"]),
                                   f["purchase"].is_null() ? "" : cell_of(f["purchase"]), cell_of(f["detail"])));
    if (!page["next_cursor"].is_string()) break;
    cursor = page["next_cursor"].get<std::string>();
  }
  for (std::string cursor;;) {
    ASSIGN_OR_RETURN(const FindingsPage page, projections.findings("", "", cursor, 1000, cut));
    for (const Finding& f : page.findings)
      ours.push_back(fmt::format("{}/{} {} {} {}", f.partition.name(), f.sequence.value(), f.kind, f.purchase, f.detail));
    if (!page.next_cursor) break;
    cursor = *page.next_cursor;
  }
  Comparison to;
  to.what = "findings";
  compare(theirs, ours, to);
  return to;
}

// The root that is signed for this size; nothing where none is.
absl::StatusOr<std::optional<std::string>> signed_root(LogReader& log, PartitionId partition, std::uint64_t size) {
  CheckpointChoice choice;
  choice.size = size;
  const auto note = log.checkpoint(partition, choice);
  if (absl::IsNotFound(note.status())) return std::optional<std::string>();
  RETURN_IF_ERROR(note.status());
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(*note));
  return std::optional<std::string>(base64(as_view(checkpoint.root)));
}

absl::Status check_fresh(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) return make_directories(directory);
  if (std::filesystem::is_directory(directory, error) && std::filesystem::is_empty(directory, error)) return absl::OkStatus();
  return failed_precondition("--into {}: is there already and not an empty directory; name a fresh one", directory);
}

void print_comparisons(const CliContext& context, const Cut& cut, const std::vector<Comparison>& all, bool same) {
  if (context.format == OutputFormat::json) {
    Json rows = Json::array();
    for (const Comparison& one : all)
      rows.push_back({{"what", one.what}, {"count", one.count}, {"same", one.differences.empty()}, {"differences", one.differences}});
    print(to_text({{"cut", to_json(cut)}, {"same", same}, {"compared", rows}}) + "\n");
    return;
  }
  Table table;
  table.column("compared").column("count", true).column("outcome");
  for (const Comparison& one : all) table.row({one.what, for_people(one.count), one.differences.empty() ? "the same" : "NOT THE SAME"});
  print(context.format == OutputFormat::csv ? table.csv() : table.text());
  if (context.format == OutputFormat::csv) return;
  fmt::print("\n");
  for (const Comparison& one : all)
    for (const std::string& difference : one.differences) fmt::print("{}: {}\n", one.what, printable(difference));
  fmt::print("{} at cut {}\n", same ? "root, views and findings are the same" : "NOT the same", cut.text());
}

}  // namespace

absl::Status replay_into(CliContext& context, const std::string& directory, const std::string& as_of) {
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  ASSIGN_OR_RETURN(const HttpClientOptions options, context.client());
  ASSIGN_OR_RETURN(const std::unique_ptr<LogReader> log, read_log_over_http(options));
  ASSIGN_OR_RETURN(const Json at, ask_json(client, as_of.empty() ? std::string("/v1/cut")
                                                                 : target_of("/v1/entries/reference", {{"as_of", as_of}, {"limit", "1"}})));
  ASSIGN_OR_RETURN(const Cut cut, Cut::parse(cut_text(at["cut"])));
  ASSIGN_OR_RETURN(const std::string text, log->definition());
  ASSIGN_OR_RETURN(const Definition definition, parse_definition(text, "/v1/definition"));
  RETURN_IF_ERROR(check_fresh(directory));
  RETURN_IF_ERROR(write_file_durably(directory + "/definition.jsonl", text));
  std::vector<Comparison> all;
  auto bar = std::make_unique<TerminalProgress>();
  const Progress progress = [&bar](std::string_view what, std::uint64_t done, std::uint64_t total) { bar->show(what, done, total); };
  LedgerOptions ledger_options;
  ledger_options.directory = directory + "/ledger";
  ASSIGN_OR_RETURN(const std::unique_ptr<Ledger> ledger, Ledger::open(std::move(ledger_options), definition));
  for (const PartitionId partition : definition.all_partitions()) {
    const std::uint64_t size = cut.size(partition);
    Comparison one;
    one.what = fmt::format("root of {}", partition.name());
    one.count = size;
    if (size > 0) {
      ASSIGN_OR_RETURN(const PartitionReport report, PartitionReplay(*log, client, *ledger, definition, partition).run(size, progress));
      one.differences = report.differences;
      if (report.root != report.source_root)
        one.differences.push_back(fmt::format("the server's entries have {}; replayed: {}", report.source_root, report.root));
      ASSIGN_OR_RETURN(const std::optional<std::string> checkpoint, signed_root(*log, partition, size));
      if (checkpoint) one.what += ", as signed";
      if (checkpoint && *checkpoint != report.root)
        one.differences.push_back(fmt::format("the checkpoint of size {} has {}; replayed: {}", size, *checkpoint, report.root));
      if (report.hash_only > 0) one.what += fmt::format(" ({} kept as hash only, not judged again)", report.hash_only);
      if (report.erased > 0) one.what += fmt::format(" ({} erased: folded from what stands in for them, not judged again)", report.erased);
    }
    all.push_back(std::move(one));
  }
  RETURN_IF_ERROR(ledger->record_heads(true));
  ProjectionsOptions projection_options;
  projection_options.directory = directory + "/segments";
  projection_options.ledger = ledger.get();
  projection_options.definition = &definition;
  projection_options.views_text = R"({"views":[]})";
  projection_options.progress = progress;
  ASSIGN_OR_RETURN(const std::unique_ptr<Projections> projections, Projections::open(std::move(projection_options)));
  ASSIGN_OR_RETURN(std::vector<Comparison> views, compare_views(client, *projections, cut));
  std::move(views.begin(), views.end(), std::back_inserter(all));
  ASSIGN_OR_RETURN(Comparison findings, compare_findings(client, *projections, cut));
  all.push_back(std::move(findings));
  const bool same = std::all_of(all.begin(), all.end(), [](const Comparison& one) { return one.differences.empty(); });
  if (!same) context.exit_code = 1;
  bar.reset();
  print_comparisons(context, cut, all, same);
  return absl::OkStatus();
}

}  // namespace bukubesar
