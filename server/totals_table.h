// An answer of totals or of a view as people read it: a table with its total, and what its figures mean.
#pragma once

#include "server/json.h"

namespace bukubesar {

void print_totals(const Json& json);

}  // namespace bukubesar
