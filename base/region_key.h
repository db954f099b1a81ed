// Region codes as whole numbers: readers of tables turn 63.10 into 63.1, whatever the quoting. 63 → 63, 63.10 → 6310.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace bukubesar {

// Nothing where the code is none of Kemendagri's (dd, dd.dd, dd.dd.dd, dd.dd.dd.dddd): only among these no two share a number.
[[nodiscard]] inline std::optional<std::int64_t> region_key(std::string_view region) {
  constexpr std::size_t kDots[] = {2, 5, 8};
  if (region.size() != 2 && region.size() != 5 && region.size() != 8 && region.size() != 13) return std::nullopt;
  std::int64_t key = 0;
  for (std::size_t i = 0; i < region.size(); ++i) {
    const bool dot = i == kDots[0] || i == kDots[1] || i == kDots[2];
    if (dot != (region[i] == '.')) return std::nullopt;
    if (dot) continue;
    if (region[i] < '0' || region[i] > '9') return std::nullopt;
    key = key * 10 + (region[i] - '0');
  }
  return key;
}

}  // namespace bukubesar
