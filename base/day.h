// The day of an instant, inline: it is asked for each row of a scan. An instant may be any number, since a producer stamps records as it
// likes.
#pragma once

#include <cstdint>
#include <limits>

namespace bukubesar {

inline constexpr std::int64_t kDayMs = 86'400'000;

// Days since 1970-01-01 in the zone. Where the zone's offset would lead beyond 64 bits: the last day that there is.
[[nodiscard]] inline std::int64_t day_of(std::int64_t instant_ms, int zone_minutes) {
  const std::int64_t zone_ms = zone_minutes * std::int64_t{60'000};
  std::int64_t local = 0;
  if (__builtin_add_overflow(instant_ms, zone_ms, &local))
    local = zone_ms > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
  return local >= 0 ? local / kDayMs : -(-(local + 1) / kDayMs) - 1;
}

}  // namespace bukubesar
