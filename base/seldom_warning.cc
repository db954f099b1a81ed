#include "base/seldom_warning.h"

#include <spdlog/spdlog.h>

#include "base/status.h"

namespace bukubesar {

namespace {
constexpr std::chrono::seconds kPause(10);
}

void SeldomWarning::say(const absl::Status& status) {
  if (status.ok()) return;
  const auto now = std::chrono::steady_clock::now();
  auto next = next_.load();
  if (now < next || !next_.compare_exchange_strong(next, now + kPause)) return;
  spdlog::warn("{}", message_of(status));
}

}  // namespace bukubesar
