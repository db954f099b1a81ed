#include "consumers/batcher.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/sha256_many.h"
#include "base/status.h"
#include "events/event_digest.h"
#include "events/payload.h"

namespace bukubesar {

namespace {
constexpr std::size_t kLookBackRun = 256;  // entries fetched with a first copy
constexpr std::size_t kRunRecords = 32;    // hashed together, decoded, then looked up together
}  // namespace

Batcher::Batcher(BatcherOptions options)
    : options_(std::move(options)),
      judge_(Routing{parse_partitioner(options_.definition->partitioner).value_or(Partitioner::murmur2), options_.definition->partitions}),
      inbox_(options_.partitions.size()),
      parts_(options_.partitions.size()) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const PartitionHead head = options_.ledger->head(options_.partitions[i]);
    parts_[i].ledger_time_ms = head.ledger_time_ms;
    start_part(i, Sequence(head.size), head.epoch, head.next_offset);
  }
}

void Batcher::start_part(std::size_t index, Sequence first, Epoch epoch, Offset next_offset) {
  PartitionBatch& batch = parts_[index].batch;
  batch = {};
  batch.partition = options_.partitions[index];
  batch.first = first;
  batch.epoch = epoch;
  batch.next_offset = next_offset;
  PulledPartition& inbox = inbox_[index];
  const std::size_t likely = inbox.batch.records.size();
  inbox = {};
  inbox.batch.partition = options_.partitions[index];
  inbox.batch.epoch = epoch;
  inbox.batch.records.reserve(likely);
}

absl::Status Batcher::judge_new() {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    RecordBatch& inbox = inbox_[i].batch;
    cut_at_limit(i);
    while (part.batch.entries.size() < inbox.records.size()) {
      const auto rest = std::span(inbox.records).subspan(part.batch.entries.size());
      RETURN_IF_ERROR(judge_run(part, rest.first(std::min(rest.size(), kRunRecords)), *inbox.arena));
    }
  }
  return absl::OkStatus();
}

void Batcher::cut_at_limit(std::size_t index) {
  if (index >= options_.size_limits.size() || !options_.size_limits[index]) return;
  PulledPartition& inbox = inbox_[index];
  const std::uint64_t room = *options_.size_limits[index] - std::min(parts_[index].batch.first.value(), *options_.size_limits[index]);
  if (inbox.batch.records.size() < room) return;
  limit_reached_ = true;
  inbox.batch.records.resize(room);
  const Offset end = inbox.batch.records.empty() ? parts_[index].batch.next_offset : inbox.batch.records.back().offset;
  std::erase_if(inbox.gaps, [&](const Gap& gap) { return gap.limit > end; });
}

// A run's payloads are hashed together, which costs less, and its ids are looked up after all of it was decoded: each look-up waits for
// memory, and so they wait together.
absl::Status Batcher::judge_run(Part& part, std::span<const Record> records, Arena& arena) {
  std::array<Judged, kRunRecords> run;
  std::array<std::string_view, kRunRecords> payloads;
  std::array<Hash256, kRunRecords> hashes;
  std::array<std::optional<Sequence>, kRunRecords> stored;
  for (std::size_t i = 0; i < records.size(); ++i) payloads[i] = records[i].payload;
  sha256_many(std::span(payloads).first(records.size()), std::span(hashes).first(records.size()));
  for (std::size_t i = 0; i < records.size(); ++i) {
    run[i] = judge(part, records[i], hashes[i], arena);
    part.uncommitted_ids.prefetch(run[i].entry.fingerprint);
  }
  RETURN_IF_ERROR(find_stored(part, std::span(run).first(records.size()), stored));
  for (std::size_t i = 0; i < records.size(); ++i) {
    PartitionBatch& batch = part.batch;
    const Record& record = records[i];
    auto& [entry, event] = run[i];
    BB_CHECK(record.offset >= batch.next_offset, "I3: offsets ascend");
    if (entry.verdict == Verdict::accepted) RETURN_IF_ERROR(find_duplicate(part, record.payload, stored[i], entry));
    batch.entries.push_back(entry);
    batch.payloads.push_back(record.payload.size() <= kPayloadBytesMax ? record.payload : std::string_view());
    batch.events.push_back(entry.verdict == Verdict::accepted ? event : nullptr);
    batch.next_offset = record.offset + 1;
    ++records_;
    bytes_ += record.payload.size();
    part.grown += record.payload.size();
  }
  return absl::OkStatus();
}

Batcher::Judged Batcher::judge(Part& part, const Record& record, const Hash256& payload_hash, Arena& arena) {
  const PartitionBatch& batch = part.batch;
  Entry entry;
  entry.timestamp_present = record.timestamp_type != TimestampType::none;
  entry.log_append_time = record.timestamp_type == TimestampType::log_append_time;
  entry.timestamp_ms = record.timestamp_ms;
  part.ledger_time_ms = ledger_time_after(options_.definition->clock, part.ledger_time_ms, entry);
  entry.rules_version = options_.definition->rules_version(batch.partition, batch.epoch, record.offset, part.ledger_time_ms);
  entry.epoch = batch.epoch;
  entry.offset = record.offset;
  entry.payload_size = static_cast<std::uint32_t>(record.payload.size());
  entry.payload_hash = payload_hash;
  Judgement judgement;
  if (record.payload.size() <= kPayloadBytesMax) {
    judgement = judge_.judge(entry.rules_version, batch.partition, record.payload, arena);
  } else {
    judgement.reason = Reason::oversize;
  }
  entry.verdict = judgement.reason == Reason::none ? Verdict::accepted : Verdict::rejected;
  entry.reason = judgement.reason;
  entry.fingerprint = judgement.fingerprint;
  return {entry, judgement.event};
}

