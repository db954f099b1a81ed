#include <fmt/format.h>

#include <array>
#include <cstring>
#include <limits>

#include "base/ascii.h"
#include "events/decoder.h"

namespace bukubesar {

namespace {

constexpr bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
// Each event's salt is asked: a look-up a digit instead of six comparisons.
constexpr std::array<bool, 256> kHexDigits = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c) table[c] = is_hex_digit(static_cast<char>(c));
  return table;
}();

// Whether one of eight bytes is below 0x20, DEL or not ASCII.
constexpr bool is_suspect(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHigh = kOnes * 0x80;
  const std::uint64_t del = word ^ (kOnes * 0x7F);
  // Each subtraction borrows into the high bit of a byte that is too small; a borrow from below can only add a suspicion.
  return ((word | (word - kOnes * 0x20) | (del - kOnes)) & kHigh) != 0;
}

bool may_hold_control_character(std::string_view text) {
  std::uint64_t word = 0x2020202020202020ULL;
  if (text.size() < sizeof word) {
    std::memcpy(&word, text.data(), text.size());
    return is_suspect(word);
  }
  const auto suspect_at = [&](std::size_t at) {
    std::memcpy(&word, text.data() + at, sizeof word);
    return is_suspect(word);
  };
  for (std::size_t at = 0; at + sizeof word < text.size(); at += sizeof word)
    if (suspect_at(at)) return true;
  return suspect_at(text.size() - sizeof word);  // some of it for the second time: cheaper than a copy of any length
}

