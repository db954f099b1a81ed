#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "base/ascii.h"
#include "events/json.h"

namespace bukubesar {

std::string_view name_of(JsonKind kind) {
  switch (kind) {
    case JsonKind::object:
      return "an object";
    case JsonKind::array:
      return "an array";
    case JsonKind::string:
      return "a string";
    case JsonKind::number:
      return "a number";
    case JsonKind::boolean_true:
      return "true";
    case JsonKind::boolean_false:
      return "false";
    case JsonKind::null:
      return "null";
  }
  return "?";
}

namespace {

constexpr std::size_t kShownBytesMax = 80;

// The size of the well-formed UTF-8 sequence at `at`; 0 where there is none (RFC 3629 §4).
std::size_t utf8_size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return tail(1) ? 2 : 0;
  const unsigned second = byte(1);
  if (first < 0xF0) {
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0)) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first > 0xF4 || (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90)) return 0;
  return tail(1) && tail(2) && tail(3) ? 4 : 0;
}

// The four hex digits at `at`, or -1.
int hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return -1;
  int value = 0;
  for (char c : text.substr(at, 4)) {
    int digit = 0;
    if (is_digit(c)) {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    value = value * 16 + digit;
  }
  return value;
}

char* put_utf8(char* to, unsigned code) {
  const auto put = [&](unsigned byte) { *to++ = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
  return to;
}

// What a one-character escape stands for; 0 where there is no such escape.
char simple_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

}  // namespace

void JsonTree::reserve(std::size_t count) {
  if (count <= capacity_) return;
  const std::size_t capacity = std::max({count, 2 * capacity_, std::size_t{128}});
  auto larger = std::make_unique_for_overwrite<JsonValue[]>(capacity);
  std::copy(values_.get(), values_.get() + size_, larger.get());
  values_ = std::move(larger);
  capacity_ = capacity;
}

std::size_t find_non_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (at + 8 <= text.size()) {
      std::memcpy(&eight, text.data() + at, 8);
      if ((eight & 0x8080808080808080ULL) == 0) {
        at += 8;
        continue;
      }
    }
    const std::size_t size = utf8_size(text, at);
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

bool is_json_number(std::string_view token) {
  const char* at = token.data();
  const char* const end = at + token.size();
  const auto digits = [&] {
    const char* const from = at;
    while (at != end && is_digit(*at)) ++at;
    return at != from;
  };
  if (at != end && *at == '-') ++at;
  if (at != end && *at == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at != end && *at == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    if (!digits()) return false;
  }
  return at == end;
}

Unescaped unescape_json(std::string_view raw, Arena& arena, std::string_view& to, std::size_t& at) {
  char* const from = arena.raw(raw.size());  // never longer than its escaped form
  char* out = from;
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\') {
      *out++ = raw[i++];
      continue;
    }
    at = i;
    if (i + 1 >= raw.size()) return Unescaped::bad_escape;
    if (raw[i + 1] != 'u') {
      const char plain = simple_escape(raw[i + 1]);
      if (plain == 0) return Unescaped::bad_escape;
      *out++ = plain;
      i += 2;
      continue;
    }
    const int unit = hex4(raw, i + 2);
    if (unit < 0) return Unescaped::bad_escape;
    auto code = static_cast<unsigned>(unit);
    i += 6;
    if (code >= 0xDC00 && code < 0xE000) return Unescaped::unpaired_surrogate;
    if (code >= 0xD800 && code < 0xDC00) {
      const int low = i + 1 < raw.size() && raw[i] == '\\' && raw[i + 1] == 'u' ? hex4(raw, i + 2) : -1;
      if (low < 0xDC00 || low >= 0xE000) return Unescaped::unpaired_surrogate;
      code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<unsigned>(low) - 0xDC00);
      i += 6;
    }
    out = put_utf8(out, code);
  }
  to = {from, static_cast<std::size_t>(out - from)};
  return Unescaped::ok;
}

