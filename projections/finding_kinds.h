// Findings: what contradicts itself or raises a question, one row each. Worded as observations: a finding accuses nobody.
//
// Stored in segments: kinds are never renumbered. The two arguments' meaning is the kind's (finding_kinds.cc).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace bukubesar {

enum class FindingKind : std::uint8_t {
  ordered_again,
  stub,
  stale,
  time_went_back,
  revived,
  repeated_reference,
  overpaid,
  negative_payment,
  lines_do_not_add_up,
  quantity_times_price,
  stage_unknown,
  stage_went_back,
  other_feed,
  vendor_differs,
  duplicate_different,
  overflow,
  cancelled_after_payment,
  order_date_moved_back,
  order_after_event,
  stage_jumped,
};

struct FindingKindInfo {
  FindingKind kind;
  std::string_view name;      // as in JSON and metrics
  std::string_view sentence;  // for people
};
[[nodiscard]] std::span<const FindingKindInfo> all_finding_kinds();
[[nodiscard]] std::string_view name_of(FindingKind kind);
[[nodiscard]] std::optional<FindingKind> parse_finding_kind(std::string_view name);

struct FindingRow {
  std::uint64_t sequence = 0;
  std::uint32_t purchase = 0;  // kNoPurchase where it is not about one
  std::uint32_t previous = 0;  // number + 1 of the purchase's finding before this one; 0: none (not stored)
  FindingKind kind = FindingKind::stub;
  std::int64_t a = 0, b = 0;
};

class Dictionaries;
// One sentence with the values.
[[nodiscard]] std::string detail_of(const FindingRow& finding, const Dictionaries& dictionaries);

}  // namespace bukubesar
