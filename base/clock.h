// Clock: injected wherever time is read, so that tests own it. Nothing that decides an entry or a view reads a clock (I5).
#pragma once

#include <chrono>
#include <cstdint>

namespace bukubesar {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970-01-01T00:00:00Z.
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
  [[nodiscard]] virtual std::chrono::steady_clock::time_point steady() const = 0;
  // The machine's clock; never destroyed.
  static const Clock& system();
};

// How long something took, for figures: the machine's clock, whatever tests own.
[[nodiscard]] inline std::int64_t microseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace bukubesar
