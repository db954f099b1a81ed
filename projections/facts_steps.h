// From the facts of one cut to those of a later one, in steps, so that a difference can say which of them moved a figure. Internal.
#pragma once

#include <optional>

#include "projections/difference.h"
#include "projections/facts.h"

namespace bukubesar {

// Statements about vendors, about all else, or both; by entries [first, limit), and valid from a later month than `after`.
struct StatedFacts {
  std::uint64_t first = 0, limit = 0;
  bool vendors = false, others = false;
  std::optional<Month> after;
};
struct FactsStep {
  FactsCut before, after;
  StatedFacts stated;
};
[[nodiscard]] FactsStep facts_step(ChangeKind kind, const FactsCut& from, const FactsCut& to);

}  // namespace bukubesar
