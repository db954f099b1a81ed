// Rows of purchases, along the links from each row to the purchase's row before it. Internal to the module.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "projections/snapshot.h"
#include "projections/transfer.h"

namespace bukubesar {

struct PurchaseRows {
  std::uint64_t next = 0;                                // the row to read next, plus one; 0: all are read
  std::vector<std::pair<std::uint64_t, Transfer>> rows;  // number of the row, and the row
};

// Reads the rows of all these purchases whose sequence is below `size`, and leaves them oldest first. Rows are read from the newest to
// the oldest over all of them, so that each segment is opened once, not once for each purchase. DataLoss: a link that leads nowhere.
// columns: those that are looked at, sequence and previous among them.
[[nodiscard]] absl::Status read_purchase_rows(const PartitionSnapshot& partition, std::uint64_t size,
                                              const std::vector<PurchaseRows*>& purchases, std::vector<Column> columns = all_columns());

}  // namespace bukubesar
