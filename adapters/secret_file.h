// The adapter's secret: the HMAC key of salts and of vendor codes made from names. Whoever has it can tell which vendor a code is, and
// can check guesses of erased values; so it is a file of its own, mode 0600, and never leaves the machine.
//
// Errors  FailedPrecondition: others may read the file. InvalidArgument: it holds no key, or one that its check does not fit.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace bukubesar {

struct SecretFile {
  std::string secret;  // 32 bytes
  bool made = false;   // it was missing: a new one was made, and synced
};
// One line of 64 hex digits; one that is made has a check behind them (8 digits of the key's SHA-256), so that a digit which changes later
// does not give every vendor another code in silence.
[[nodiscard]] absl::StatusOr<SecretFile> read_or_make_secret(const std::string& path);

}  // namespace bukubesar
