#include "base/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/ascii.h"
#include "base/day.h"

namespace bukubesar {

namespace {

// Exactly `count` digits at `at`, as a number; -1 where they are not digits.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool is_char(std::string_view text, std::size_t at, char c) { return at < text.size() && text[at] == c; }

std::chrono::year_month_day civil(Date date) { return std::chrono::sys_days(std::chrono::days(date.days)); }

// Without fmt: each row of an extract has several of these.
void append_padded(std::uint32_t value, std::size_t width, std::string& to) {
  to.append(width, '0');
  for (std::size_t at = to.size(); value > 0 && width > 0; value /= 10, --width) to[--at] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::optional<Date> parse_date(std::string_view text) {
  if (text.size() != 10 || !is_char(text, 4, '-') || !is_char(text, 7, '-')) return std::nullopt;
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  const int day = digits(text, 8, 2);
  if (year < 1900 || year > 2999 || month < 1 || day < 1) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return Date{static_cast<std::int32_t>(std::chrono::sys_days(date).time_since_epoch().count())};
}

std::string format_date(Date date) {
  const auto ymd = civil(date);
  if (const int year = static_cast<int>(ymd.year()); year >= 0 && year <= 9999) {
    std::string text;
    append_padded(static_cast<std::uint32_t>(year), 4, text);
    append_padded(static_cast<unsigned>(ymd.month()), 2, text += '-');
    append_padded(static_cast<unsigned>(ymd.day()), 2, text += '-');
    return text;
  }
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(ymd.year()), static_cast<unsigned>(ymd.month()),
                     static_cast<unsigned>(ymd.day()));
}

std::optional<Month> parse_month(std::string_view text) {
  if (text.size() != 7 || !is_char(text, 4, '-')) return std::nullopt;
  const int year = digits(text, 0, 4);
  const int month = digits(text, 5, 2);
  if (year < 1900 || year > 2999 || month < 1 || month > 12) return std::nullopt;
  return Month{(year - 1970) * 12 + month - 1};
}

std::string format_month(Month month) {
  const int year = 1970 + (month.months >= 0 ? month.months / 12 : -((11 - month.months) / 12));
  return fmt::format("{:04}-{:02}", year, month.months - (year - 1970) * 12 + 1);
}

Month month_of(Date date) {
  const auto ymd = civil(date);
  return Month{(static_cast<int>(ymd.year()) - 1970) * 12 + static_cast<int>(static_cast<unsigned>(ymd.month())) - 1};
}

std::optional<int> parse_zone_minutes(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hours = digits(text, 1, 2);
  const int minutes = digits(text, 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

std::optional<std::int64_t> parse_instant_ms(std::string_view text) {
  if (text.size() < 20 || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') return std::nullopt;
  const auto date = parse_date(text.substr(0, 10));
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  if (!date || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return std::nullopt;
  std::size_t at = 19;
  int milliseconds = 0;
  if (text[at] == '.') {
    ++at;
    std::size_t count = 0;
    int scale = 100;
    for (; at < text.size() && is_digit(text[at]); ++at, ++count, scale /= 10) milliseconds += (text[at] - '0') * scale;
    if (count == 0) return std::nullopt;
  }
  const auto zone = parse_zone_minutes(text.substr(at));
  if (!zone) return std::nullopt;
  return date->days * kDayMs + ((hour * 60 + minute - *zone) * 60LL + std::min(second, 59)) * 1000 + milliseconds;
}

std::string format_instant_ms(std::int64_t instant_ms, int zone_minutes) {
  // RFC 3339 writes the years 0 … 9999.
  constexpr std::int64_t kFirstDay = -719'528, kLastDay = 2'932'896;
  const std::int64_t day = day_of(instant_ms, zone_minutes);
  if (day < kFirstDay || day > kLastDay) return fmt::format("{} ms after 1970", instant_ms);
  const std::int64_t in_day = instant_ms + zone_minutes * 60'000LL - day * kDayMs;
  const auto ms = static_cast<std::uint32_t>(in_day);
  std::string text = format_date(Date{static_cast<std::int32_t>(day)});
  text.reserve(sizeof "2023-05-11T09:12:00.000+08:00");
  append_padded(ms / 3'600'000, 2, text += 'T');
  append_padded(ms / 60'000 % 60, 2, text += ':');
  append_padded(ms / 1000 % 60, 2, text += ':');
  if (ms % 1000 != 0) append_padded(ms % 1000, 3, text += '.');
  if (zone_minutes == 0) return text + "Z";
  const auto magnitude = static_cast<std::uint32_t>(zone_minutes < 0 ? -zone_minutes : zone_minutes);
  append_padded(magnitude / 60, 2, text += zone_minutes < 0 ? '-' : '+');
  append_padded(magnitude % 60, 2, text += ':');
  return text;
}

std::int64_t day_start_ms(Date date, int zone_minutes) { return date.days * kDayMs - zone_minutes * 60'000LL; }

}  // namespace bukubesar
