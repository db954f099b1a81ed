#include <algorithm>
#include <chrono>
#include <functional>
#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/status.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"
#include "ledger/statement.h"

namespace bukubesar {

namespace {

// Turns one batch into rows, checking I1 and I3 on the way. Holds what the partition will be after the commit.
class PartBuilder {
 public:
  PartBuilder(LedgerClock clock, const PartitionBatch& batch, const PartitionHead& head, const Frontier& frontier,
              const RecordedHead* to_reach, StoreBatch& rows)
      : clock_(clock), batch_(batch), head_(head), frontier_(frontier), to_reach_(to_reach), rows_(rows) {}

  absl::Status build();
  [[nodiscard]] const PartitionHead& head() const { return head_; }
  [[nodiscard]] const Frontier& frontier() const { return frontier_; }
  [[nodiscard]] std::uint64_t payload_bytes() const { return payload_bytes_; }

 private:
  absl::Status add(std::size_t index);
  absl::Status check_payload(std::size_t index) const;
  absl::Status add_statement(std::size_t index);
  absl::Status add_record(const Entry& entry);
  void count(const Entry& entry);
  void end_run();
  void grow_tree();
  void end_chunk(std::size_t limit);
  void put_tree();
  template <class... Args>
  [[nodiscard]] absl::Status refuse(fmt::format_string<Args...> format, Args&&... args) const {
    return invalid_argument("{}:{}: {}", batch_.partition.name(), head_.size, fmt::format(format, std::forward<Args>(args)...));
  }

