// Paths of C2SP tlog-tiles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`, N in three-digit elements, all but the last
// with an `x` in front (1234067 is `x001/x234/067`).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace bukubesar {

struct TilePath {
  bool entries = false;  // an entry bundle; `level` is 0
  unsigned level = 0;    // 0 … 5
  std::uint64_t index = 0;
  unsigned width = 256;  // 1 … 255 where the path asks for a partial tile
  friend bool operator==(const TilePath&, const TilePath&) = default;
};

// NotFound for whatever is not exactly such a path: as for a tile that does not exist.
[[nodiscard]] absl::StatusOr<TilePath> parse_tile_path(std::string_view path);
[[nodiscard]] std::string format_tile_path(const TilePath& path);

}  // namespace bukubesar
