#include "ledger/signer.h"

#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/status.h"
#include "ledger/merkle.h"

namespace bukubesar {

namespace {

// What was signed last for a partition: its note, and the head in it.
struct LastSigned {
  std::string note;
  Checkpoint checkpoint;
};

absl::StatusOr<std::optional<LastSigned>> last_signed(const Ledger& ledger, PartitionId partition, const std::string& origin) {
  ASSIGN_OR_RETURN(auto note, ledger.newest_checkpoint(partition));
  if (!note) return std::optional<LastSigned>();
  auto parsed = parse_checkpoint(*note);
  if (!parsed.ok() || parsed->origin != origin) return data_loss("the newest checkpoint of {} is damaged", origin);
  return std::optional<LastSigned>({*std::move(note), *std::move(parsed)});
}

}  // namespace

CheckpointSigner::CheckpointSigner(Ledger& ledger, const Definition& definition, SigningKeys keys)
    : ledger_(ledger), name_(definition.name), keys_(std::move(keys)) {}

absl::Status CheckpointSigner::sign() {
  if (ledger_.shorter_than_recorded())
    return failed_precondition("ledger {} is shorter than it was: nothing is signed until Kafka has been read again that far", name_);
  Cut cut;
  std::vector<Checkpoint> parts;
  std::vector<std::pair<PartitionId, std::string>> notes;
  // Heads first: no head that came after damage was found is signed.
  const auto heads = ledger_.heads();
  const auto damage = ledger_.damage();
  for (const auto& [partition, head] : heads) {
    const std::string origin = fmt::format("{}/{}", name_, partition.name());
    ASSIGN_OR_RETURN(const auto last, last_signed(ledger_, partition, origin));
    if (damage.contains(partition)) {
      // The cut note goes on listing what was signed before.
      const Checkpoint listed = last ? last->checkpoint : Checkpoint{origin, 0, empty_root()};
      cut.set(partition, listed.size);
      parts.push_back(listed);
      continue;
    }
    cut.set(partition, head.size);
    parts.push_back({origin, head.size, head.root});
    const std::uint64_t from = last ? last->checkpoint.size : 0;
    if (last && from > head.size)
      return data_loss("partition {}: {} entries, but a checkpoint of {} is signed", partition.name(), head.size, from);
    if (last) {
      // Never a second tree beside the one that was signed.
      ASSIGN_OR_RETURN(const Hash256 root, ledger_.root(partition, from));
      if (root != last->checkpoint.root)
        return data_loss("partition {}: the root of {} entries is {}, signed was {}", partition.name(), from, hex(as_view(root)),
                         hex(as_view(last->checkpoint.root)));
      if (from == head.size && verify_note(last->note, keys_.verifier_key(origin)).ok()) continue;
    }
    RETURN_IF_ERROR(ledger_.recheck(partition, from, head.size, head.root));
    notes.emplace_back(partition, keys_.sign_note(origin, checkpoint_text(origin, head.size, head.root)));
  }
  // Also says, within a second, how many notes there are.
  if (notes.empty()) return ledger_.record_heads(/*now=*/false);
  // First what a restart is compared with, then what the world may see.
  RETURN_IF_ERROR(ledger_.record_heads(/*now=*/true));
  crash_point("checkpoint_signed");
  RETURN_IF_ERROR(ledger_.store_checkpoints(notes, cut, keys_.sign_note(cut_note_origin(name_), cut_note_text(name_, parts))));
  crash_point("checkpoint_stored");
  return absl::OkStatus();
}

}  // namespace bukubesar
