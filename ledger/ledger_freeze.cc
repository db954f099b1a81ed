#include <spdlog/spdlog.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "ledger/ledger_impl.h"

namespace bukubesar {

absl::Status Ledger::freeze(const std::string& directory) const {
  if (shorter_than_recorded())
    return failed_precondition("ledger {} is shorter than was recorded outside it: there is nothing whole to copy", impl_->name);
  for (const auto& [partition, why] : damage())
    return failed_precondition("partition {} is damaged, and a copy of it would be too: {}", partition.name(), why);
  // Before the store: what the file says was there then, and the store only grows.
  ASSIGN_OR_RETURN(const std::string heads_file, read_file(impl_->heads_path()));
  RETURN_IF_ERROR(make_directories(directory));
  RETURN_IF_ERROR(impl_->store->copy_to(directory + "/ledger"));
  return write_file_durably(directory + "/ledger.heads", heads_file);
}

absl::Status Ledger::expect(PartitionId partition, std::uint64_t size, const Hash256& root, std::string_view who_says) {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (size <= head.size) {
    ASSIGN_OR_RETURN(const Hash256 ours, this->root(partition, size));
    if (ours == root) return absl::OkStatus();
    return data_loss("partition {}: the root of its first {} entries is {}, {} says {}: this is another history (I9)", partition.name(),
                     size, hex(as_view(ours)), who_says, hex(as_view(root)));
  }
  absl::MutexLock lock(&impl_->file_mutex);
  RecordedHead& recorded = impl_->recorded.partitions[partition];
  if (recorded.size >= size) return absl::OkStatus();
  RecordedHeads next = impl_->recorded;
  next.partitions[partition] = {size, root, head.epoch, head.next_offset};
  RETURN_IF_ERROR(write_file_durably(impl_->heads_path(), format_heads(impl_->name, next)));
  impl_->recorded = std::move(next);
  impl_->to_reach[partition] = impl_->recorded.partitions[partition];
  impl_->shorter = true;
  spdlog::warn("partition {}: {} says that it had {} entries, here are {}: no reads and no signing until they are read again",
               partition.name(), who_says, size, head.size);
  return absl::OkStatus();
}

}  // namespace bukubesar
