// Witness: a second node's check of a ledger's signed heads. It has rebuilt the ledger from Kafka itself; where its own root at a signed
// size is the same, it cosigns and hands the cosignature to the ledger; where it is not, it refuses for good, and says so, also after a
// restart, until somebody looks.
//
// Rules   the size and root that it is about to cosign are stored, synced, before the cosignature leaves (C2SP tlog-witness), and a refusal
//         before it is said; a head that is smaller than one cosigned before is refused, whatever its root.
// Threads look() from one thread; begin_stop(), disagreements() and cosigned() from any.
// Errors  look(): Unavailable or DeadlineExceeded where the ledger did not answer, which ends the round; FailedPrecondition where it does
//         not take our cosignature; Unavailable where a refusal can't be stored. The next round tries again. A disagreement is no error:
//         it is an answer.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "adapters/http_client.h"
#include "base/cancellation.h"
#include "ledger/ledger.h"
#include "ledger/signer.h"

namespace bukubesar {

struct WitnessOptions {
  const Definition* definition = nullptr;
  Ledger* ledger = nullptr;                // our own
  HttpClientOptions server;                // that signs
  std::vector<std::string> verifier_keys;  // of its origins
  std::string name;                        // ours; as in our key
  std::string state_path;                  // what we have cosigned, and refused
};

struct Disagreement {
  PartitionId partition;
  std::string what;  // sizes and both roots
  std::string note;  // the checkpoint that we refused, verbatim: the evidence
};

class Witness {
 public:
  // DataLoss: the state is not what a witness wrote.
  static absl::StatusOr<std::unique_ptr<Witness>> open(WitnessOptions options, SigningKeys keys);

  // One round over all partitions. True where every partition's newest checkpoint is cosigned or refused; false while our own ledger has to
  // read further first, and where it is to stop.
  [[nodiscard]] absl::StatusOr<bool> look();
  // Never blocks: a round that is under way ends soon, whatever the ledger does.
  void begin_stop() { *stopping_ = true; }

  [[nodiscard]] std::vector<Disagreement> disagreements() const;
  [[nodiscard]] std::map<PartitionId, std::uint64_t> cosigned() const;
  [[nodiscard]] std::string verifier_key() const { return keys_.cosigner_key(options_.name); }

 private:
  Witness(WitnessOptions options, SigningKeys keys, HttpClient client)
      : options_(std::move(options)), keys_(std::move(keys)), client_(std::move(client)) {}
  [[nodiscard]] absl::Status load_state();
  [[nodiscard]] absl::Status store_state(const std::map<PartitionId, Checkpoint>& cosigned,
                                         const std::map<PartitionId, Disagreement>& disagreements) const;
  [[nodiscard]] absl::Status note_cosigned(PartitionId partition, const Checkpoint& head);
  [[nodiscard]] absl::StatusOr<bool> look_at(PartitionId partition);
  // True once it is stored and said.
  [[nodiscard]] absl::StatusOr<bool> refuse(const Disagreement& disagreement);
  [[nodiscard]] absl::Status check_note(PartitionId partition, const std::string& note) const;

  const WitnessOptions options_;
  const SigningKeys keys_;
  HttpClient client_;
  const AbandonedFlag stopping_ = std::make_shared<std::atomic<bool>>(false);
  mutable absl::Mutex mutex_;
  std::map<PartitionId, Checkpoint> cosigned_ ABSL_GUARDED_BY(mutex_);
  std::map<PartitionId, Disagreement> disagreements_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace bukubesar