std::string shown(std::string_view text) {
  std::string to;
  for (std::size_t at = 0; at < text.size();) {
    if (to.size() >= kShownBytesMax) return to + "…";
    const std::size_t size = utf8_size(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool is_c1 = size == 2 && byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (is_c1) {
      to += fmt::format("\\u00{:02x}", static_cast<unsigned char>(text[at + 1]));
      at += 2;
    } else if (size == 0 || byte < 0x20 || byte == 0x7F) {
      to += fmt::format("\\x{:02x}", byte);
      ++at;
    } else {
      to += text.substr(at, size);
      at += size;
    }
  }
  return to;
}

namespace {

class Parser {
 public:
  Parser(std::string_view json, Arena& arena, JsonTree& tree) : json_(json), arena_(arena), tree_(tree) {}

  JsonError run() {
    tree_.clear();
    space();
    if (value({}, 0)) {
      space();
      if (at_ != json_.size()) fail(Reason::not_json, "nothing may follow the document");
    }
    return std::move(error_);
  }

 private:
  bool fail(Reason reason, std::string_view what) { return fail_at(at_, reason, what); }
  bool fail_at(std::size_t at, Reason reason, std::string_view what) {
    if (at >= json_.size()) {
      error_ = {reason, fmt::format("byte {}, the end: {}", at, what)};
    } else {
      error_ = {reason,
                fmt::format("byte {}, at \"{}\": {}", at, shown(json_.substr(at, std::min<std::size_t>(12, json_.size() - at))), what)};
    }
    return false;
  }
  [[nodiscard]] char peek() const { return at_ < json_.size() ? json_[at_] : '\0'; }
  void space() {
    while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\n' || json_[at_] == '\r' || json_[at_] == '\t')) ++at_;
  }

  bool string(std::string_view& to) {
    if (peek() != '"') return fail(Reason::not_json, "a string is wanted");
    const std::size_t from = ++at_;
    bool has_escapes = false;
    for (;; ++at_) {
      if (at_ >= json_.size()) return fail(Reason::not_json, "a string does not end");
      const auto byte = static_cast<unsigned char>(json_[at_]);
      if (byte < 0x20) return fail(Reason::not_json, "a control character stands unescaped in a string");
      if (byte == '"') break;
      if (byte == '\\') {
        has_escapes = true;
        ++at_;  // the character after it is never the closing quote
      }
    }
    to = json_.substr(from, at_ - from);
    ++at_;
    if (!has_escapes) return true;
    std::size_t wrong = 0;
    switch (unescape_json(to, arena_, to, wrong)) {
      case Unescaped::ok:
        return true;
      case Unescaped::bad_escape:
        return fail_at(from + wrong, Reason::not_json, "no such escape");
      case Unescaped::unpaired_surrogate:
        return fail_at(from + wrong, Reason::unpaired_surrogate, "half of a surrogate pair");
    }
    return false;
  }

  bool value(std::string_view key, std::size_t depth) {
    const auto index = static_cast<std::uint32_t>(tree_.size());
    JsonValue& made = tree_.add();
    made = JsonValue{};
    made.key_at = key.data();
    made.key_size = static_cast<std::uint32_t>(key.size());
    made.key_word = key.data() == nullptr ? 0 : json_word(key);
    const std::size_t from = at_;
    std::string_view text;
    JsonKind kind = JsonKind::string;
    const char c = peek();
    if (c == '"') {
      if (!string(text)) return false;
    } else if (c == '{' || c == '[') {
      if (depth == kJsonDepthMax) return fail(Reason::too_deep, fmt::format("more than {} containers within each other", kJsonDepthMax));
      kind = c == '{' ? JsonKind::object : JsonKind::array;
      if (!(c == '{' ? object(depth + 1) : array(depth + 1))) return false;
      text = json_.substr(from, at_ - from);
    } else if (!word(text, kind)) {
      return false;
    }
    JsonValue& done = tree_[index];
    done.kind = kind;
    done.text_at = text.data();
    done.text_size = static_cast<std::uint32_t>(text.size());
    done.end = static_cast<std::uint32_t>(tree_.size());
    return true;
  }

  bool object(std::size_t depth) {
    std::set<std::string_view> names;
    ++at_;
    space();
    if (peek() == '}') return ++at_, true;
    for (;;) {
      const std::size_t name_at = at_;
      std::string_view name;
      if (!string(name)) return false;
      if (!names.insert(name).second) {
        return fail_at(name_at, Reason::doubled_member, fmt::format("the member \"{}\" stands twice in one object", shown(name)));
      }
      space();
      if (peek() != ':') return fail(Reason::not_json, "a colon is wanted");
      ++at_;
      space();
      if (!value(name, depth)) return false;
      space();
      if (peek() == '}') return ++at_, true;
      if (peek() != ',') return fail(Reason::not_json, "a comma or the object's end is wanted");
      ++at_;
      space();
    }
  }

  bool array(std::size_t depth) {
    ++at_;
    space();
    if (peek() == ']') return ++at_, true;
    for (;;) {
      if (!value({}, depth)) return false;
      space();
      if (peek() == ']') return ++at_, true;
      if (peek() != ',') return fail(Reason::not_json, "a comma or the array's end is wanted");
      ++at_;
      space();
    }
  }

  // A number or a literal: up to the next character that can't be part of one.
  bool word(std::string_view& to, JsonKind& kind) {
    std::size_t end = at_;
    while (end < json_.size() && std::strchr(" \n\r\t,:{}[]\"", json_[end]) == nullptr) ++end;
    to = json_.substr(at_, end - at_);
    if (to == "true") {
      kind = JsonKind::boolean_true;
    } else if (to == "false") {
      kind = JsonKind::boolean_false;
    } else if (to == "null") {
      kind = JsonKind::null;
    } else if (is_json_number(to)) {
      kind = JsonKind::number;
    } else {
      return fail(Reason::not_json, "a value is wanted");
    }
    at_ = end;
    return true;
  }

  std::string_view json_;
  Arena& arena_;
  JsonTree& tree_;
  std::size_t at_ = 0;
  JsonError error_;
};

}  // namespace

JsonError read_json_strict(std::string_view json, Arena& arena, JsonTree& to) {
  if (const std::size_t at = find_non_utf8(json); at != std::string_view::npos) {
    return {Reason::not_utf8, fmt::format("byte {}: {} is not UTF-8", at, shown(json.substr(at, 1)))};
  }
  return Parser(json, arena, to).run();
}

}  // namespace bukubesar
