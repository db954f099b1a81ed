// Measures as JSON members, the same wherever figures stand: amounts are decimal strings of rupiah.
#pragma once

#include "projections/totals.h"
#include "server/json.h"

namespace bukubesar {

void append_measures(Json& to, const Measures& measures);

}  // namespace bukubesar
