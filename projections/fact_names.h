// What reads of totals share about facts: which of them a cut sees, and the names that they have for the values of an answer.
#pragma once

#include <string>
#include <vector>

#include "base/cut.h"
#include "projections/facts.h"
#include "projections/partition_fold.h"
#include "projections/totals.h"

namespace bukubesar {

// Facts are in force from a month on: that of the newest ledger time among the purchase partitions. A ledger without one has no bound.
[[nodiscard]] FactsCut facts_cut_of(const FoldSettings& settings, const Cut& cut, std::int64_t ledger_time_ms);
// Beside the rows, for each dimension of `by`; empty where there is none.
[[nodiscard]] std::vector<std::vector<std::string>> names_of(const Facts& facts, const FactsCut& at, const TotalsAnswer& answer);

}  // namespace bukubesar
