// Waiting in a test for what another thread does: until it holds, never for a fixed time.
#pragma once

#include <chrono>
#include <thread>

namespace bukubesar::testing_support {

// False where the condition did not come to hold within the limit.
template <class Condition>
[[nodiscard]] bool wait_until(Condition condition, std::chrono::seconds limit = std::chrono::seconds(90)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace bukubesar::testing_support
