#include "base/money.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/ascii.h"

namespace bukubesar {

std::optional<Money> checked_add(Money a, Money b) {
  Money sum;
  if (__builtin_add_overflow(a.sen, b.sen, &sum.sen)) return std::nullopt;
  return sum;
}

std::optional<Money> checked_subtract(Money a, Money b) {
  Money difference;
  if (__builtin_sub_overflow(a.sen, b.sen, &difference.sen)) return std::nullopt;
  return difference;
}

ParsedMoney parse_rupiah(std::string_view text) {
  const ParsedMoney syntax{{}, MoneyError::syntax};
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  std::string_view decimals = point < text.size() ? text.substr(point + 1) : std::string_view{};
  if (whole.empty() || (whole.size() > 1 && whole.front() == '0') || !std::all_of(whole.begin(), whole.end(), is_digit)) return syntax;
  if (point < text.size() && (decimals.empty() || !std::all_of(decimals.begin(), decimals.end(), is_digit))) return syntax;
  if (decimals.size() > 2) return {{}, MoneyError::too_many_decimals};
  // 20 digits of sen exceed int64 for certain, and leave __int128 far from its limit.
  if (whole.size() > 20) return {{}, MoneyError::out_of_range};
  MoneySum sen = 0;
  for (char c : whole) sen = sen * 10 + (c - '0');
  for (std::size_t i = 0; i < 2; ++i) sen = sen * 10 + (i < decimals.size() ? decimals[i] - '0' : 0);
  if (negative) sen = -sen;
  if (sen > std::numeric_limits<std::int64_t>::max() || sen < std::numeric_limits<std::int64_t>::min())
    return {{}, MoneyError::out_of_range};
  return {{static_cast<std::int64_t>(sen)}, MoneyError::none};
}

std::string format_rupiah(MoneySum sen) {
  const bool negative = sen < 0;
  auto magnitude = negative ? -static_cast<unsigned __int128>(sen) : static_cast<unsigned __int128>(sen);
  std::array<char, 48> digits;  // 39 of 128 bits, point, sign
  char* at = digits.data() + digits.size();
  int place = 0;
  const auto put = [&](std::uint64_t digit) {
    if (place++ == 2) *--at = '.';
    *--at = static_cast<char>('0' + digit);
  };
  while (magnitude > std::numeric_limits<std::uint64_t>::max()) {
    put(static_cast<std::uint64_t>(magnitude % 10));
    magnitude /= 10;
  }
  // Nearly all amounts are here from the start: dividing 128 bits costs several times as much.
  for (auto rest = static_cast<std::uint64_t>(magnitude); rest != 0 || place < 3; rest /= 10) put(rest % 10);
  if (negative) *--at = '-';
  return {at, digits.data() + digits.size()};
}

}  // namespace bukubesar
