#include "base/cancellation.h"

#include <utility>

namespace bukubesar {

namespace {
thread_local const std::atomic<bool>* abandoned_now = nullptr;
}  // namespace

ComputesFor::ComputesFor(AbandonedFlag abandoned)
    : abandoned_(std::move(abandoned)), before_(std::exchange(abandoned_now, abandoned_.get())) {}
ComputesFor::~ComputesFor() { abandoned_now = before_; }

absl::Status still_wanted() {
  if (abandoned_now == nullptr || !abandoned_now->load(std::memory_order_relaxed)) return absl::OkStatus();
  return absl::CancelledError("nobody waits for this answer any more");
}

}  // namespace bukubesar
