// Peeking at JSON that need not be valid: for routing a text before it is judged, and for quoting a member verbatim. No verdict comes from
// here.
//
// Threads  any.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace bukubesar {

// The verbatim text of the value at `path`, names from the outside in; the first where a name is doubled. Nothing where it cannot be found.
[[nodiscard]] std::optional<std::string> peek_raw(std::string_view json, std::initializer_list<std::string_view> path);

struct PeekedEvent {
  std::optional<std::string> subject, type;  // top-level strings, unescaped
};
[[nodiscard]] PeekedEvent peek_event(std::string_view json);

}  // namespace bukubesar
