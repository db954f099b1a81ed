// Through what kind of event a transfer changed a figure. Internal to the module.
#pragma once

#include <cstdint>

#include "projections/difference.h"
#include "projections/snapshot.h"

namespace bukubesar {

// creating: the event is the first that the ledger heard of the purchase.
[[nodiscard]] ChangeKind change_kind_of(EventType type, bool creating);

// Rows in their order, from an event's first one on. Needs the columns sequence, kind and previous.
class ChangeKinds {
 public:
  ChangeKind next(const RowBlock& block, std::size_t i) {
    const std::uint64_t sequence = block.columns.values<std::uint64_t>(Column::sequence)[i];
    if (block.columns.values<std::uint64_t>(Column::previous)[i] == 0) creating_ = sequence;
    return change_kind_of(static_cast<EventType>(block.columns.values<std::uint8_t>(Column::kind)[i]), sequence == creating_);
  }

 private:
  std::uint64_t creating_ = ~std::uint64_t{0};  // an event's rows stand together: the newest creating one is enough
};

}  // namespace bukubesar
