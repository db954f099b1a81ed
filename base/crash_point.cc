#include "base/crash_point.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <iterator>

#include "base/status.h"

namespace bukubesar {

namespace {
// Written before `armed`, never again.
std::size_t chosen = 0;
std::atomic<std::uint32_t> times_left{0};
}  // namespace

absl::Status arm_crash_points(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto* const found = std::find(std::begin(kCrashPoints), std::end(kCrashPoints), name);
  if (found == std::end(kCrashPoints))
    return invalid_argument("BUKUBESAR_CRASH_POINT: there is no crash point '{}'; there are {}", name, fmt::join(kCrashPoints, ", "));
  std::uint32_t nth = 1;
  if (colon != std::string_view::npos) {
    const std::string_view number = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), nth);
    if (error != std::errc{} || end != number.data() + number.size() || nth == 0)
      return invalid_argument("BUKUBESAR_CRASH_POINT: '{}' is no count from 1 on", number);
  }
  chosen = static_cast<std::size_t>(found - std::begin(kCrashPoints));
  times_left = nth;
  crash_point_internal::armed = true;
  return absl::OkStatus();
}

void crash_point_internal::reached(CrashPoint point) {
  if (point.index != chosen || times_left.fetch_sub(1) != 1) return;
  ::kill(::getpid(), SIGKILL);  // as from outside: no destructor, no buffer written
  for (;;) ::pause();
}

}  // namespace bukubesar
