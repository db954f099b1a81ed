#include "ledger/ledger.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "base/check.h"
#include "base/status.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"

namespace bukubesar {

std::int64_t ledger_time_after(LedgerClock clock, std::int64_t before_ms, const Entry& entry) {
  const bool trusted = (clock == LedgerClock::kafka && entry.log_append_time) || (clock == LedgerClock::intake && entry.timestamp_present);
  return trusted ? std::max(before_ms, entry.timestamp_ms) : before_ms;
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Ledger::~Ledger() {
  // So that the next start knows the last size, however few seconds ago it was reached.
  if (const absl::Status status = record_heads(/*now=*/true); !status.ok())
    spdlog::error("close ledger {}: heads file: {}", impl_->options.directory, message_of(status));
}

LedgerPartition* Ledger::Impl::find(PartitionId partition) const {
  const auto found = partitions.find(partition);
  return found == partitions.end() ? nullptr : found->second.get();
}

absl::StatusOr<PartitionHead> Ledger::Impl::published(PartitionId partition) const {
  absl::ReaderMutexLock lock(&heads_mutex);
  const auto found = heads.find(partition);
  if (found == heads.end()) return invalid_argument("ledger {} has no partition {}", name, partition.name());
  return found->second;
}

std::vector<PartitionId> Ledger::partitions() const {
  std::vector<PartitionId> ids;
  for (const auto& [id, partition] : impl_->partitions) ids.push_back(id);
  return ids;
}

PartitionHead Ledger::head(PartitionId partition) const {
  const auto head = impl_->published(partition);
  return head.ok() ? *head : PartitionHead{};
}

std::map<PartitionId, PartitionHead> Ledger::heads() const {
  absl::ReaderMutexLock lock(&impl_->heads_mutex);
  return impl_->heads;
}

Cut Ledger::cut() const {
  Cut cut;
  for (const auto& [id, head] : heads()) cut.set(id, head.size);
  return cut;
}

absl::Status Ledger::store_checkpoints(const std::vector<std::pair<PartitionId, std::string>>& notes, const Cut& cut,
                                       std::string_view cut_note) {
  RETURN_IF_ERROR(impl_->store->writable());
  StoreBatch rows;
  for (const auto& [partition, note] : notes) {
    ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
    const std::uint64_t size = cut.size(partition);
    if (size > head.size)
      return invalid_argument("checkpoint of partition {}: size {} is beyond its {} entries", partition.name(), size, head.size);
    rows.put(Family::checkpoints, checkpoint_key(partition, size), note);
  }
  absl::MutexLock lock(&impl_->checkpoints_mutex);
  if (impl_->cut_note_doubtful) RETURN_IF_ERROR(impl_->load_next_cut_note());
  impl_->cut_note_doubtful = false;
  std::string number;
  number.assign(cut_note_key(impl_->next_cut_note).substr(1));
  for (const auto& [partition, size] : cut.sizes()) {
    const std::string key = cut_index_key(partition, size);
    ASSIGN_OR_RETURN(const auto first, impl_->store->get(Family::checkpoints, key));
    if (!first) rows.put(Family::checkpoints, key, number);
  }
  rows.put(Family::checkpoints, cut_note_key(impl_->next_cut_note), cut_note_value(cut, cut_note));
  if (const absl::Status status = impl_->store->write(rows, "checkpoint_logged"); !status.ok()) {
    impl_->cut_note_doubtful = true;
    return status;
  }
  ++impl_->next_cut_note;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> Ledger::newest_cut_note() const {
  ASSIGN_OR_RETURN(const auto row, impl_->store->at_or_before(Family::checkpoints, cut_note_key(~std::uint64_t{0})));
  if (!row || row->key.substr(0, 1) != cut_note_key(0).substr(0, 1)) return std::optional<std::string>();
  auto stored = parse_cut_note_value(row->value);
  if (!stored) return data_loss("the newest cut note is damaged");
  return std::optional<std::string>(std::move(stored->note));
}

absl::StatusOr<std::optional<std::string>> Ledger::first_cut_note_covering(const Cut& cut) const {
  std::uint64_t first = 0;
  std::uint64_t limit = 0;
  {
    absl::MutexLock lock(&impl_->checkpoints_mutex);
    limit = impl_->next_cut_note;
  }
  const auto read = [&](std::uint64_t number) -> absl::StatusOr<StoredCutNote> {
    ASSIGN_OR_RETURN(const auto row, impl_->store->get(Family::checkpoints, cut_note_key(number)));
    auto stored = row ? parse_cut_note_value(*row) : std::nullopt;
    if (!stored) return data_loss("cut note {}: missing or damaged", number);
    return *std::move(stored);
  };
  const std::uint64_t end = limit;
  while (first < limit) {
    const std::uint64_t middle = first + (limit - first) / 2;
    ASSIGN_OR_RETURN(const StoredCutNote stored, read(middle));
    if (stored.cut.covers(cut))
      limit = middle;
    else
      first = middle + 1;
  }
  if (first == end) return std::optional<std::string>();
  ASSIGN_OR_RETURN(StoredCutNote stored, read(first));
  return std::optional<std::string>(std::move(stored.note));
}

absl::StatusOr<Cut> Ledger::cut_of_checkpoint(PartitionId partition, std::uint64_t size) const {
  ASSIGN_OR_RETURN(const auto number_row, impl_->store->get(Family::checkpoints, cut_index_key(partition, size)));
  if (!number_row) return not_found("checkpoint {}/{}: no cut note lists it", partition.name(), size);
  const auto number = parse_number(*number_row);
  if (!number) return data_loss("checkpoint {}/{}: the number of its cut note is damaged", partition.name(), size);
  ASSIGN_OR_RETURN(const auto row, impl_->store->get(Family::checkpoints, cut_note_key(*number)));
  const auto stored = row ? parse_cut_note_value(*row) : std::nullopt;
  if (!stored) return data_loss("cut note {}: missing or damaged", *number);
  return stored->cut;
}

bool Ledger::shorter_than_recorded() const { return impl_->shorter; }

void Ledger::mark_damaged(PartitionId partition, std::string why) {
  absl::MutexLock lock(&impl_->damage_mutex);
  impl_->damaged.try_emplace(partition, std::move(why));
}

std::map<PartitionId, std::string> Ledger::damage() const {
  absl::MutexLock lock(&impl_->damage_mutex);
  return impl_->damaged;
}

std::vector<std::pair<std::string, std::uint64_t>> Ledger::memory_bytes() const {
  auto parts = impl_->store->memory_bytes();
  std::uint64_t ids = 0;
  for (const auto& [id, partition] : impl_->partitions) {
    absl::ReaderMutexLock lock(&partition->ids_mutex);
    ids += partition->ids.memory_bytes();
  }
  parts.emplace_back("id_table", ids);
  parts.emplace_back("chunk_cache", impl_->entry_cache.bytes() + impl_->payload_cache.bytes() + impl_->leaf_tile_cache.bytes() +
                                        impl_->upper_tile_cache.bytes());
  return parts;
}

std::uint64_t Ledger::disk_bytes() const {
  std::uint64_t bytes = 0;
  std::error_code error;  // files come and go while we look: what cannot be seen any more takes no room
  for (auto file = std::filesystem::recursive_directory_iterator(impl_->options.directory, error);
       !error && file != std::filesystem::recursive_directory_iterator(); file.increment(error)) {
    std::error_code gone;
    const auto size = file->file_size(gone);
    if (!gone) bytes += size;
  }
  std::error_code gone;
  const auto heads_size = std::filesystem::file_size(impl_->heads_path(), gone);
  return bytes + (gone ? 0 : heads_size);
}

absl::Status Ledger::flush() {
  if (impl_->options.read_only) return failed_precondition("ledger {} is open for reading only", impl_->options.directory);
  return impl_->store->flush();
}

}  // namespace bukubesar