  const LedgerClock clock_;
  const PartitionBatch& batch_;
  PartitionHead head_;
  Frontier frontier_;
  const RecordedHead* const to_reach_;  // null where the store is as long as recorded
  StoreBatch& rows_;
  std::uint64_t payload_bytes_ = 0;
  std::size_t gap_ = 0;  // the next gap of the batch
  OffsetRun run_;        // the open run of records; count 0: none
  // The open chunk.
  std::size_t chunk_first_ = 0;
  std::size_t chunk_payload_bytes_ = 0;
  std::int64_t chunk_ledger_time_ms_ = 0;
  std::string chunk_entries_;
  std::size_t bytes_in_tree_ = 0;  // of chunk_entries_
  std::vector<Subtree> completed_;
};

absl::Status PartBuilder::build() {
  if (batch_.entries.empty()) return refuse("a part of a commit without entries");
  if (batch_.payloads.size() != batch_.entries.size())
    return refuse("{} payloads beside {} entries", batch_.payloads.size(), batch_.entries.size());
  if (batch_.first.value() != head_.size) return refuse("I1: the batch begins at {}", batch_.first.value());
  chunk_ledger_time_ms_ = head_.ledger_time_ms;
  chunk_entries_.reserve(kChunkEntriesMax * kEntryBytes);
  for (std::size_t i = 0; i < batch_.entries.size(); ++i) RETURN_IF_ERROR(add(i));
  end_run();
  end_chunk(batch_.entries.size());
  put_tree();
  for (const auto& [index, redaction] : batch_.redactions)
    rows_.put(Family::heads, redaction_key(batch_.partition, batch_.first + index), redaction_value(*redaction));
  if (gap_ != batch_.gaps.size()) return refuse("I3: gap {} ends at no entry of the batch", batch_.gaps[gap_].first.value());
  if (batch_.epoch != head_.epoch || batch_.next_offset != head_.next_offset)
    return refuse("I3: the batch ends at epoch {} offset {}, its entries at epoch {} offset {}", batch_.epoch.value(),
                  batch_.next_offset.value(), head_.epoch.value(), head_.next_offset.value());
  head_.root = frontier_.root();
  rows_.put(Family::heads, head_key(batch_.partition), head_value(head_));
  return absl::OkStatus();
}

absl::Status PartBuilder::add(std::size_t index) {
  const Entry& entry = batch_.entries[index];
  if (!valid(entry)) return refuse("the fields of the entry do not fit together");
  RETURN_IF_ERROR(check_payload(index));
  RETURN_IF_ERROR(entry.kind == EntryKind::source_statement ? add_statement(index) : add_record(entry));
  const std::string_view payload = batch_.payloads[index];
  const std::size_t in_chunk = index - chunk_first_;
  if (in_chunk == kChunkEntriesMax || (in_chunk > 0 && chunk_payload_bytes_ + payload.size() > kChunkPayloadBytesMax)) end_chunk(index);
  chunk_payload_bytes_ += payload.size();
  payload_bytes_ += payload.size();
  const std::size_t at = chunk_entries_.size();
  chunk_entries_.resize(at + kEntryBytes);
  encode_entry(entry, chunk_entries_.data() + at);
  count(entry);
  if (to_reach_ == nullptr || head_.size != to_reach_->size) return absl::OkStatus();
  grow_tree();
  if (frontier_.root() != to_reach_->root)
    return data_loss("partition {}: I9: read again, its first {} entries have root {}, recorded was {}: another history, nothing is stored",
                     batch_.partition.name(), head_.size, hex(as_view(frontier_.root())), hex(as_view(to_reach_->root)));
  return absl::OkStatus();
}

absl::Status PartBuilder::check_payload(std::size_t index) const {
  const Entry& entry = batch_.entries[index];
  const std::string_view payload = batch_.payloads[index];
  if (payload.data() == nullptr) {
    if (batch_.redactions.count(index) != 0) return absl::OkStatus();
    if (entry.payload_size <= kPayloadBytesMax) return refuse("a payload of {} bytes is not given", entry.payload_size);
    return absl::OkStatus();
  }
  if (payload.size() > kPayloadBytesMax) return refuse("a payload of {} bytes is kept as hash only", payload.size());
  if (payload.size() != entry.payload_size) return refuse("payload of {} bytes, the entry says {}", payload.size(), entry.payload_size);
  return absl::OkStatus();
}

// A new epoch begins where the definition's line says: after these entries, with this root.
absl::Status PartBuilder::add_statement(std::size_t index) {
  const Entry& entry = batch_.entries[index];
  const std::string_view payload = batch_.payloads[index];
  const auto stated = parse_statement_payload(payload);
  if (!stated) return refuse("the payload of the source statement is no line of a definition");
  if (sha256(payload) != entry.payload_hash) return refuse("the payload of the source statement has another hash");
  if (entry.epoch != head_.epoch + 1) return refuse("I3: epoch {} after epoch {}", entry.epoch.value(), head_.epoch.value());
  if (stated->partition != batch_.partition || stated->epoch != entry.epoch)
    return refuse("the source statement is for partition {} epoch {}", stated->partition.name(), stated->epoch.value());
  grow_tree();
  if (stated->size != head_.size || stated->root != frontier_.root())
    return refuse("the source statement continues from {} entries with root {}, here are {} with root {}", stated->size,
                  hex(as_view(stated->root)), head_.size, hex(as_view(frontier_.root())));
  end_run();
  head_.epoch = entry.epoch;
  head_.next_offset = stated->first_offset;
  return absl::OkStatus();
}

absl::Status PartBuilder::add_record(const Entry& entry) {
  if (entry.epoch != head_.epoch) return refuse("I3: a record of epoch {} in epoch {}", entry.epoch.value(), head_.epoch.value());
  if (entry.verdict == Verdict::duplicate && entry.duplicate_of.value() >= head_.size)
    return refuse("duplicate of {}, which does not stand before it", entry.duplicate_of.value());
  if (entry.offset < head_.next_offset) return refuse("I3: offset {} comes after {}", entry.offset.value(), head_.next_offset.value() - 1);
  if (entry.offset > head_.next_offset) {
    const Gap want{head_.epoch, head_.next_offset, entry.offset};
    if (gap_ == batch_.gaps.size() || batch_.gaps[gap_] != want)
      return refuse("I3: offsets {} … {} are neither records nor a gap", want.first.value(), want.limit.value() - 1);
    ++gap_;
    end_run();
    const auto count = static_cast<std::uint64_t>(want.limit - want.first);
    rows_.put(Family::offsets, offset_key(batch_.partition, head_.epoch, want.first),
              offset_value({batch_.partition, head_.epoch, want.first, /*gap=*/true, Sequence(0), count}));
    head_.gap_offsets += count;
  }
  if (run_.count == 0) run_ = {batch_.partition, entry.epoch, entry.offset, /*gap=*/false, Sequence(head_.size), 0};
  ++run_.count;
  head_.next_offset = entry.offset + 1;
  ++head_.records;
  return absl::OkStatus();
}

void PartBuilder::count(const Entry& entry) {
  ++head_.size;
  head_.ledger_time_ms = ledger_time_after(clock_, head_.ledger_time_ms, entry);
  switch (entry.verdict) {
    case Verdict::none:
      ++head_.counts.statements;
      break;
    case Verdict::accepted:
      ++head_.counts.accepted;
      break;
    case Verdict::duplicate:
      ++head_.counts.duplicate;
      break;
    case Verdict::rejected:
      ++head_.counts.rejected;
      break;
  }
}

void PartBuilder::end_run() {
  if (run_.count == 0) return;
  rows_.put(Family::offsets, offset_key(run_.partition, run_.epoch, run_.first), offset_value(run_));
  run_.count = 0;
}

// The tree takes the open chunk's entries together, since many hashes at once cost less. Before anybody asks for its root.
void PartBuilder::grow_tree() {
  frontier_.append_all(leaf_hashes(std::string_view(chunk_entries_).substr(bytes_in_tree_), kEntryBytes), completed_);
  bytes_in_tree_ = chunk_entries_.size();
}

// Writes the chunk of the entries [chunk_first_, limit) of the batch.
void PartBuilder::end_chunk(std::size_t limit) {
  grow_tree();
  const std::string key = chunk_key(batch_.partition, batch_.first + chunk_first_);
  rows_.put(Family::entries, key, encode_entry_chunk(chunk_entries_, chunk_ledger_time_ms_));
  rows_.put(Family::payloads, key, encode_payload_chunk(batch_.payloads.data() + chunk_first_, limit - chunk_first_));
  chunk_first_ = limit;
  chunk_payload_bytes_ = 0;
  chunk_ledger_time_ms_ = head_.ledger_time_ms;
  chunk_entries_.clear();
  bytes_in_tree_ = 0;
}

void PartBuilder::put_tree() {
  for (const Subtree& subtree : completed_)
    rows_.put(Family::tree, tree_key(batch_.partition, subtree.height / kTileHeight, subtree.index), std::string(as_view(subtree.hash)));
}

// The accepted ids of one commit, in the tables from before the write on; taken out again where nothing is written.
class IdClaims {
 public:
  ~IdClaims() {
    if (kept_) return;
    for (auto claim = claims_.rbegin(); claim != claims_.rend(); ++claim) {
      absl::MutexLock lock(&claim->partition->ids_mutex);
      claim->partition->ids.erase(*claim->fingerprint, claim->sequence);
    }
  }
  // entry_at: the committed entry with this sequence.
  absl::Status claim(LedgerPartition& partition, const PartitionBatch& batch,
                     const std::function<absl::StatusOr<Entry>(Sequence)>& entry_at) {
    absl::MutexLock lock(&partition.ids_mutex);
    for (std::size_t i = 0; i < batch.entries.size(); ++i) {
      if (const std::size_t ahead = i + IdTable::kPrefetchAhead; ahead < batch.entries.size())
        partition.ids.prefetch(batch.entries[ahead].fingerprint);
      const Entry& entry = batch.entries[i];
      if (entry.verdict != Verdict::accepted && entry.verdict != Verdict::duplicate) continue;
      bool first_named = false;
      for (const Sequence candidate : partition.ids.candidates(entry.fingerprint)) {
        Entry earlier;
        if (candidate >= batch.first) {
          BB_CHECK(candidate - batch.first < i, "ids beyond the head are of this batch");
          earlier = batch.entries[candidate - batch.first];
        } else {
          ASSIGN_OR_RETURN(earlier, entry_at(candidate));
        }
        if (earlier.fingerprint != entry.fingerprint) continue;
        if (entry.verdict == Verdict::accepted)
          return invalid_argument("{}:{}: I4: the event was accepted already, as {}", batch.partition.name(), batch.first.value() + i,
                                  candidate.value());
        first_named = first_named || candidate == entry.duplicate_of;
      }
      if (entry.verdict == Verdict::duplicate && !first_named)
        return invalid_argument("{}:{}: I4: duplicate of {}, which did not accept this event", batch.partition.name(),
                                batch.first.value() + i, entry.duplicate_of.value());
      if (entry.verdict != Verdict::accepted) continue;
      partition.ids.insert(entry.fingerprint, batch.first + i);
      claims_.push_back({&partition, &entry.fingerprint, batch.first + i});
    }
    return absl::OkStatus();
  }
  void keep() { kept_ = true; }
  [[nodiscard]] std::vector<WrittenCommit::Id> ids() const {
    std::vector<WrittenCommit::Id> all;
    all.reserve(claims_.size());
    for (const Claim& claim : claims_) all.push_back({claim.partition, *claim.fingerprint, claim.sequence});
    return all;
  }

