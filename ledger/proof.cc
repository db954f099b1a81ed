#include "ledger/proof.h"

#include "base/bytes.h"
#include "base/status.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "ledger/note_text.h"

namespace bukubesar {

namespace {

constexpr std::string_view kProofHeader = "c2sp.org/tlog-proof@v1\n";
constexpr std::string_view kConsistencyHeader = "bukubesar consistency proof 1\n";
constexpr std::size_t kProofHashesMax = 63;

std::string hash_lines(const std::vector<Hash256>& hashes) {
  std::string text;
  for (const Hash256& hash : hashes) text += base64(as_view(hash)) + "\n";
  return text;
}

// Hashes up to the empty line that ends them.
absl::StatusOr<std::vector<Hash256>> take_hashes(std::string_view& rest) {
  std::vector<Hash256> hashes;
  auto line = take_line(rest);
  for (; line && !line->empty(); line = take_line(rest)) {
    const auto hash = parse_note_hash(*line);
    if (!hash) return invalid_argument("proof: '{}' is no hash", line->substr(0, 100));
    if (hashes.size() == kProofHashesMax) return invalid_argument("proof: more than {} hashes", kProofHashesMax);
    hashes.push_back(*hash);
  }
  if (!line) return invalid_argument("proof: no empty line before the checkpoint");
  return hashes;
}

}  // namespace

std::string tlog_proof(std::uint64_t index, const std::vector<Hash256>& hashes, std::string_view checkpoint_note, std::string_view extra) {
  std::string text(kProofHeader);
  if (!extra.empty()) text += fmt::format("extra {}\n", base64(extra));
  text += fmt::format("index {}\n{}\n", index, hash_lines(hashes));
  text += checkpoint_note;
  return text;
}

absl::StatusOr<TlogProof> parse_tlog_proof(std::string_view text) {
  if (text.substr(0, kProofHeader.size()) != kProofHeader) return invalid_argument("proof: the first line is not c2sp.org/tlog-proof@v1");
  TlogProof proof;
  std::string_view rest = text.substr(kProofHeader.size());
  auto line = take_line(rest);
  if (line && line->substr(0, 6) == "extra ") {
    proof.extra = unbase64(line->substr(6));
    if (!proof.extra) return invalid_argument("proof: the extra line is not base64");
    line = take_line(rest);
  }
  const auto index = line && line->substr(0, 6) == "index " ? parse_note_number(line->substr(6)) : std::nullopt;
  if (!index) return invalid_argument("proof: no index line");
  proof.index = *index;
  ASSIGN_OR_RETURN(proof.hashes, take_hashes(rest));
  proof.checkpoint_note = std::string(rest);
  return proof;
}

absl::Status verify_tlog_proof(const TlogProof& proof, std::string_view entry, std::string_view verifier_key) {
  RETURN_IF_ERROR(verify_note(proof.checkpoint_note, verifier_key));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(proof.checkpoint_note));
  // The key name is the origin: a note of another origin, cosigned by this key, proves nothing about this log.
  if (checkpoint.origin != verifier_key.substr(0, verifier_key.find('+')))
    return invalid_argument("proof: the checkpoint is of {}, not of the key's origin", checkpoint.origin);
  return check_inclusion(proof.hashes, proof.index, checkpoint.size, leaf_hash(entry), checkpoint.root);
}

std::string to_text(const ConsistencyProof& proof) {
  return fmt::format("{}{}\n{}\n{}", kConsistencyHeader, hash_lines(proof.hashes), proof.old_note, proof.new_note);
}

