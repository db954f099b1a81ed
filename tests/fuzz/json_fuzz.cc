// Three JSON readers: the fast one accepts nothing that the strict one refuses, both give one tree, and nlohmann/json, which is somebody
// else's, accepts all that the strict one does and reads the same values.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "events/json.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

using fuzz::require;
using Json = nlohmann::ordered_json;

void require_equal_trees(const JsonTree& a, const JsonTree& b) {
  require(a.size() == b.size(), "both readers see as many values");
  for (std::size_t i = 0; i < a.size(); ++i) {
    require(a[i].kind == b[i].kind && a[i].end == b[i].end, "both readers see one structure");
    require(a[i].key() == b[i].key() && a[i].text() == b[i].text() && a[i].key_word == b[i].key_word, "both readers see the same texts");
  }
}

// Compares the value at `at` and all below it; the index after it.
std::size_t require_equal(const JsonTree& tree, std::size_t at, const Json& other) {
  const JsonValue& value = tree[at];
  switch (value.kind) {
    case JsonKind::object: {
      require(other.is_object(), "an object is one for others too");
      std::size_t member = at + 1;
      std::size_t count = 0;
      for (; member < value.end; ++count) {
        const auto found = other.find(std::string(tree[member].key()));
        require(found != other.end(), "others see the member too");
        member = require_equal(tree, member, *found);
      }
      require(count == other.size(), "others see no more members");
      break;
    }
    case JsonKind::array: {
      require(other.is_array(), "an array is one for others too");
      std::size_t element = at + 1;
      std::size_t count = 0;
      for (; element < value.end; ++count) {
        require(count < other.size(), "others see as many elements");
        element = require_equal(tree, element, other[count]);
      }
      require(count == other.size(), "others see no more elements");
      break;
    }
    case JsonKind::string:
      require(other.is_string() && other.get_ref<const std::string&>() == value.text(), "others read the same text");
      break;
    case JsonKind::number:
      require(other.is_number() && is_json_number(value.text()), "a number is one for others too");
      break;
    case JsonKind::boolean_true:
    case JsonKind::boolean_false:
      require(other.is_boolean() && other.get<bool>() == (value.kind == JsonKind::boolean_true), "others read the same literal");
      break;
    case JsonKind::null:
      require(other.is_null(), "null is null for others too");
      break;
  }
  return value.end;
}

void try_json(std::string_view input) {
  const std::unique_ptr<char[]> bytes(new char[input.size()]);  // of exactly that size: a read past its end is found
  std::copy(input.begin(), input.end(), bytes.get());
  const std::string_view json(bytes.get(), input.size());
  static FastJsonReader reader;  // reused, so that what one input leaves behind would show with the next
  Arena arena(256);
  JsonTree fast;
  JsonTree strict;
  const bool fast_accepts = reader.read(json, arena, fast);
  const JsonError error = read_json_strict(json, arena, strict);
  const bool strict_accepts = error.reason == Reason::none;
  require(strict_accepts || !fast_accepts, "the fast reader accepts nothing that the strict one refuses");
  require(error.detail.empty() == strict_accepts, "a detail exactly where something is wrong");
  if (fast_accepts) require_equal_trees(fast, strict);
  const Json other = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!strict_accepts) {
    // Every other refusal is a strictness that we state. nlohmann/json skips a byte order mark, which RFC 8259 lets it do, and takes a NUL
    // for the end of the text.
    require(error.reason != Reason::not_json || other.is_discarded() || json.substr(0, 3) == "\xef\xbb\xbf" ||
                json.find('\0') != std::string_view::npos,
            "what is no JSON is none for others");
    return;
  }
  if (other.is_discarded()) {
    // 1e999 is a number by RFC 8259 and beyond a double: nlohmann/json says out of range.
    bool has_number = false;
    for (std::size_t i = 0; i < strict.size(); ++i) has_number = has_number || strict[i].kind == JsonKind::number;
    require(has_number, "others accept what is accepted");
    return;
  }
  require(require_equal(strict, 0, other) == strict.size(), "the root holds everything");
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bukubesar::try_json({reinterpret_cast<const char*>(data), size});
  return 0;
}
