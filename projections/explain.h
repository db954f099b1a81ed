// Explain: the transfers and entries that make up a figure, purchase by purchase, and they sum to it exactly.
//
// A figure is a row of totals, or their total. What a purchase adds is the sum of its transfers that the question takes in; those that
// add nothing on balance (they came to the row and left it again) are left out. Purchases stand in the order in which their first such
// transfer stands in the ledger.
//
// A part of a difference is explained in the same way: only transfers of entries beyond `since`, of one kind; or, for a part that facts
// have, what purchases add under the facts of the later cut less what they added under those of the earlier one, with the facts' entries.
//
// Limits  kExplainPurchasesMax purchases on a page.
// Errors  NotFound: the row is not among the totals' rows. InvalidArgument: a cursor that was not given. OutOfRange: a cut beyond the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cut.h"
#include "base/ids.h"
#include "projections/difference.h"
#include "projections/posting.h"
#include "projections/totals.h"

namespace bukubesar {

inline constexpr std::size_t kExplainPurchasesMax = 1000;

enum class Measure : std::uint8_t { packages, vendors, committed, strict, broad, stage_unknown, paid };
inline constexpr std::size_t kMeasureCount = 7;
[[nodiscard]] std::string_view name_of(Measure measure);
[[nodiscard]] std::optional<Measure> parse_measure(std::string_view name);

struct ExplainQuery {
  TotalsQuery totals;
  std::optional<std::vector<std::string>> row;  // beside totals.by; nothing: the total
  std::optional<Measure> measure;               // only purchases that add to it; vendors: that are counted with a vendor
  std::optional<Cut> since;                     // of a difference: the earlier cut
  std::optional<ChangeKind> part;               // with since: only this part
  std::string cursor;                           // it holds the cut of the first page
  std::size_t limit = 20;                       // purchases
};

struct ExplainedTransfer {
  std::uint32_t row = 0;  // within the event
  std::string from_account, to_account, component, origin, catalogue_kind, commodity;
  MoneySum amount = 0;
  PostingSums adds;
};
struct ExplainedEvent {
  Sequence sequence;
  std::string type;
  std::optional<std::int64_t> event_time_ms;
  PostingSums adds;
  std::vector<ExplainedTransfer> transfers;
};
struct ExplainedPurchase {
  PartitionId partition;
  std::string id;
  std::vector<std::string> vendors;  // codes that it is counted with
  PostingSums adds;
  std::vector<ExplainedEvent> events;  // by sequence; with a part that facts have: those that stand before it
  std::vector<Sequence> facts;         // with such a part: the entries of the reference partition that moved it
};
struct ExplainAnswer {
  Cut cut;
  TotalsQuery query;
  std::optional<MeasuresChange> figure;  // on the first page
  bool with_paid = true;                 // false where payments have no part in it
  std::vector<ExplainedPurchase> purchases;
  std::optional<std::string> next_cursor;
};

}  // namespace bukubesar
