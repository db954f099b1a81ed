// Signer: the node's keys, signed notes, and the checkpoints it makes of the ledger's heads.
//
// One secret seed (its own file, mode 0600); the Ed25519 key of each origin is derived from it, since tlog-policy files
// treat two verifier keys with one public key as duplicates.
//
// Source  C2SP signed-note, tlog-checkpoint. RFC 8032.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

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

// C2SP tlog-proof text for one entry: proof of inclusion under the checkpoint.
[[nodiscard]] std::string tlog_proof(std::uint64_t index, const std::vector<Hash256>& hashes, std::string_view checkpoint_note,
                                     std::string_view extra);

// Signs the ledger's heads: reads the new tiles back, computes the root from them, compares, signs, stores the checkpoints and
// the cut note, and records heads (I9). Nothing is done where no head has moved.
// Threads  from one thread at a time.
class CheckpointSigner {
 public:
  CheckpointSigner(Ledger& ledger, const Definition& definition, SigningKeys keys);
  [[nodiscard]] absl::Status sign();
  [[nodiscard]] const SigningKeys& keys() const { return keys_; }

 private:
  Ledger& ledger_;
  const Definition& definition_;
  SigningKeys keys_;
};

}  // namespace bukubesar
