// Proofs as files: what an auditor takes away and checks offline, and the check itself.
//
// An entry's proof is a C2SP tlog-proof whose `extra` holds the entry's 88 bytes and its payload, so the file is whole without the
// ledger. A consistency proof shows that one checkpoint's tree continues another's.
//
// Source  C2SP tlog-proof, tlog-checkpoint; docs/FORMAT.md, "Proofs", has each with a worked example.
// Threads any: nothing is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/ledger.h"
#include "ledger/signer.h"

namespace bukubesar {

// C2SP tlog-proof text for one entry: proof of inclusion under the checkpoint. `extra` empty: no extra line.
[[nodiscard]] std::string tlog_proof(std::uint64_t index, const std::vector<Hash256>& hashes, std::string_view checkpoint_note,
                                     std::string_view extra);
struct TlogProof {
  std::optional<std::string> extra;
  std::uint64_t index = 0;
  std::vector<Hash256> hashes;  // the leaf's sibling first
  std::string checkpoint_note;
};
[[nodiscard]] absl::StatusOr<TlogProof> parse_tlog_proof(std::string_view text);
// OK where the checkpoint is signed by `verifier_key` and the entry's bytes are in its tree at the proof's index.
[[nodiscard]] absl::Status verify_tlog_proof(const TlogProof& proof, std::string_view entry, std::string_view verifier_key);

struct ConsistencyProof {
  std::vector<Hash256> hashes;
  std::string old_note, new_note;  // checkpoints
};
[[nodiscard]] std::string to_text(const ConsistencyProof& proof);
[[nodiscard]] absl::StatusOr<ConsistencyProof> parse_consistency_proof(std::string_view text);

// Which checkpoint a proof stands under: the newest, the newest with a cosignature, or the one of this size.
struct CheckpointChoice {
  std::optional<std::uint64_t> size;
  bool cosigned = false;
};
// NotFound where none of that kind is signed.
[[nodiscard]] absl::StatusOr<std::string> choose_checkpoint(const Ledger& ledger, PartitionId partition, const CheckpointChoice& choice);

// The proof file of one entry. OutOfRange: beyond the end, or not under the chosen checkpoint yet. NotFound: no such checkpoint.
[[nodiscard]] absl::StatusOr<std::string> prove_entry(const Ledger& ledger, PartitionId partition, Sequence sequence,
                                                      const CheckpointChoice& choice, bool with_payload);
// The proof file for two signed sizes, old_size <= size.
[[nodiscard]] absl::StatusOr<std::string> prove_consistency(const Ledger& ledger, PartitionId partition, std::uint64_t old_size,
                                                            std::uint64_t size);

struct EntryPlace {
  PartitionId partition;
  Sequence sequence;
};
// Where the event was accepted: one place, and with partitioner `any` one in each partition that got a copy.
[[nodiscard]] absl::StatusOr<std::vector<EntryPlace>> find_event(const Ledger& ledger, std::string_view source, std::string_view id);

// What a file turned out to be worth.
enum class CheckResult : std::uint8_t {
  holds,         // every sentence is shown by the file and the keys alone
  damaged,       // no such file, or it does not show what it claims
  other_ledger,  // about an origin that none of the keys is for
  not_signed,    // a key that was given did not sign
};
struct CheckReport {
  CheckResult result = CheckResult::holds;
  std::string kind;                    // "entry", "consistency", "checkpoint", "cut note"; empty where that cannot be told
  std::vector<std::string> sentences;  // in plain words: what was checked, in order; the last one is why it failed
};
// Checks a proof, consistency proof, checkpoint or cut note. keys: of logs and witnesses; each witness must have cosigned, and one of the
// logs' keys must be the origin's and have signed.
[[nodiscard]] CheckReport check_file(std::string_view text, const std::vector<std::string>& keys);

}  // namespace bukubesar
