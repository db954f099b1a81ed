// History: the entries of one partition in their order, each with what its event says, the transfers it caused and where the purchase
// stands after it. What a replay shows, step by step, forward or back.
//
// Filters on dimensions look at the purchase as the entry left it. An entry that moved nothing (a duplicate, a stale revision) is looked at
// by the purchase that it names; one that names none (a rejected record that does not decode) passes no such filter.
//
// Limits  kHistoryEntriesMax entries on a page; kHistoryLooksMax are looked at for one, so a page may be short and still have a next one.
// Errors  InvalidArgument: a filter that can not be. OutOfRange: beyond the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cut.h"
#include "base/ids.h"
#include "ledger/entry.h"
#include "projections/totals.h"

namespace bukubesar {

inline constexpr std::size_t kHistoryEntriesMax = 1000;
inline constexpr std::uint64_t kHistoryLooksMax = 16'384;

struct HistoryQuery {
  PartitionId partition;
  std::uint64_t first = 0, limit = 0;  // entries [first, limit); limit is within what has been read
  bool newest_first = false;
  std::size_t count = 100;
  Cut facts;                       // at which facts are joined
  TotalsQuery where;               // `where` alone counts: dimensions of the purchase
  std::vector<std::string> types;  // "ordered", "reference.vendor"; none: all
  std::optional<Verdict> verdict;
  std::string purchase;
};

struct HistoryTransfer {
  std::string from_account, to_account, component, origin, catalogue_kind, commodity;
  MoneySum amount = 0;
  std::int32_t packages = 0;
};
struct HistoryEntry {
  Sequence sequence;
  Entry entry;
  std::int64_t ledger_time_ms = 0;  // 0: none
  std::string type, source, id;     // empty where it does not decode
  std::string subject;              // a purchase's id, or what a fact is about
  std::optional<std::int64_t> event_time_ms;
  std::vector<HistoryTransfer> transfers;
  // Where its purchase stands after it.
  struct Balance {
    std::string stage, region, institution, vendor, scale;
    MoneySum value = 0, paid = 0;
  };
  std::optional<Balance> after;
  std::vector<std::string> findings;  // kinds
};
struct HistoryPage {
  Cut cut;
  std::vector<HistoryEntry> entries;  // in the order that was asked for
  std::optional<std::uint64_t> next;  // the next page: forward its first, back its limit
};

}  // namespace bukubesar
