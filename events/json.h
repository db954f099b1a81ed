// JSON as a flat list of values, in document order, made by one of two readers that must agree:
//
//   read_json_fast    simdjson's structural index and one walk over every token of it. May only accept.
//   read_json_strict  a small recursive parser. What it says is the verdict, and the reason.
//
// Both accept exactly strict JSON: RFC 8259, UTF-8, at most kJsonDepthMax containers within each other, no member name twice in
// one object at any depth (names compared after unescaping), no escape that is half of a surrogate pair.
//
// Text without escapes points into the bytes given; text with escapes into the arena. Values of one object or array follow each other:
// the first at index + 1, the next at `end` of the one before, until `end` of the container.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "events/reason.h"

namespace bukubesar {

inline constexpr std::size_t kJsonDepthMax = 32;

enum class JsonKind : std::uint8_t { object, array, string, number, boolean_true, boolean_false, null };
[[nodiscard]] std::string_view name_of(JsonKind kind);

// First bytes and size of a short text in one word: what differs here differs, what is equal is then compared.
[[nodiscard]] std::uint64_t json_word(std::string_view text);

struct JsonValue {
  const char* key_at = nullptr;  // null for an element of an array and for the root
  const char* text_at = nullptr;
  std::uint64_t key_word = 0;
  std::uint32_t key_size = 0;
  std::uint32_t text_size = 0;
  std::uint32_t end = 0;  // index after the last value inside
  JsonKind kind = JsonKind::null;

  [[nodiscard]] std::string_view key() const { return {key_at, key_size}; }
  // A string's content, a number's or literal's token; of a container the bytes from bracket to bracket.
  [[nodiscard]] std::string_view text() const { return {text_at, text_size}; }
};

struct JsonTree {
  std::vector<JsonValue> values;  // the root first; reused, its capacity is kept
};

// Threads  one object for each thread: it keeps simdjson's buffers.
class FastJsonReader {
 public:
  FastJsonReader();
  ~FastJsonReader();
  FastJsonReader(FastJsonReader&&) noexcept;
  // False: not strict JSON, or merely not for this path; ask read_json_strict.
  [[nodiscard]] bool read(std::string_view json, Arena& arena, JsonTree& to);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct JsonError {
  Reason reason = Reason::none;  // not_utf8, not_json, too_deep, doubled_member, unpaired_surrogate
  std::string detail;            // "byte 412: …"
};
// The first offence in byte order is named, not_utf8 before all others.
[[nodiscard]] JsonError read_json_strict(std::string_view json, Arena& arena, JsonTree& to);

// What both readers share.
// The token is exactly RFC 8259's `number`.
[[nodiscard]] bool is_json_number(std::string_view token);
enum class Unescaped : std::uint8_t { ok, bad_escape, unpaired_surrogate };
// `raw` is what stands between the quotes, `at` is where it went wrong.
[[nodiscard]] Unescaped unescape_json(std::string_view raw, Arena& arena, std::string_view& to, std::size_t& at);
// The index of the first byte that is not part of well-formed UTF-8 (RFC 3629: no surrogates, shortest form); npos where all is.
[[nodiscard]] std::size_t find_non_utf8(std::string_view text);

// For people: control characters and bytes that are not UTF-8 escaped, at most 80 bytes, then "…".
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace bukubesar