// C0, DEL and C1 (in UTF-8 C2 80 … C2 9F), as CloudEvents forbids them.
bool has_control_character(std::string_view text) {
  if (!may_hold_control_character(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    if (byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
  }
  return false;
}

}  // namespace

ParsedDecimal parse_decimal(std::string_view text, int places) {
  const ParsedDecimal syntax{0, MoneyError::syntax};
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  // Magnitudes grow towards the negative end, which has one value more.
  std::int64_t value = 0;
  bool fits = true;
  const auto add = [&](int digit) {
    fits = fits && !__builtin_mul_overflow(value, 10, &value) && !__builtin_sub_overflow(value, digit, &value);
  };
  const char* const whole = at;
  for (; at != end && is_digit(*at); ++at) add(*at - '0');
  if (at == whole || (at - whole > 1 && *whole == '0')) return syntax;
  std::ptrdiff_t decimals = 0;
  if (at != end) {
    if (*at != '.') return syntax;
    const char* const first = ++at;
    for (; at != end && is_digit(*at); ++at) {
      if (at - first < places) add(*at - '0');
    }
    decimals = at - first;
    if (at != end || decimals == 0) return syntax;
  }
  if (decimals > places) return {0, MoneyError::too_many_decimals};
  for (; decimals < places; ++decimals) add(0);
  if (fits && !negative) fits = !__builtin_sub_overflow(0, value, &value);
  if (!fits) return {0, MoneyError::out_of_range};
  return {value, MoneyError::none};
}

std::string Fields::path_of(const JsonValue* value) const {
  const auto target = static_cast<std::uint32_t>(value - tree_.data());
  std::string path(root_name_);
  std::uint32_t at = 0;
  while (at != target) {
    const bool in_array = tree_[at].kind == JsonKind::array;
    std::size_t number = 0;
    std::uint32_t inner = at + 1;
    for (; tree_[inner].end <= target; inner = tree_[inner].end) ++number;
    if (in_array) {
      path += fmt::format("[{}]", number);
    } else {
      if (!path.empty()) path += '.';
      path += shown(tree_[inner].key());
    }
    at = inner;
  }
  return path.empty() ? "the event" : path;
}

bool Fields::fail(Reason reason, const JsonValue* value, std::string_view about) {
  const bool is_container = value->kind == JsonKind::object || value->kind == JsonKind::array;
  const std::string what = is_container                      ? std::string(name_of(value->kind))
                           : value->kind == JsonKind::string ? fmt::format("\"{}\"", shown(value->text()))
                                                             : shown(value->text());
  return fail(reason, fmt::format("{}: {}{}{}", path_of(value), what, about.empty() ? "" : ", ", about));
}

bool Fields::fail(Reason reason, std::string detail) {
  failure_ = {reason, std::move(detail)};
  return false;
}

bool Fields::require(const JsonValue* member, const JsonValue& object, std::string_view name) {
  if (member != nullptr) return true;
  const std::string path = path_of(&object);
  return fail(Reason::missing_member, &object == tree_.data() && root_name_.empty() ? std::string(name) : fmt::format("{}.{}", path, name));
}

bool Fields::object(const JsonValue* member) {
  return member == nullptr || member->kind == JsonKind::object || fail(Reason::wrong_type, member, "an object is wanted");
}

bool Fields::array(const JsonValue* member) {
  return member == nullptr || member->kind == JsonKind::array || fail(Reason::wrong_type, member, "an array is wanted");
}

bool Fields::string(const JsonValue* member) {
  return member == nullptr || member->kind == JsonKind::string || fail(Reason::wrong_type, member, "a string is wanted");
}

bool Fields::code(const JsonValue* member, std::string_view& to) {
  if (member == nullptr) return true;
  if (!string(member)) return false;
  if (!is_code(member->text())) return fail(Reason::invalid_code, member);
  to = member->text();
  return true;
}

bool Fields::code(const JsonValue* member, std::optional<std::string_view>& to) {
  if (member == nullptr) return true;
  return code(member, to.emplace());
}

Reason Fields::text_reason(std::string_view text, std::size_t size_max) {
  if (text.empty()) return Reason::invalid_value;
  if (text.size() > size_max) return Reason::too_long;
  return has_control_character(text) ? Reason::control_character : Reason::none;
}

bool Fields::text(const JsonValue* member, std::size_t size_max, std::string_view& to) {
  if (member == nullptr) return true;
  if (!string(member)) return false;
  if (const Reason reason = text_reason(member->text(), size_max); reason != Reason::none)
    return fail(reason, member, reason == Reason::too_long ? fmt::format("at most {} bytes", size_max) : "");
  to = member->text();
  return true;
}

bool Fields::text(const JsonValue* member, std::size_t size_max, std::optional<std::string_view>& to) {
  if (member == nullptr) return true;
  return text(member, size_max, to.emplace());
}

bool Fields::hex(const JsonValue* member, std::size_t digits_min, std::size_t digits_max, std::string_view& to) {
  if (member == nullptr) return true;
  if (!string(member)) return false;
  const std::string_view value = member->text();
  bool all = value.size() >= digits_min && value.size() <= digits_max;
  for (const char c : value) all &= kHexDigits[static_cast<unsigned char>(c)];
  if (!all) {
    return fail(Reason::invalid_value, member,
                digits_min == digits_max ? fmt::format("{} hex digits are wanted", digits_max)
                                         : fmt::format("{} to {} hex digits are wanted", digits_min, digits_max));
  }
  to = value;
  return true;
}

bool Fields::decimal(const JsonValue* member, int places, std::optional<std::int64_t>& to) {
  if (member == nullptr) return true;
  const std::string_view text = member->text();
  if (member->kind == JsonKind::number) {
    // 1.5 and 1e3 are binary floating point to most that write and read JSON: what they meant can't be known.
    if (text.find_first_of(".eE") != std::string_view::npos)
      return fail(Reason::wrong_type, member, "a decimal string or an integer is wanted");
  } else if (member->kind != JsonKind::string) {
    return fail(Reason::wrong_type, member, "a decimal string or an integer is wanted");
  }
  const ParsedDecimal parsed = parse_decimal(text, places);
  switch (parsed.error) {
    case MoneyError::none:
      to = parsed.value;
      return true;
    case MoneyError::syntax:
      return fail(Reason::invalid_number, member);
    case MoneyError::too_many_decimals:
      return fail(Reason::too_many_decimals, member, fmt::format("at most {}", places));
    case MoneyError::out_of_range:
      return fail(Reason::number_out_of_range, member);
  }
  return false;
}

bool Fields::money(const JsonValue* member, std::optional<Money>& to) {
  std::optional<std::int64_t> sen;
  if (!decimal(member, 2, sen)) return false;
  if (sen) to = Money{*sen};
  return true;
}

bool Fields::money(const JsonValue* member, Money& to) {
  std::optional<std::int64_t> sen;
  if (!decimal(member, 2, sen)) return false;
  if (sen) to.sen = *sen;
  return true;
}

bool Fields::integer(const JsonValue* member, std::int64_t min, std::int64_t max, std::optional<std::int64_t>& to) {
  if (member == nullptr) return true;
  if (member->kind != JsonKind::number || member->text().find_first_of(".eE") != std::string_view::npos)
    return fail(Reason::wrong_type, member, "an integer is wanted");
  const ParsedDecimal parsed = parse_decimal(member->text(), 0);
  if (parsed.error != MoneyError::none) return fail(Reason::number_out_of_range, member);
  if (parsed.value < min || parsed.value > max) return fail(Reason::invalid_value, member, fmt::format("from {} to {}", min, max));
  to = parsed.value;
  return true;
}

bool Fields::boolean(const JsonValue* member, bool& to) {
  if (member == nullptr) return true;
  if (member->kind != JsonKind::boolean_true && member->kind != JsonKind::boolean_false)
    return fail(Reason::wrong_type, member, "true or false is wanted");
  to = member->kind == JsonKind::boolean_true;
  return true;
}

bool Fields::date(const JsonValue* member, std::optional<Date>& to) {
  if (member == nullptr) return true;
  if (!string(member)) return false;
  to = parse_date(member->text());
  return to.has_value() || fail(Reason::invalid_date, member, "YYYY-MM-DD is wanted");
}

bool Fields::month(const JsonValue* member, Month& to) {
  if (member == nullptr) return true;
  if (!string(member)) return false;
  const std::optional<Month> month = parse_month(member->text());
  if (!month) return fail(Reason::invalid_date, member, "YYYY-MM is wanted");
  to = *month;
  return true;
}

bool Fields::instant(const JsonValue* member, std::optional<std::int64_t>& to) {
  if (member == nullptr) return true;
  if (!string(member)) return false;
  to = parse_instant_ms(member->text());
  return to.has_value() || fail(Reason::invalid_time, member, "RFC 3339 is wanted");
}

}  // namespace bukubesar
