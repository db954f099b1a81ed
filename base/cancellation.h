// Cancellation: a long computation ends early once nobody waits for what it computes.
//
// Whoever asks has a flag. A thread that computes for them says so with ComputesFor; loops over much ask still_wanted() between two pieces
// of work and return what it says. The flag belongs to the thread and is no parameter: what computes, ledger and projections, knows nothing
// of who asks, and without a flag (a view that is kept live, the command line) everything is wanted.
//
// Threads  the flag is set from any; the rest is about the thread that calls.
// Errors   Cancelled: nobody waits any more.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/status.h"

namespace bukubesar {

using AbandonedFlag = std::shared_ptr<std::atomic<bool>>;

class ComputesFor {
 public:
  explicit ComputesFor(AbandonedFlag abandoned);
  ~ComputesFor();  // what was said before holds again
  ComputesFor(const ComputesFor&) = delete;
  ComputesFor& operator=(const ComputesFor&) = delete;

 private:
  const AbandonedFlag abandoned_;
  const std::atomic<bool>* const before_;
};

[[nodiscard]] absl::Status still_wanted();

}  // namespace bukubesar