// Whether it is there makes no difference to what was rejected, and what cannot be read then need not stop the intake.
absl::Status Batcher::find_stored(const Part& part, std::span<const Judged> run, std::span<std::optional<Sequence>> stored) const {
  std::array<Fingerprint, kRunRecords> ids;
  std::array<std::size_t, kRunRecords> of;
  std::array<std::optional<Sequence>, kRunRecords> found;
  std::size_t count = 0;
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (run[i].entry.verdict != Verdict::accepted) continue;
    ids[count] = run[i].entry.fingerprint;
    of[count++] = i;
  }
  RETURN_IF_ERROR(options_.ledger->find_accepted(part.batch.partition, std::span(ids).first(count), std::span(found).first(count)));
  for (std::size_t k = 0; k < count; ++k) stored[of[k]] = found[k];
  return absl::OkStatus();
}

absl::Status Batcher::find_duplicate(Part& part, std::string_view payload, std::optional<Sequence> stored, Entry& entry) {
  if (const std::optional<Sequence> first = find_uncommitted(part, entry.fingerprint)) {
    const PartitionBatch& holder = holder_of(part, *first);
    const std::string_view first_payload = holder.payloads[*first - holder.first];
    entry.verdict = Verdict::duplicate;
    entry.reason = first_payload == payload || same_event(first_payload, payload) ? Reason::same : Reason::different;
    entry.duplicate_of = *first;
  } else if (stored) {
    ASSIGN_OR_RETURN(entry.reason, compare_with_stored(part, *stored, payload, entry.payload_hash));
    entry.verdict = Verdict::duplicate;
    entry.duplicate_of = *stored;
  } else {
    part.uncommitted_ids.insert(entry.fingerprint, part.batch.first + part.batch.entries.size());
  }
  return absl::OkStatus();
}

std::optional<Sequence> Batcher::find_uncommitted(const Part& part, const Fingerprint& fingerprint) {
  for (const Sequence candidate : part.uncommitted_ids.candidates(fingerprint)) {
    const PartitionBatch& holder = holder_of(part, candidate);
    if (holder.entries[candidate - holder.first].fingerprint == fingerprint) return candidate;
  }
  return std::nullopt;
}

const PartitionBatch& Batcher::holder_of(const Part& part, Sequence sequence) {
  if (sequence >= part.batch.first) return part.batch;
  const auto after = std::find_if(part.taken.begin(), part.taken.end(), [&](const PartitionBatch* one) { return sequence < one->first; });
  BB_CHECK(after != part.taken.begin(), "an uncommitted entry is in a batch that was not forgotten");
  return **std::prev(after);
}

absl::StatusOr<Reason> Batcher::compare_with_stored(Part& part, Sequence first, std::string_view payload, const Hash256& hash) {
  StoredRun& run = part.last_run;
  if (run.entries.empty() || first < run.entries.front().sequence || first > run.entries.back().sequence) {
    ASSIGN_OR_RETURN(run, options_.ledger->read(part.batch.partition, first, kLookBackRun));
  }
  if (run.entries.empty()) return data_loss("entry {}:{} is not there", part.batch.partition.name(), first.value());
  const StoredEntry& stored = run.entries[first - run.entries.front().sequence];
  if (stored.entry.payload_hash == hash) return Reason::same;
  // Erased since: the verdict must not depend on when.
  if (stored.redaction != nullptr) return stored.redaction->event_digest == event_digest(payload) ? Reason::same : Reason::different;
  if (!stored.payload) return Reason::different;
  return same_event(*stored.payload, payload) ? Reason::same : Reason::different;
}

std::shared_ptr<const Commit> Batcher::take() {
  auto commit = std::make_shared<Commit>();
  commit->parts.reserve(parts_.size());  // its batches stay where they are
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Part& part = parts_[i];
    if (part.batch.entries.empty()) continue;
    part.batch.gaps = std::move(inbox_[i].gaps);
    part.batch.keep_alive.push_back(inbox_[i].batch.arena);
    const Sequence next = part.batch.first + part.batch.entries.size();
    const Epoch epoch = part.batch.epoch;
    const Offset next_offset = part.batch.next_offset;
    part.taken.push_back(&commit->parts.emplace_back(std::move(part.batch)));
    start_part(i, next, epoch, next_offset);
  }
  records_ = 0;
  bytes_ = 0;
  taken_.push_back(commit);
  return commit;
}

void Batcher::forget_oldest() {
  BB_CHECK(!taken_.empty(), "a commit that returned was taken");
  const std::shared_ptr<const Commit> commit = std::move(taken_.front());
  taken_.pop_front();
  auto batch = commit->parts.begin();  // in the order of the parts
  for (Part& part : parts_) {
    if (batch == commit->parts.end() || part.batch.partition != batch->partition) continue;
    forget(part, *batch++);
    part.taken.pop_front();
  }
}

void Batcher::forget(Part& part, const PartitionBatch& batch) {
  for (std::size_t i = 0; i < batch.entries.size(); ++i) {
    if (const std::size_t ahead = i + IdTable::kPrefetchAhead; ahead < batch.entries.size())
      part.uncommitted_ids.prefetch(batch.entries[ahead].fingerprint);
    if (batch.entries[i].verdict == Verdict::accepted) part.uncommitted_ids.erase(batch.entries[i].fingerprint, batch.first + i);
  }
}

std::uint64_t Batcher::grown(std::size_t partition) { return std::exchange(parts_[partition].grown, 0); }

}  // namespace bukubesar
