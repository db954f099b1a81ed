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
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/arena.h"
#include "events/reason.h"

namespace bukubesar {

inline constexpr std::size_t kJsonDepthMax = 32;

enum class JsonKind : std::uint8_t { object, array, string, number, boolean_true, boolean_false, null };
[[nodiscard]] std::string_view name_of(JsonKind kind);

// The first 8 bytes of a text, the rest of a shorter one zero: what two texts of one size usually differ in, in one word.
[[nodiscard]] inline std::uint64_t json_word(std::string_view text) {
  std::uint64_t word = 0;
  if (text.size() >= 8) {
    std::memcpy(&word, text.data(), 8);
  } else {
    for (std::size_t i = 0; i < text.size(); ++i) word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  }
  return word;
}
// Whether two texts with these words are equal. Names are short: the call that a comparison costs is more than the comparison.
[[nodiscard]] inline bool equal_texts(std::string_view a, std::uint64_t a_word, std::string_view b, std::uint64_t b_word) {
  if (a_word != b_word || a.size() != b.size()) return false;
  if (a.size() <= 8) return true;
  if (a.size() > 16) return a == b;
  return json_word(a.substr(a.size() - 8)) == json_word(b.substr(b.size() - 8));
}

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

// The values of one document, the root first. Reused: it keeps its capacity until it is told to give it back.
class JsonTree {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] const JsonValue* data() const { return values_.get(); }
  [[nodiscard]] const JsonValue& operator[](std::size_t index) const { return values_[index]; }
  [[nodiscard]] JsonValue& operator[](std::size_t index) { return values_[index]; }
  void clear() { size_ = 0; }
  void give_back() {
    values_.reset();
    size_ = capacity_ = 0;
  }
  // Room for that many values in all, whatever is in it now being kept.
  void reserve(std::size_t count);
  // Its members are the caller's to set, all of them. Moves what is there where there is no room left.
  JsonValue& add() {
    if (size_ == capacity_) reserve(size_ + 1);
    return values_[size_++];
  }
  // For a writer that has reserved: the values as they are stored, and how many of them it has set.
  [[nodiscard]] JsonValue* data() { return values_.get(); }
  void set_size(std::size_t size) { size_ = size; }

 private:
  std::unique_ptr<JsonValue[]> values_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
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
