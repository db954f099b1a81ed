// Measures as JSON members, the same wherever figures stand: amounts are decimal strings of rupiah.
#pragma once

#include <string>
#include <string_view>

#include "projections/totals.h"
#include "server/json.h"

namespace bukubesar {

void append_measures(Json& to, const Measures& measures);
// The same members as text, `"packages":…,…,"paid":…`: a report of many rows is written without a tree of each.
void append_measures_text(std::string& to, const Measures& measures);
// As to_text(Json(text)): what is no UTF-8 becomes U+FFFD.
void append_json_text(std::string& to, std::string_view text);

}  // namespace bukubesar
