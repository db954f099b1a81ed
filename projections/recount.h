// Recount: totals from a set of entries alone, without a ledger: what an evidence pack is checked with. The fold and the scan are those of
// the server; entries that are left out are simply not there.
//
// Threads  one.
// Errors   InvalidArgument: an entry of no partition of this ledger, out of order, or accepted without a payload that still gives an event.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "config/definition.h"
#include "events/rules.h"
#include "ledger/entry.h"
#include "projections/facts.h"
#include "projections/partition_fold.h"
#include "projections/scan.h"
#include "projections/totals.h"

namespace bukubesar {

class Recount {
 public:
  explicit Recount(const Definition& definition);
  ~Recount();
  // Ascending within a partition.
  [[nodiscard]] absl::Status add(PartitionId partition, Sequence sequence, const Entry& entry, std::optional<std::string_view> payload);
  // query.cut is set, and no entry lies beyond it.
  [[nodiscard]] absl::StatusOr<TotalsAnswer> totals(const TotalsQuery& query);
  [[nodiscard]] std::vector<std::vector<std::string>> names(const TotalsAnswer& answer);
  // Purchases that the entries are about.
  [[nodiscard]] std::uint64_t purchases() const;

 private:
  [[nodiscard]] FactsCut facts_at(const Cut& cut) const;
  void note_month(PartitionId partition, Sequence sequence, std::int64_t ledger_time_ms);

  const FoldSettings settings_;
  Judge judge_;
  std::map<PartitionId, std::unique_ptr<PartitionFold>> folds_;  // of the numbered partitions
  Facts facts_;
  absl::Mutex facts_mutex_;
  std::uint64_t reference_next_ = 0;
  std::map<PartitionId, std::vector<MonthStart>> months_;  // of ledger time, as far as the entries tell
};

}  // namespace bukubesar
