#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/status.h"
#include "events/rules.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"

namespace bukubesar {

namespace {

constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kFormat = "1";
constexpr std::string_view kNameKey = "ledger";
constexpr std::string_view kPartitionsKey = "partitions";
constexpr std::string_view kPartitionerKey = "partitioner";
constexpr std::string_view kDefinitionKey = "definition";

// How much of the definition's file a ledger was opened with, and its hash: lines are only ever added to it.
std::string definition_mark(std::string_view text) {
  std::string mark;
  append_be(mark, std::uint64_t{text.size()});
  mark.append(as_view(sha256(text)));
  return mark;
}

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

RecordedHead recorded_head(const PartitionHead& head) { return {head.size, head.root, head.epoch, head.next_offset}; }

}  // namespace

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options, const Definition& definition) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  while (impl->options.directory.size() > 1 && impl->options.directory.back() == '/') impl->options.directory.pop_back();
  RETURN_IF_ERROR(impl->open(definition));
  return std::unique_ptr<Ledger>(new Ledger(std::move(impl)));
}

absl::Status Ledger::Impl::open(const Definition& definition) {
  name = definition.name;
  partition_count = definition.partitions;
  partitioner = definition.partitioner;
  clock = definition.clock;
  for (const PartitionId id : definition.all_partitions()) {
    auto partition = std::make_unique<LedgerPartition>();
    partition->id = id;
    if (const SourceStatement* source = definition.source_of(id, Epoch(0))) partition->first_offset = source->first_offset;
    partitions.emplace(id, std::move(partition));
  }
  for (const RulesStatement& line : definition.rules)
    if (line.version > kRulesVersionNewest)
      return failed_precondition(
          "the definition of ledger {} names rules version {}; this program knows 1 … {}: a newer one must run first", name, line.version,
          kRulesVersionNewest);
  RETURN_IF_ERROR(open_store(definition));
  RETURN_IF_ERROR(check_identity());
  RETURN_IF_ERROR(load_redactions());
  RETURN_IF_ERROR(load_heads());
  RETURN_IF_ERROR(check_definition_text(definition));
  {
    absl::MutexLock lock(&checkpoints_mutex);
    RETURN_IF_ERROR(load_next_cut_note());
  }
  return compare_with_recorded();
}

absl::Status Ledger::Impl::load_next_cut_note() {
  ASSIGN_OR_RETURN(const auto last_note, store->at_or_before(Family::checkpoints, cut_note_key(~std::uint64_t{0})));
  if (!last_note || last_note->key.front() != 'n') return absl::OkStatus();
  const auto number = parse_number(std::string_view(last_note->key).substr(1));
  if (!number) return data_loss("{}: the key of the last cut note is damaged", options.directory);
  next_cut_note = *number + 1;
  return absl::OkStatus();
}

// A start on the copy, with all it checks, and what the heads file knows must be there. RocksDB for its part refuses a list that names a
// table or a log that is gone: so what a cut takes back has to stand in files that are still there.
absl::Status Ledger::Impl::check_copy(const std::string& copy, const std::string& heads_path, const Definition& definition,
                                      const Progress& progress) {
  ASSIGN_OR_RETURN(const std::string heads, read_file(heads_path));
  RETURN_IF_ERROR(write_file_durably(copy + ".heads", heads));
  LedgerOptions options;
  options.directory = copy;
  options.read_only = true;
  options.progress = progress;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::open(std::move(options), definition));
  if (ledger->shorter_than_recorded()) return data_loss("entries that {} knows of are missing", heads_path);
  absl::MutexLock lock(&ledger->impl_->file_mutex);
  absl::MutexLock notes_lock(&ledger->impl_->checkpoints_mutex);
  if (ledger->impl_->recorded.cut_notes > ledger->impl_->next_cut_note)
    return data_loss("cut notes that {} knows of are missing", heads_path);
  return absl::OkStatus();
}

