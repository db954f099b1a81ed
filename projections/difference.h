// Difference: between two cuts, which rows of totals changed, by how much, and through what; the parts sum to the difference exactly.
//
// A row's transfers between the two cuts are told apart by their events. What the transfers before the first cut come to under the facts
// of the second, against those of the first, is the facts' part: first what was stated before and came into force since, then what was
// stated since about vendors, then the rest.
//
// Errors  InvalidArgument: the first cut is not within the second. OutOfRange: beyond the end.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cut.h"
#include "projections/totals.h"

namespace bukubesar {

enum class ChangeKind : std::uint8_t {
  new_purchases,  // the event through which the ledger first heard of a purchase
  ordered_again,
  amendments,
  corrections,
  stage_moves,
  payments,  // refunds too
  cancellations,
  withdrawals,
  facts_in_force,        // stated before the first cut, in force since
  reclassified_vendors,  // stated since: scale, kind, domicile of a vendor
  late_facts,            // stated since: region of an institution, group of a commodity
};
inline constexpr std::size_t kChangeKindCount = 11;
[[nodiscard]] std::string_view name_of(ChangeKind kind);
[[nodiscard]] std::optional<ChangeKind> parse_change_kind(std::string_view name);
[[nodiscard]] constexpr bool is_of_facts(ChangeKind kind) { return kind >= ChangeKind::facts_in_force; }

struct MeasuresChange {
  std::int64_t packages = 0, vendors = 0;
  MoneySum committed = 0, strict = 0, broad = 0, stage_unknown = 0;
  std::optional<MoneySum> paid;  // as in Measures
  MeasuresChange& operator+=(const MeasuresChange& other);
  [[nodiscard]] bool is_zero() const;
  friend bool operator==(const MeasuresChange&, const MeasuresChange&) = default;
};
[[nodiscard]] MeasuresChange change_between(const Measures& before, const Measures& after);

struct DifferenceRow {
  std::vector<std::string> key;  // beside `by`
  Measures before, after;
  MeasuresChange change;
  std::array<std::optional<MeasuresChange>, kChangeKindCount> parts;  // nothing: no part in it
};
struct DifferenceAnswer {
  Cut from, to;
  TotalsQuery query;
  std::vector<DifferenceRow> rows;  // that changed, by key; also where the parts cancel each other out
  DifferenceRow total;
};

}  // namespace bukubesar
