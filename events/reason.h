// Verdicts and reason codes: one table, a sentence each. Codes are part of the entry format: never renumbered, never reused.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bukubesar {

enum class Verdict : std::uint8_t { none = 0, accepted = 1, duplicate = 2, rejected = 3 };
[[nodiscard]] std::string_view name_of(Verdict verdict);

enum class Reason : std::uint16_t {
  none = 0,
  // duplicate
  same = 1,
  different = 2,
  // rejected: see kReasons in reason.cc for the sentences; the events module fills this list (100 and up)
  oversize = 100,
  null_value = 101,
  key_mismatch = 102,
  misrouted = 103,
};

struct ReasonInfo {
  Reason code;
  Verdict verdict;
  std::string_view name;      // snake_case, as in metrics and JSON
  std::string_view sentence;  // for people: what is wrong, and what the sender should do
};
[[nodiscard]] std::span<const ReasonInfo> all_reasons();
// "unknown" for a code that is not in the table.
[[nodiscard]] std::string_view name_of(Reason reason);

}  // namespace bukubesar
