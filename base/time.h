// Dates, months and instants, without floats and without the machine's time zone.
//
// Instants are milliseconds since 1970-01-01T00:00:00Z. A zone is a fixed offset from UTC (Kalsel: WITA, +08:00).
// Source: RFC 3339, for instants and full-dates.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bukubesar {

// A calendar date as days since 1970-01-01; unknown is std::optional's business.
struct Date {
  std::int32_t days = 0;
  friend constexpr auto operator<=>(Date, Date) = default;
};

// Months since 1970-01, so that order and distance are plain arithmetic.
struct Month {
  std::int32_t months = 0;
  friend constexpr auto operator<=>(Month, Month) = default;
};

[[nodiscard]] std::optional<Date> parse_date(std::string_view text);  // "2023-05-11", a day that exists, years 1900–2999
[[nodiscard]] std::string format_date(Date date);
[[nodiscard]] std::optional<Month> parse_month(std::string_view text);  // "2023-05"
[[nodiscard]] std::string format_month(Month month);
[[nodiscard]] Month month_of(Date date);

// RFC 3339 date-time, "2023-05-11T09:12:00+08:00", "…Z"; fractions are cut to milliseconds; a leap second counts as :59.
[[nodiscard]] std::optional<std::int64_t> parse_instant_ms(std::string_view text);
// "2023-05-11T09:12:00.000+08:00"; milliseconds only where they are not zero.
[[nodiscard]] std::string format_instant_ms(std::int64_t instant_ms, int zone_minutes);
// "+08:00", "-03:30", "Z" as minutes east of UTC.
[[nodiscard]] std::optional<int> parse_zone_minutes(std::string_view text);
// First instant of the date in the zone.
[[nodiscard]] std::int64_t day_start_ms(Date date, int zone_minutes);

}  // namespace bukubesar
