#include "ledger/tlog_path.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr unsigned kLevelMax = 5;  // 256^6 leaves: more than sequences will ever count
constexpr std::size_t kElementsMax = 6;

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool all_digits(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_digit); }

// A decimal number without a leading zero, 0 … max.
std::optional<unsigned> small_number(std::string_view text, unsigned max) {
  if (!all_digits(text) || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  unsigned value = 0;
  for (char c : text) value = value * 10 + static_cast<unsigned>(c - '0');
  if (value > max) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> index_of(std::string_view text) {
  std::uint64_t index = 0;
  for (std::size_t element = 0; element < kElementsMax; ++element) {
    const bool more = take_prefix(text, "x");
    if (text.size() < 3 || !all_digits(text.substr(0, 3))) return std::nullopt;
    // Only the shortest form names a tile: no leading x000.
    if (element == 0 && more && text.substr(0, 3) == "000") return std::nullopt;
    for (char c : text.substr(0, 3)) index = index * 10 + static_cast<std::uint64_t>(c - '0');
    text.remove_prefix(3);
    if (!more) return text.empty() ? std::optional(index) : std::nullopt;
    if (!take_prefix(text, "/")) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<TilePath> parse_tile_path(std::string_view path) {
  const absl::Status no_tile = not_found("'{}' names no tile", path.substr(0, 80));
  TilePath tile;
  std::string_view rest = path;
  if (!take_prefix(rest, "tile/")) return no_tile;
  if (take_prefix(rest, "entries/")) {
    tile.entries = true;
  } else {
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return no_tile;
    const auto level = small_number(rest.substr(0, slash), kLevelMax);
    if (!level) return no_tile;
    tile.level = *level;
    rest.remove_prefix(slash + 1);
  }
  if (const std::size_t partial = rest.find(".p/"); partial != std::string_view::npos) {
    const auto width = small_number(rest.substr(partial + 3), 255);
    if (!width || *width == 0) return no_tile;
    tile.width = *width;
    rest = rest.substr(0, partial);
  }
  const auto index = index_of(rest);
  if (!index) return no_tile;
  tile.index = *index;
  return tile;
}

std::string format_tile_path(const TilePath& path) {
  std::string number = fmt::format("{:03}", path.index % 1000);
  for (std::uint64_t rest = path.index / 1000; rest > 0; rest /= 1000) number = fmt::format("x{:03}/{}", rest % 1000, number);
  const std::string level = path.entries ? "entries" : std::to_string(path.level);
  const std::string partial = path.width < 256 ? fmt::format(".p/{}", path.width) : "";
  return fmt::format("tile/{}/{}{}", level, number, partial);
}

}  // namespace bukubesar