// The heads file is made before the store, so a store without one has lost it.
absl::Status Ledger::Impl::open_store(const Definition& definition) {
  const bool has_store = Store::exists(options.directory);
  const bool has_heads = file_exists(heads_path());
  if (has_store && !has_heads)
    return data_loss(
        "{} is missing: it says how far the ledger in {} had come; put back a copy of it, or move both away and read Kafka again",
        heads_path(), options.directory);
  if (!has_store && options.read_only) return not_found("no ledger in {}", options.directory);
  absl::MutexLock lock(&file_mutex);
  if (!has_heads) {
    RETURN_IF_ERROR(make_directories(std::filesystem::path(heads_path()).parent_path().string()));
    for (const auto& [id, partition] : partitions) recorded.partitions[id] = {0, empty_root(), Epoch(0), partition->first_offset};
    RETURN_IF_ERROR(write_file_durably(heads_path(), format_heads(name, recorded)));
  } else {
    ASSIGN_OR_RETURN(const std::string text, read_file(heads_path()));
    ASSIGN_OR_RETURN(recorded, parse_heads(text, name, heads_path()));
    for (const auto& [id, head] : recorded.partitions)
      if (find(id) == nullptr)
        return failed_precondition("{} has partition {}, the definition of ledger {} does not", heads_path(), id.name(), name);
  }
  // Copies of both: it may be asked much later, when the store is opened anew.
  const auto check = [heads = heads_path(), definition, progress = options.progress](const std::string& copy) {
    return check_copy(copy, heads, definition, progress);
  };
  ASSIGN_OR_RETURN(store, Store::open({options.directory, options.directory + ".log", options.read_only, check}));
  return absl::OkStatus();
}

absl::Status Ledger::Impl::check_identity() {
  ASSIGN_OR_RETURN(const auto format, store->get(Family::heads, kFormatKey));
  const std::pair<std::string_view, std::string> facts[] = {
      {kNameKey, name}, {kPartitionsKey, std::to_string(partition_count)}, {kPartitionerKey, partitioner}};
  if (!format) {
    bool has_rows = false;
    for (const Family family : kFamilies)
      RETURN_IF_ERROR(store->scan(family, "", /*bulk=*/false, [&](std::string_view, std::string_view) {
        has_rows = true;
        return false;
      }));
    if (has_rows) return data_loss("{}: the row that names the ledger is missing", options.directory);
    if (options.read_only) return not_found("no ledger in {}: its first start did not come to an end", options.directory);
    StoreBatch batch;
    batch.put(Family::heads, kFormatKey, std::string(kFormat));
    for (const auto& [key, value] : facts) batch.put(Family::heads, key, value);
    return store->write(batch);
  }
  if (*format != kFormat) return failed_precondition("{}: format {}, this program reads format {}", options.directory, *format, kFormat);
  for (const auto& [key, value] : facts) {
    ASSIGN_OR_RETURN(const auto stored, store->get(Family::heads, key));
    if (!stored) return data_loss("{}: the row '{}' is missing", options.directory, key);
    if (*stored != value)
      return failed_precondition("{} holds a ledger whose {} is '{}', the definition says '{}'", options.directory, key, *stored, value);
  }
  return absl::OkStatus();
}

// What an entry was judged by is settled: rules lines that came since the last time begin after every entry there is.
absl::Status Ledger::Impl::check_new_rules(const Definition& definition, std::string_view known_text) const {
  ASSIGN_OR_RETURN(const Definition known, parse_definition(known_text, "definition"));
  absl::MutexLock lock(&heads_mutex);
  for (std::size_t i = known.rules.size(); i < definition.rules.size(); ++i) {
    const RulesStatement& line = definition.rules[i];
    for (const auto& [id, head] : heads) {
      if (head.size == 0) continue;
      const bool behind = line.from_place ? line.from_place->partition == id && std::tie(line.from_place->epoch, line.from_place->offset) <
                                                                                    std::tie(head.epoch, head.next_offset)
                                          : line.from_ledger_time_ms.value_or(0) <= head.ledger_time_ms;
      if (behind)
        return failed_precondition(
            "rules version {} would hold for entries that stand already: partition {} of ledger {} has {} entries, ledger time {} ms, next "
            "offset {}; name a later point",
            line.version, id.name(), name, head.size, head.ledger_time_ms, head.next_offset.value());
    }
  }
  return absl::OkStatus();
}

