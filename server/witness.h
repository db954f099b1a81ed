// Witness: a second node's check of a ledger's signed heads. It has rebuilt the ledger from Kafka itself; where its own root at a signed
// size is the same, it cosigns and hands the cosignature to the ledger; where it is not, it refuses for good, and says so until somebody
// looks.
//
// Rules   the size and root that it is about to cosign are stored, synced, before the cosignature leaves (C2SP tlog-witness); a head that
// is
//         smaller than one cosigned before is refused, whatever its root.
// Threads look() from one thread; disagreements(), cosigned() and trouble() from any.
// Errors  look(): Unavailable where the ledger did not answer, FailedPrecondition where it does not take our cosignature; the next round
//         tries again. A disagreement is no error: it is an answer.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "adapters/http_client.h"
#include "ledger/ledger.h"
#include "ledger/signer.h"

namespace bukubesar {

struct WitnessOptions {
  const Definition* definition = nullptr;
  Ledger* ledger = nullptr;                // our own
  HttpClientOptions server;                // that signs
  std::vector<std::string> verifier_keys;  // of its origins
  std::string name;                        // ours; as in our key
  std::string state_path;                  // what we have cosigned
};

struct Disagreement {
  PartitionId partition;
  std::string what;  // sizes and both roots
  std::string note;  // the checkpoint that we refused, verbatim: the evidence
};

class Witness {
 public:
  static absl::StatusOr<std::unique_ptr<Witness>> open(WitnessOptions options, SigningKeys keys);

  // One round over all partitions. True where every partition's newest checkpoint is cosigned or refused; false while our own ledger has to
  // read further first.
  [[nodiscard]] absl::StatusOr<bool> look();

  [[nodiscard]] std::vector<Disagreement> disagreements() const;
  [[nodiscard]] std::map<PartitionId, std::uint64_t> cosigned() const;
  [[nodiscard]] std::string verifier_key() const { return keys_.cosigner_key(options_.name); }

 private:
  Witness(WitnessOptions options, SigningKeys keys, HttpClient client)
      : options_(std::move(options)), keys_(std::move(keys)), client_(std::move(client)) {}
  [[nodiscard]] absl::Status load_state();
  [[nodiscard]] absl::Status store_state(PartitionId partition, const Checkpoint& head);
  [[nodiscard]] absl::StatusOr<bool> look_at(PartitionId partition);
  void refuse(PartitionId partition, std::string what, std::string note);
  [[nodiscard]] absl::Status check_note(PartitionId partition, const std::string& note) const;

  const WitnessOptions options_;
  const SigningKeys keys_;
  HttpClient client_;
  mutable absl::Mutex mutex_;
  std::map<PartitionId, Checkpoint> cosigned_ ABSL_GUARDED_BY(mutex_);
  std::map<PartitionId, Disagreement> disagreements_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace bukubesar
