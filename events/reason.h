// Verdicts and reason codes: one table, a sentence each (reason.cc; docs/EVENTS.md lists it for people).
// Codes are part of the entry format: never renumbered, never reused.
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
  // rejected. The record:
  oversize = 100,
  null_value = 101,
  key_mismatch = 102,
  misrouted = 103,
  malformed_payload = 104,
  purchase_on_reference_topic = 105,
  reference_on_purchase_topic = 106,
  // The CloudEvents envelope:
  content_type = 110,
  not_cloudevent = 111,
  doubled_header = 112,
  data_base64 = 113,
  data_content_type = 114,
  unknown_specversion = 115,
  unknown_type = 116,
  invalid_subject = 117,
  unknown_system = 118,
  // The text:
  not_utf8 = 120,
  not_json = 121,
  too_deep = 122,
  doubled_member = 123,
  unpaired_surrogate = 124,
  // A member:
  missing_member = 130,
  wrong_type = 131,
  too_long = 132,
  control_character = 133,
  invalid_code = 134,
  unknown_choice = 135,
  invalid_number = 136,
  too_many_decimals = 137,
  number_out_of_range = 138,
  invalid_date = 139,
  invalid_time = 140,
  invalid_value = 141,
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