absl::Status Ledger::Impl::check_definition_text(const Definition& definition) {
  const std::string& text = definition.text;
  const std::string mark = definition_mark(text);
  ASSIGN_OR_RETURN(const auto stored, store->get(Family::heads, kDefinitionKey));
  if (stored) {
    if (stored->size() != mark.size()) return data_loss("{}: the row '{}' is damaged", options.directory, kDefinitionKey);
    const auto known = load_be<std::uint64_t>(stored->data());
    if (known > text.size() || definition_mark(std::string_view(text).substr(0, known)) != *stored)
      return data_loss("the definition's first {} bytes are not those that ledger {} was opened with: lines are added to it, never changed",
                       known, name);
    if (known > 0) RETURN_IF_ERROR(check_new_rules(definition, std::string_view(text).substr(0, known)));
  }
  if (options.read_only || stored == mark) return absl::OkStatus();
  StoreBatch batch;
  batch.put(Family::heads, kDefinitionKey, mark);
  return store->write(batch);
}

absl::Status Ledger::Impl::load_heads() {
  for (const auto& [id, partition] : partitions) {
    ASSIGN_OR_RETURN(const auto row, store->get(Family::heads, head_key(id)));
    PartitionHead head;
    head.root = empty_root();
    head.next_offset = partition->first_offset;
    if (row) {
      const auto stored = parse_head(*row);
      if (!stored) return data_loss("partition {}: its head is damaged", id.name());
      head = *stored;
    }
    RETURN_IF_ERROR(load_partition(*partition, head));
    partition->published_size = head.size;
    absl::MutexLock lock(&heads_mutex);
    heads[id] = head;
  }
  return absl::OkStatus();
}

absl::Status Ledger::Impl::load_partition(LedgerPartition& partition, const PartitionHead& head) {
  if (options.with_ids || !options.read_only) RETURN_IF_ERROR(rebuild_ids(partition, head));
  TileSource source(*this, partition.id, head.size);
  ASSIGN_OR_RETURN(partition.frontier, load_frontier(source, head.size));
  if (partition.frontier.root() != head.root)
    return data_loss("partition {}: the root of {} entries is {}, the head says {}", partition.id.name(), head.size,
                     hex(as_view(partition.frontier.root())), hex(as_view(head.root)));
  if (head.size == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto last, store->at_or_before(Family::payloads, chunk_key(partition.id, kNoSequence)));
  ASSIGN_OR_RETURN(const auto last_entries, store->at_or_before(Family::entries, chunk_key(partition.id, kNoSequence)));
  if (!last || !last_entries || last->key != last_entries->key)
    return data_loss("partition {}: the last payloads do not stand beside the last entries", partition.id.name());
  return absl::OkStatus();
}

