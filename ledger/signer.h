// Signer: the node's keys, signed notes, and the checkpoints it makes of the ledger's heads.
//
// One secret seed (its own file, mode 0600); the Ed25519 key of each origin is derived from it, since tlog-policy files
// treat two verifier keys with one public key as duplicates.
//
// Source  C2SP signed-note, tlog-checkpoint, tlog-proof. RFC 8032. docs/FORMAT.md has each with a worked example.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cut.h"
#include "ledger/ledger.h"

namespace bukubesar {

class SigningKeys {
 public:
  // Makes a new seed file, mode 0600. FailedPrecondition where the file exists: a key is never overwritten.
  static absl::Status create(const std::string& path);
  // FailedPrecondition where its mode lets others read it.
  static absl::StatusOr<SigningKeys> load(const std::string& path);
  // Of a known seed, 32 bytes: worked examples and tests.
  static SigningKeys of_seed(std::string_view seed);
  ~SigningKeys();
  SigningKeys(SigningKeys&&) noexcept;
  SigningKeys& operator=(SigningKeys&&) noexcept;
  // `<origin>+<8 hex of the key id>+<base64 of 01 ‖ public key>`
  [[nodiscard]] std::string verifier_key(std::string_view origin) const;
  // The note text (final newline included), an empty line, "— <origin> <base64>" and a newline.
  [[nodiscard]] std::string sign_note(std::string_view origin, std::string_view text) const;

 private:
  struct Impl;
  explicit SigningKeys(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Text of a checkpoint, before signing.
[[nodiscard]] std::string checkpoint_text(std::string_view origin, std::uint64_t size, const Hash256& root);
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash256 root{};
};
[[nodiscard]] absl::StatusOr<Checkpoint> parse_checkpoint(std::string_view note);
// OK where `note` carries a valid signature by `verifier_key`; says otherwise which part is off.
[[nodiscard]] absl::Status verify_note(std::string_view note, std::string_view verifier_key);

// The name, and key name, of the cut notes of a ledger: `<ledger>/cut`. No partition is called that.
[[nodiscard]] std::string cut_note_origin(std::string_view ledger);
// Text of a cut note, before signing: its name, then a line "<origin> <size> <base64 root>" for each partition.
[[nodiscard]] std::string cut_note_text(std::string_view ledger, const std::vector<Checkpoint>& parts);
struct CutNote {
  std::string name;
  std::vector<Checkpoint> parts;  // numbered partitions ascending, then the reference partition
};
[[nodiscard]] absl::StatusOr<CutNote> parse_cut_note(std::string_view note);

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

// Signs the ledger's heads: reads the new tiles back, computes the root from them, compares, signs, stores the checkpoints and
// the cut note, and records heads (I9). Nothing is done where no head has moved. A partition that is known to be damaged is passed over.
// Threads  from one thread at a time.
// Errors   FailedPrecondition while the ledger is shorter than recorded. DataLoss: what was read back does not give the root, or
//          does not continue the tree that was signed last; nothing was signed.
class CheckpointSigner {
 public:
  CheckpointSigner(Ledger& ledger, const Definition& definition, SigningKeys keys);
  [[nodiscard]] absl::Status sign();
  [[nodiscard]] const SigningKeys& keys() const { return keys_; }

 private:
  Ledger& ledger_;
  const std::string name_;  // of the ledger; it never changes
  SigningKeys keys_;
};

}  // namespace bukubesar
