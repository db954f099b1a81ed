#include "server/query.h"

#include <algorithm>
#include <charconv>

#include "base/status.h"

namespace bukubesar {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string joined(std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  std::string text;
  for (std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "none" : text;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[at] != '%') {
      decoded.push_back(text[at]);
    } else {
      if (at + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[at + 1]);
      const int low = hex_digit(text[at + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded.push_back(static_cast<char>(high * 16 + low));
      at += 2;
    }
  }
  return decoded;
}

std::optional<std::uint64_t> parse_decimal(std::string_view digits) {
  std::uint64_t value = 0;
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

absl::StatusOr<Query> Query::parse(std::string_view raw, const std::vector<std::string_view>& known) {
  Query query;
  while (!raw.empty()) {
    const std::string_view pair = raw.substr(0, raw.find('&'));
    raw.remove_prefix(std::min(pair.size() + 1, raw.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const auto name = percent_decode(pair.substr(0, equals), true);
    const auto value = percent_decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return invalid_argument("query: '{}' is not percent-encoded", pair);
    if (std::find(known.begin(), known.end(), *name) == known.end())
      return invalid_argument("query: unknown parameter '{}'; known here: {}", *name, joined(known));
    if (!query.values_.emplace(*name, *value).second) return invalid_argument("query: parameter '{}' stands twice", *name);
  }
  return query;
}

std::string_view Query::text(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<std::string> Query::list(std::string_view name) const {
  std::vector<std::string> parts;
  if (!has(name)) return parts;
  const std::string_view whole = text(name);
  parts.emplace_back();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] == ',') {
      parts.emplace_back();
    } else {
      if (whole[i] == '\\' && i + 1 < whole.size()) ++i;
      parts.back() += whole[i];
    }
  }
  return parts;
}

absl::StatusOr<std::optional<std::uint64_t>> Query::number(std::string_view name) const {
  if (!has(name)) return std::optional<std::uint64_t>();
  const auto value = parse_decimal(text(name));
  if (!value) return invalid_argument("query: {}: '{}' is not a number", name, text(name));
  return value;
}

absl::StatusOr<std::size_t> Query::limit(std::size_t usual, std::size_t most) const {
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> value, number("limit"));
  if (!value) return usual;
  if (*value < 1 || *value > most) return invalid_argument("query: limit: {} is not within 1 … {}", *value, most);
  return static_cast<std::size_t>(*value);
}

absl::StatusOr<bool> Query::flag(std::string_view name) const {
  const std::string_view value = text(name);
  if (!has(name) || value == "false" || value == "0") return false;
  if (value == "true" || value == "1") return true;
  return invalid_argument("query: {}: '{}' is neither true nor false", name, value);
}

}  // namespace bukubesar
