#include "projections/purchase_rows.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "base/status.h"

namespace bukubesar {

absl::Status read_purchase_rows(const PartitionSnapshot& partition, std::uint64_t size, const std::vector<PurchaseRows*>& purchases,
                                std::vector<Column> columns) {
  const auto older = [](const PurchaseRows* a, const PurchaseRows* b) { return a->next < b->next; };
  std::priority_queue<PurchaseRows*, std::vector<PurchaseRows*>, decltype(older)> next(older);
  for (PurchaseRows* one : purchases)
    if (one->next != 0) next.push(one);
  RowReader reader(partition, std::move(columns));
  while (!next.empty()) {
    PurchaseRows* const one = next.top();
    next.pop();
    const std::uint64_t number = one->next;
    ASSIGN_OR_RETURN(const Transfer transfer, reader.at(number - 1));
    const std::uint64_t previous = transfer.previous;
    if (previous >= number && previous != 0)
      return data_loss("partition {}: row {} links beyond the first row", partition.id.name(), number - 1);
    if (transfer.sequence < size) one->rows.emplace_back(number - 1, transfer);
    one->next = previous == 0 ? 0 : number - previous;
    if (one->next != 0) next.push(one);
  }
  for (PurchaseRows* one : purchases) std::reverse(one->rows.begin(), one->rows.end());
  return absl::OkStatus();
}

}  // namespace bukubesar
