// Checkpoints as they are served: the note that was signed, with the cosignatures that came later.
#include "base/status.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"
#include "ledger/signer.h"

namespace bukubesar {

absl::StatusOr<std::string> Ledger::Impl::with_cosignatures(PartitionId partition, std::uint64_t size, std::string note) const {
  absl::Status damage;
  const std::string first = cosignature_key(partition, size, "");
  RETURN_IF_ERROR(store->scan(Family::checkpoints, first, /*bulk=*/false, [&](std::string_view key, std::string_view value) {
    if (key.substr(0, first.size()) != first) return false;
    const auto stored = parse_cosignature_value(value);
    if (stored)
      note += stored->line;
    else
      damage = data_loss("checkpoint {}/{}: a cosignature is damaged", partition.name(), size);
    return damage.ok();
  }));
  RETURN_IF_ERROR(damage);
  return note;
}

absl::StatusOr<std::optional<std::string>> Ledger::newest_checkpoint(PartitionId partition) const {
  ASSIGN_OR_RETURN(auto row, impl_->store->at_or_before(Family::checkpoints, checkpoint_key(partition, ~std::uint64_t{0})));
  const auto key = row ? parse_checkpoint_key('c', row->key) : std::nullopt;
  if (!key || key->partition != partition) return std::optional<std::string>();
  ASSIGN_OR_RETURN(std::string note, impl_->with_cosignatures(partition, key->size, std::move(row->value)));
  return std::optional<std::string>(std::move(note));
}

absl::StatusOr<std::optional<std::string>> Ledger::newest_cosigned_checkpoint(PartitionId partition) const {
  ASSIGN_OR_RETURN(const auto row, impl_->store->at_or_before(Family::checkpoints, cosignature_key(partition, ~std::uint64_t{0}, "\xFF")));
  const auto key = row ? parse_cosignature_key(row->key) : std::nullopt;
  if (!key || key->partition != partition) return std::optional<std::string>();
  ASSIGN_OR_RETURN(std::string note, checkpoint(partition, key->size));
  return std::optional<std::string>(std::move(note));
}

absl::StatusOr<std::string> Ledger::checkpoint(PartitionId partition, std::uint64_t size) const {
  ASSIGN_OR_RETURN(const PartitionHead head, impl_->published(partition));
  if (size > head.size)
    return out_of_range("checkpoint {}/{}: beyond the end, the partition has {} entries", partition.name(), size, head.size);
  ASSIGN_OR_RETURN(auto note, impl_->store->get(Family::checkpoints, checkpoint_key(partition, size)));
  if (note) return impl_->with_cosignatures(partition, size, *std::move(note));
  std::string near;
  ASSIGN_OR_RETURN(const std::vector<std::uint64_t> below, checkpoint_sizes(partition, size, 1));
  if (!below.empty()) near = fmt::format("; the last one before it has size {}", below.front());
  absl::Status scanned = impl_->store->scan(Family::checkpoints, checkpoint_key(partition, size), /*bulk=*/false,
                                            [&](std::string_view row_key, std::string_view) {
                                              const auto key = parse_checkpoint_key('c', row_key);
                                              if (key && key->partition == partition)
                                                near += fmt::format("{} the next one {}", near.empty() ? ";" : ",", key->size);
                                              return false;
                                            });
  RETURN_IF_ERROR(scanned);
  return not_found("checkpoint {}/{}: none is signed at this size{}", partition.name(), size, near);
}

absl::StatusOr<std::vector<std::uint64_t>> Ledger::checkpoint_sizes(PartitionId partition, std::uint64_t limit, std::size_t count) const {
  std::vector<std::uint64_t> sizes;
  while (sizes.size() < count && limit > 0) {
    ASSIGN_OR_RETURN(const auto row, impl_->store->at_or_before(Family::checkpoints, checkpoint_key(partition, limit - 1)));
    const auto key = row ? parse_checkpoint_key('c', row->key) : std::nullopt;
    if (!key || key->partition != partition) break;
    sizes.push_back(key->size);
    limit = key->size;
  }
  return sizes;
}

absl::Status Ledger::store_cosignature(PartitionId partition, std::uint64_t size, std::string_view cosigner_key,
                                       std::string_view signature_line) {
  ASSIGN_OR_RETURN(const KeyInfo info, key_info(cosigner_key));
  if (!info.is_witness) return invalid_argument("cosignature: {} is the key of a log, not of a witness", info.name);
  ASSIGN_OR_RETURN(const std::string note, checkpoint(partition, size));
  ASSIGN_OR_RETURN(const std::string text, note_text(note));
  RETURN_IF_ERROR(verify_note(fmt::format("{}\n{}", text, signature_line), cosigner_key));
  StoreBatch rows;
  rows.put(Family::checkpoints, cosignature_key(partition, size, info.name), cosignature_value(cosigner_key, signature_line));
  return impl_->store->write(rows, "checkpoint_logged");
}

}  // namespace bukubesar
