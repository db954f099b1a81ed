// A cut that stands in JSON, {"0": 812}, as people and parameters have it: "0=812".
#pragma once

#include <string>

#include "server/json.h"

namespace bukubesar {

[[nodiscard]] std::string cut_text(const Json& cut);

}  // namespace bukubesar
