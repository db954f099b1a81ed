// Whether one event could stand in for another: whatever the purchase's state, the fold would make the same transfers and findings of both.
#pragma once

#include "events/event.h"

namespace bukubesar {

// Of purchase events that the rules accepted. Sufficient, not necessary: texts that the fold reads are compared as they are.
[[nodiscard]] bool same_transfers(const Event& a, const Event& b);

}  // namespace bukubesar