// Reads every entry: what stands in the table was accepted, and nothing is missing below the head.
absl::Status Ledger::Impl::rebuild_ids(LedgerPartition& partition, const PartitionHead& head) {
  const std::string which = partition.id.name();
  absl::MutexLock lock(&partition.ids_mutex);
  partition.ids.reserve(head.counts.accepted);
  VerdictCounts counts;
  std::int64_t time = 0;
  std::uint64_t next = 0;
  ProgressMeter meter(options.progress, fmt::format("reading entries of partition {}", which), head.size);
  absl::Status damage;
  const auto take_chunk = [&](Sequence first, std::string_view value) -> absl::Status {
    partition.ids_mutex.AssertHeld();
    if (first.value() != next) return data_loss("{}:{}: the next row of entries begins at {}", which, next, first.value());
    auto chunk = decode_entry_chunk(first, value);
    if (!chunk.ok()) return with_context(chunk.status(), fmt::format("{}:{}", which, next));
    if (chunk->ledger_time_before_ms != time)
      return data_loss("{}:{}: ledger time before it is {}, its row says {}", which, next, time, chunk->ledger_time_before_ms);
    for (std::size_t i = 0; i < chunk->count(); ++i, ++next) {
      const auto entry = decode_entry(chunk->entry(i));
      if (!entry) return data_loss("{}:{}: the bytes are no entry of version 1", which, next);
      time = ledger_time_after(clock, time, *entry);
      if (entry->kind == EntryKind::source_statement) ++counts.statements;
      if (entry->verdict == Verdict::duplicate) ++counts.duplicate;
      if (entry->verdict == Verdict::rejected) ++counts.rejected;
      if (entry->verdict != Verdict::accepted) continue;
      ++counts.accepted;
      for (const Sequence candidate : partition.ids.candidates(entry->fingerprint)) {
        ASSIGN_OR_RETURN(const Entry earlier, this->entry(partition.id, candidate));
        if (earlier.fingerprint == entry->fingerprint)
          return data_loss("{}:{}: accepted, but {}:{} accepted this event already", which, next, which, candidate.value());
      }
      partition.ids.insert(entry->fingerprint, Sequence(next));
    }
    meter.at(next);
    return absl::OkStatus();
  };
  const absl::Status scanned =
      store->scan(Family::entries, chunk_key(partition.id, Sequence(0)), /*bulk=*/true, [&](std::string_view key, std::string_view value) {
        const auto parsed = parse_chunk_key(key);
        if (!parsed) damage = data_loss("{}:{}: the key of the next row of entries is damaged", which, next);
        if (!parsed || parsed->partition != partition.id) return false;
        damage = take_chunk(parsed->first, value);
        return damage.ok();
      });
  RETURN_IF_ERROR(damage);
  RETURN_IF_ERROR(with_context(scanned, fmt::format("{}:{}", which, next)));
  if (next != head.size) return data_loss("{}:{}: the rows end here, the head says {} entries", which, next, head.size);
  if (counts.accepted != head.counts.accepted || counts.duplicate != head.counts.duplicate || counts.rejected != head.counts.rejected ||
      counts.statements != head.counts.statements || time != head.ledger_time_ms)
    return data_loss("partition {}: verdict counts or ledger time of its {} entries are not those of its head", which, head.size);
  return absl::OkStatus();
}

absl::Status Ledger::Impl::compare_with_recorded() {
  absl::MutexLock lock(&file_mutex);
  for (const auto& [id, expected] : recorded.partitions) {
    ASSIGN_OR_RETURN(const PartitionHead head, published(id));
    if (expected.size > head.size) {
      to_reach[id] = expected;
      continue;
    }
    TileSource source(*this, id, head.size);
    ASSIGN_OR_RETURN(const Hash256 root, tree_root(source, expected.size));
    if (root != expected.root)
      return data_loss("partition {}: the root of its first {} entries is {}, {} says {}: this is another history (I9)", id.name(),
                       expected.size, hex(as_view(root)), heads_path(), hex(as_view(expected.root)));
  }
  shorter = !to_reach.empty();
  // Lost notes come back from nowhere, but no answer is wrong without them: it is said, here and by verify, until as many stand again.
  absl::MutexLock notes_lock(&checkpoints_mutex);
  if (recorded.cut_notes > next_cut_note)
    spdlog::error("ledger {}: {} cut notes are stored, {} were: the newest checkpoints are lost, the log's tail is damaged",
                  options.directory, next_cut_note, recorded.cut_notes);
  return absl::OkStatus();
}

absl::Status Ledger::record_heads(bool now) {
  if (impl_->options.read_only) return absl::OkStatus();
  absl::MutexLock lock(&impl_->file_mutex);
  const auto time = std::chrono::steady_clock::now();
  if (!now && time - impl_->recorded_at < std::chrono::seconds(1)) return absl::OkStatus();
  RecordedHeads next = impl_->recorded;
  for (const auto& [id, head] : heads()) {
    // What the file knows beyond the store stays written until the store has it again.
    const auto known = next.partitions.find(id);
    if (known == next.partitions.end() || head.size >= known->second.size) next.partitions[id] = recorded_head(head);
  }
  {
    absl::MutexLock notes_lock(&impl_->checkpoints_mutex);
    next.cut_notes = std::max(next.cut_notes, impl_->next_cut_note);
  }
  impl_->recorded_at = time;
  if (next == impl_->recorded) return absl::OkStatus();
  crash_point("heads_before");
  RETURN_IF_ERROR(write_file_durably(impl_->heads_path(), format_heads(impl_->name, next)));
  crash_point("heads_after");
  impl_->recorded = std::move(next);
  return absl::OkStatus();
}

}  // namespace bukubesar
