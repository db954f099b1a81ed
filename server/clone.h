// Clone: a data directory made from a peer's log instead of from Kafka: every entry under the peer's signed head, every payload under its
// entry. What does not fit is refused where it is first met, by name, and nothing of it is stored.
//
// Not under any signature: the definition's lines other than source statements (printed as a hash, to be compared with what the operator
// says), and what stands in for payloads that were erased.
//
// Crash   what was stored stays, and is checked against the signed head again when it goes on.
// Errors  FailedPrecondition: the directory holds another ledger, or another history. InvalidArgument: a key, or an answer that does not
//         fit the signed head. Unavailable: the peer did not answer; called again, it goes on.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/http_client.h"
#include "base/cut.h"
#include "base/progress.h"

namespace bukubesar {

struct CloneOptions {
  HttpClientOptions client;  // its token needs the roles read and audit
  std::string data_dir;
  std::vector<std::string> verifier_keys;  // one for each partition's origin, had from elsewhere than the peer
  Progress progress;                       // entries
};
struct CloneDone {
  std::string ledger, definition_sha256;
  Cut cut;
  std::uint64_t entries = 0, payloads = 0, erased = 0;  // of this run
  bool embedded = false;                                // its records come from an embedded broker: there is no Kafka to go on from
};
[[nodiscard]] absl::StatusOr<CloneDone> clone_ledger(const CloneOptions& options);

}  // namespace bukubesar
