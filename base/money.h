// Money: IDR as int64 sen (1/100 rupiah). No float anywhere; overflow is an error, never a wrap.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bukubesar {

struct Money {
  std::int64_t sen = 0;
  friend constexpr auto operator<=>(Money, Money) = default;
};

[[nodiscard]] std::optional<Money> checked_add(Money a, Money b);
[[nodiscard]] std::optional<Money> checked_subtract(Money a, Money b);

// Sums of many amounts: cannot overflow for fewer than 2^63 of them.
using MoneySum = __int128;

enum class MoneyError : std::uint8_t { none, syntax, too_many_decimals, out_of_range };
struct ParsedMoney {
  Money money;
  MoneyError error = MoneyError::none;
};
// "-?(0|[1-9][0-9]*)(\.[0-9]{1,2})?" rupiah. "12", "12.5" and "12.50" are equal; more decimals are too_many_decimals.
[[nodiscard]] ParsedMoney parse_rupiah(std::string_view text);

// Always two decimals, "-0.05", "1200000000000.00".
[[nodiscard]] std::string format_rupiah(MoneySum sen);

}  // namespace bukubesar