 private:
  struct Claim {
    LedgerPartition* partition;
    const Fingerprint* fingerprint;
    Sequence sequence;
  };
  std::vector<Claim> claims_;
  bool kept_ = false;
};

absl::Status check_shape(const Commit& commit) {
  std::set<PartitionId> seen;
  std::size_t entries = 0;
  for (const PartitionBatch& part : commit.parts) {
    if (!seen.insert(part.partition).second) return invalid_argument("commit: partition {} stands twice", part.partition.name());
    entries += part.entries.size();
  }
  if (entries == 0 || entries > kCommitEntriesMax) return invalid_argument("commit: {} entries, want 1 … {}", entries, kCommitEntriesMax);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommitCost> Ledger::commit(const Commit& commit) {
  const auto started = std::chrono::steady_clock::now();
  // After a write whose outcome is unknown the id tables hold its ids: nothing more is judged by them.
  RETURN_IF_ERROR(writable());
  RETURN_IF_ERROR(check_shape(commit));
  CommitCost cost;
  StoreBatch rows;
  IdClaims claims;
  std::vector<std::unique_ptr<PartBuilder>> builders;
  for (const PartitionBatch& part : commit.parts) {
    ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(part.partition));
    if (part.first.value() != head.size)
      return invalid_argument("{}:{}: I1: the batch begins at {}", part.partition.name(), head.size, part.first.value());
    LedgerPartition& partition = *impl_->find(part.partition);
    RETURN_IF_ERROR(claims.claim(partition, part, [&](Sequence sequence) { return impl_->entry(part.partition, sequence); }));
    const auto to_reach = impl_->to_reach.find(part.partition);
    builders.push_back(std::make_unique<PartBuilder>(impl_->clock, part, head, partition.frontier,
                                                     to_reach == impl_->to_reach.end() ? nullptr : &to_reach->second, rows));
    RETURN_IF_ERROR(builders.back()->build());
    cost.entries += part.entries.size();
    cost.payload_bytes += builders.back()->payload_bytes();
  }
  cost.stored_bytes = rows.bytes();
  cost.build_us = microseconds_since(started);
  const auto writing = std::chrono::steady_clock::now();
  // From here on the outcome may be unknown, and ids of what may be stored are not given up.
  claims.keep();
  crash_point("commit_before");
  WrittenCommit written;
  for (std::size_t i = 0; i < builders.size(); ++i)
    written.parts.push_back({commit.parts[i].partition, builders[i]->head(), builders[i]->frontier()});
  for (const PartitionBatch& part : commit.parts)
    for (const auto& [index, redaction] : part.redactions) impl_->note_redaction(part.partition, part.first + index, redaction);
  if (const absl::Status status = impl_->store->write(rows); !status.ok()) {
    written.ids = claims.ids();
    impl_->redactions_doubtful = true;
    impl_->doubtful = std::move(written);
    return status;
  }
  crash_point("commit_after");
  cost.write_us = microseconds_since(writing);
  impl_->publish(written);
  return cost;
}

void Ledger::Impl::publish(const WrittenCommit& commit) {
  {
    absl::MutexLock lock(&heads_mutex);
    for (const WrittenCommit::Part& part : commit.parts) {
      heads[part.partition] = part.head;
      find(part.partition)->published_size = part.head.size;  // with the head: who sees the one finds the ids below the other
    }
  }
  for (const WrittenCommit::Part& part : commit.parts) {
    LedgerPartition& partition = *find(part.partition);
    partition.frontier = part.frontier;
    const auto reached = to_reach.find(part.partition);
    if (reached != to_reach.end() && part.head.size >= reached->second.size) to_reach.erase(reached);
  }
  shorter = !to_reach.empty();
}

absl::Status Ledger::writable() const {
  RETURN_IF_ERROR(impl_->store->writable());
  return impl_->redactions_doubtful ? unavailable("what the last erasure wrote has not been read back yet") : absl::OkStatus();
}

absl::Status Ledger::reopen() {
  RETURN_IF_ERROR(impl_->store->reopen());
  if (impl_->redactions_doubtful) RETURN_IF_ERROR(impl_->load_redactions());
  RETURN_IF_ERROR(record_heads(/*now=*/true));
  WrittenCommit doubtful = impl_->doubtful.value_or(WrittenCommit{});
  std::size_t stored_parts = 0;
  for (const auto& [id, published] : heads()) {
    ASSIGN_OR_RETURN(const auto row, impl_->store->get(Family::heads, head_key(id)));
    const auto stored = row ? parse_head(*row) : std::nullopt;
    if (row && !stored) return data_loss("partition {}: its head is damaged", id.name());
    const auto is = [&](const PartitionHead& head) {
      return stored ? stored->size == head.size && stored->root == head.root : head.size == 0;
    };
    const bool is_doubtful = std::any_of(doubtful.parts.begin(), doubtful.parts.end(),
                                         [&, which = id](const auto& part) { return part.partition == which && is(part.head); });
    if (is_doubtful) ++stored_parts;
    if (!is_doubtful && !is(published))
      return data_loss("partition {}: opened anew, the store has {} entries where {} were acknowledged", id.name(),
                       stored ? stored->size : 0, published.size);
  }
  if (stored_parts != 0 && stored_parts != doubtful.parts.size())
    return data_loss("opened anew, the store has {} of the last commit's {} parts", stored_parts, doubtful.parts.size());
  if (stored_parts != 0) {
    impl_->publish(doubtful);
  } else {
    for (auto id = doubtful.ids.rbegin(); id != doubtful.ids.rend(); ++id) {
      absl::MutexLock lock(&id->partition->ids_mutex);
      id->partition->ids.erase(id->fingerprint, id->sequence);
    }
  }
  impl_->doubtful.reset();
  return absl::OkStatus();
}

}  // namespace bukubesar
