// Signer: the node's keys, signed notes, and the checkpoints it makes of the ledger's heads.
//
// One secret seed (its own file, mode 0600); the Ed25519 key of each origin is derived from it, since tlog-policy files
// treat two verifier keys with one public key as duplicates.
//
// Source  C2SP signed-note, tlog-checkpoint, tlog-cosignature. RFC 8032. docs/FORMAT.md has each with a worked example.
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
  // The same for a witness: its key cosigns (type 04). A name of its own, so a key of its own.
  [[nodiscard]] std::string cosigner_key(std::string_view name) const;
  // The note text (final newline included), an empty line, "— <origin> <base64>" and a newline.
  [[nodiscard]] std::string sign_note(std::string_view origin, std::string_view text) const;
  // The signature line of a witness under a note's text, newline included: "I saw this, and nothing that contradicts it, at time_s".
  [[nodiscard]] std::string cosignature_line(std::string_view name, std::string_view text, std::uint64_t time_s) const;

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
// OK where `note` carries a valid signature by `verifier_key`, of a log or of a witness. InvalidArgument: the key, the note or that
// signature is damaged. FailedPrecondition: the key did not sign.
[[nodiscard]] absl::Status verify_note(std::string_view note, std::string_view verifier_key);

struct KeyInfo {
  std::string name;
  std::string id;           // 8 hex digits
  bool is_witness = false;  // its key cosigns
};
[[nodiscard]] absl::StatusOr<KeyInfo> key_info(std::string_view verifier_key);

// Who signed a note, by its own words: nothing is verified.
struct NoteSignature {
  std::string name;
  std::string key_id;                          // 8 hex digits
  std::string line;                            // verbatim, newline included
  std::optional<std::uint64_t> cosigned_at_s;  // of a witness
};
[[nodiscard]] absl::StatusOr<std::vector<NoteSignature>> note_signatures(std::string_view note);
// What is signed: all before the empty line, with its final newline.
[[nodiscard]] absl::StatusOr<std::string> note_text(std::string_view note);

// The name, and key name, of the cut notes of a ledger: `<ledger>/cut`. No partition is called that.
[[nodiscard]] std::string cut_note_origin(std::string_view ledger);
// Text of a cut note, before signing: its name, then a line "<origin> <size> <base64 root>" for each partition.
[[nodiscard]] std::string cut_note_text(std::string_view ledger, const std::vector<Checkpoint>& parts);
struct CutNote {
  std::string name;
  std::vector<Checkpoint> parts;  // numbered partitions ascending, then the reference partition
};
[[nodiscard]] absl::StatusOr<CutNote> parse_cut_note(std::string_view note);

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
