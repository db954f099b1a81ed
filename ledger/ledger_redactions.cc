#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/status.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"

namespace bukubesar {

absl::Status Ledger::Impl::load_redactions() {
  std::map<std::pair<PartitionId, Sequence>, std::shared_ptr<const Redaction>> stored;
  absl::Status damage;
  RETURN_IF_ERROR(store->scan(Family::heads, "r", /*bulk=*/false, [&](std::string_view key, std::string_view value) {
    if (key.empty() || key.front() != 'r') return false;
    const auto place = parse_redaction_key(key);
    auto redaction = parse_redaction(value);
    if (!place || !redaction)
      damage = data_loss("{}: a redaction row is damaged: {}", options.directory, hex(key));
    else
      stored[{place->partition, place->sequence}] = std::make_shared<const Redaction>(*std::move(redaction));
    return damage.ok();
  }));
  RETURN_IF_ERROR(damage);
  {
    absl::MutexLock lock(&redactions_mutex);
    redactions = std::move(stored);
  }
  redactions_doubtful = false;
  return absl::OkStatus();
}

// Before the write: whoever finds no payload must find why, or the verdict over a later copy of it would depend on when it came.
void Ledger::Impl::note_redaction(PartitionId partition, Sequence sequence, std::shared_ptr<const Redaction> redaction) {
  absl::MutexLock lock(&redactions_mutex);
  redactions[{partition, sequence}] = std::move(redaction);
}

std::shared_ptr<const Redaction> Ledger::Impl::redaction(PartitionId partition, Sequence sequence) const {
  absl::MutexLock lock(&redactions_mutex);
  const auto found = redactions.find({partition, sequence});
  return found == redactions.end() ? nullptr : found->second;
}

std::shared_ptr<const Redaction> Ledger::redaction(PartitionId partition, Sequence sequence) const {
  return impl_->redaction(partition, sequence);
}

// The row of a chunk, made again without one of its payloads.
absl::StatusOr<std::string> Ledger::Impl::without_payload(const StoredRow& row, PartitionId partition, Sequence sequence) const {
  const auto key = parse_chunk_key(row.key);
  if (!key || key->partition != partition) return data_loss("{}:{}: no row holds the payload", partition.name(), sequence.value());
  auto chunk = decode_payload_chunk(key->first, row.value);
  if (!chunk.ok()) return with_context(chunk.status(), fmt::format("{}:{}", partition.name(), key->first.value()));
  const std::uint64_t index = sequence - key->first;
  if (index >= (*chunk)->payloads.size()) return data_loss("{}:{}: no row holds the payload", partition.name(), sequence.value());
  if (!(*chunk)->payloads[index])
    return failed_precondition("{}:{}: only the hash of this payload is kept", partition.name(), sequence.value());
  std::vector<std::string_view> kept;
  kept.reserve((*chunk)->payloads.size());
  for (const auto& payload : (*chunk)->payloads) kept.push_back(payload.value_or(std::string_view()));
  kept[index] = {};
  return encode_payload_chunk(kept.data(), kept.size());
}

absl::Status Ledger::redact(PartitionId partition, Sequence sequence, Redaction redaction) {
  RETURN_IF_ERROR(writable());
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (sequence.value() >= head.size)
    return out_of_range("{}:{}: the partition has {} entries", partition.name(), sequence.value(), head.size);
  if (const auto erased = impl_->redaction(partition, sequence))
    return failed_precondition("{}:{}: erased already, by the redaction reference:{}", partition.name(), sequence.value(),
                               erased->by.value());
  ASSIGN_OR_RETURN(const auto row, impl_->store->at_or_before(Family::payloads, chunk_key(partition, sequence)));
  if (!row) return data_loss("{}:{}: no row holds the payload", partition.name(), sequence.value());
  ASSIGN_OR_RETURN(std::string rewritten, impl_->without_payload(*row, partition, sequence));
  redaction.gone = false;
  StoreBatch batch;
  batch.put(Family::payloads, row->key, std::move(rewritten));
  batch.put(Family::heads, redaction_key(partition, sequence), redaction_value(redaction));
  crash_point("redaction_before");
  impl_->note_redaction(partition, sequence, std::make_shared<const Redaction>(std::move(redaction)));
  const absl::Status written = impl_->store->write(batch, "redaction_logged");
  if (!written.ok()) impl_->redactions_doubtful = true;
  crash_point("redaction_rewritten");
  ++impl_->chunks_rewritten;
  impl_->payload_cache.erase(partition, parse_chunk_key(row->key)->first.value());
  return written;
}

absl::Status Ledger::finish_redactions() {
  RETURN_IF_ERROR(writable());
  std::map<std::pair<PartitionId, Sequence>, std::shared_ptr<const Redaction>> begun;
  {
    absl::MutexLock lock(&impl_->redactions_mutex);
    for (const auto& [place, redaction] : impl_->redactions)
      if (!redaction->gone) begun.emplace(place, redaction);
  }
  if (begun.empty()) return absl::OkStatus();
  std::set<std::string> rows;
  StoreBatch batch;
  absl::Status damage;  // of one partition: the others' are finished
  for (auto& [place, redaction] : begun) {
    const auto row = impl_->store->at_or_before(Family::payloads, chunk_key(place.first, place.second));
    damage.Update(row.status());
    if (row.ok() && !*row) damage.Update(data_loss("{}:{}: no row holds the payload", place.first.name(), place.second.value()));
    if (!row.ok() || !*row) continue;
    rows.insert((*row)->key);
    auto done = std::make_shared<Redaction>(*redaction);
    done->gone = true;
    batch.put(Family::heads, redaction_key(place.first, place.second), redaction_value(*done));
    redaction = std::move(done);
  }
  RETURN_IF_ERROR(impl_->store->forget_overwritten(Family::payloads, rows));
  RETURN_IF_ERROR(impl_->store->write(batch, "redaction_logged"));
  crash_point("redaction_finished");
  absl::MutexLock lock(&impl_->redactions_mutex);
  for (auto& [place, redaction] : begun) impl_->redactions[place] = std::move(redaction);
  return damage;
}

}  // namespace bukubesar
