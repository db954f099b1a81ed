// Eraser: does what accepted redactions ask for, as soon as their target is there, and remembers what became of each.
//
// It reads the reference partition from its beginning at each start: what was done already shows in the ledger. So a node that is built
// from Kafka again, or reads a redaction long after another did, comes to the same end.
//
// Threads  one of its own; status() and wake() from any.
// Crash    between the rewritten chunk and the rewritten files the next start goes on with the files.
// Errors   said by status(): refused ones never change, a disk that refuses is asked again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/cancellation.h"
#include "config/definition.h"
#include "ledger/ledger.h"
#include "server/redaction_request.h"

namespace bukubesar {

enum class RedactionState : std::uint8_t { pending, erasing, done, refused };
[[nodiscard]] std::string_view name_of(RedactionState state);

struct RedactionStatus {
  RedactionRequest request;
  RedactionState state = RedactionState::pending;
  std::string why;  // pending or refused
};

class Eraser {
 public:
  // definition: may grow while it runs. erased: called once the ledger's files hold the payload no more; what else remembers it is the
  // caller's to see to.
  Eraser(Ledger& ledger, std::function<const Definition&()> definition, std::function<void(PartitionId, Sequence)> erased);
  ~Eraser();
  void start();
  // What is erased by then stays so, the next start goes on with the rest. begin_stop() does not wait for its end.
  void begin_stop();
  void stop();
  // There may be something to do.
  void wake();
  [[nodiscard]] std::vector<RedactionStatus> status() const;
  // The one that erased this payload; nothing where none did.
  [[nodiscard]] std::optional<RedactionRequest> erased_by(PartitionId partition, Sequence sequence) const;

 private:
  void loop();
  absl::Status turn();
  absl::Status read_requests();
  absl::Status act(RedactionStatus& status);
  void note_finished();

  Ledger& ledger_;
  const std::function<const Definition&()> definition_;
  const std::function<void(PartitionId, Sequence)> erased_;
  std::uint64_t next_ = 0;  // entry of the reference partition
  mutable absl::Mutex mutex_;
  std::vector<RedactionStatus> statuses_ ABSL_GUARDED_BY(mutex_);  // by `by`
  bool woken_ ABSL_GUARDED_BY(mutex_) = true;
  const AbandonedFlag stopping_ = std::make_shared<std::atomic<bool>>(false);  // set under mutex_
  std::thread thread_;
};

}  // namespace bukubesar