absl::StatusOr<ConsistencyProof> parse_consistency_proof(std::string_view text) {
  if (text.substr(0, kConsistencyHeader.size()) != kConsistencyHeader)
    return invalid_argument("consistency proof: the first line is not '{}'", kConsistencyHeader.substr(0, kConsistencyHeader.size() - 1));
  ConsistencyProof proof;
  std::string_view rest = text.substr(kConsistencyHeader.size());
  ASSIGN_OR_RETURN(proof.hashes, take_hashes(rest));
  // A checkpoint has no empty line but the one before its signatures: the second one ends the older checkpoint.
  const std::size_t in_old = rest.find("\n\n");
  const std::size_t between = in_old == std::string_view::npos ? in_old : rest.find("\n\n", in_old + 2);
  if (between == std::string_view::npos) return invalid_argument("consistency proof: it does not end in two checkpoints");
  proof.old_note = std::string(rest.substr(0, between + 1));
  proof.new_note = std::string(rest.substr(between + 2));
  return proof;
}

absl::StatusOr<std::string> choose_checkpoint(const Ledger& ledger, PartitionId partition, const CheckpointChoice& choice) {
  if (choice.size) return ledger.checkpoint(partition, *choice.size);
  ASSIGN_OR_RETURN(auto note, choice.cosigned ? ledger.newest_cosigned_checkpoint(partition) : ledger.newest_checkpoint(partition));
  if (note) return *std::move(note);
  if (choice.cosigned)
    return not_found("partition {}: no checkpoint has a cosignature yet; `bukubesar witness` makes them", partition.name());
  return not_found("partition {}: no checkpoint is signed yet; `bukubesar key new` makes the key that signs", partition.name());
}

absl::StatusOr<std::string> prove_entry(const Ledger& ledger, PartitionId partition, Sequence sequence, const CheckpointChoice& choice,
                                        bool with_payload) {
  const std::uint64_t size = ledger.head(partition).size;
  if (sequence.value() >= size)
    return out_of_range("entry {}/{}: beyond the end, the partition has {} entries", partition.name(), sequence.value(), size);
  ASSIGN_OR_RETURN(const std::string note, choose_checkpoint(ledger, partition, choice));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, parse_checkpoint(note));
  if (sequence.value() >= checkpoint.size)
    return out_of_range("entry {}/{}: not under the checkpoint of {} entries; {}", partition.name(), sequence.value(), checkpoint.size,
                        choice.size ? "take a later one" : "it is signed within seconds: try again");
  ASSIGN_OR_RETURN(const std::vector<Hash256> hashes, ledger.inclusion_proof(partition, sequence, checkpoint.size));
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, ledger.read_entries(partition, sequence, 1));
  std::string extra(as_view(encode_entry(entries.front())));
  if (with_payload) {
    const auto payload = ledger.read_payload(partition, sequence);
    if (!payload.ok() && !absl::IsFailedPrecondition(payload.status())) return payload.status();
    if (payload.ok()) extra += *payload;
  }
  return tlog_proof(sequence.value(), hashes, note, extra);
}

absl::StatusOr<std::string> prove_consistency(const Ledger& ledger, PartitionId partition, std::uint64_t old_size, std::uint64_t size) {
  if (old_size > size) return invalid_argument("consistency: the older size {} is above the newer one, {}", old_size, size);
  ConsistencyProof proof;
  ASSIGN_OR_RETURN(proof.old_note, ledger.checkpoint(partition, old_size));
  ASSIGN_OR_RETURN(proof.new_note, ledger.checkpoint(partition, size));
  ASSIGN_OR_RETURN(proof.hashes, ledger.consistency_proof(partition, old_size, size));
  return to_text(proof);
}

absl::StatusOr<std::vector<EntryPlace>> find_event(const Ledger& ledger, std::string_view source, std::string_view id) {
  const Fingerprint fingerprint = fingerprint_of(source, id);
  std::vector<EntryPlace> places;
  for (const PartitionId partition : ledger.partitions()) {
    ASSIGN_OR_RETURN(const std::optional<Sequence> sequence, ledger.find_accepted(partition, fingerprint));
    if (sequence) places.push_back({partition, *sequence});
  }
  return places;
}

}  // namespace bukubesar
