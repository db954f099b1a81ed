// The HTTP interface, described: config/openapi.json with the routes that there are, as OpenAPI 3.1 and as a page for people.
//
// The file says what each route takes and answers; a route that it does not know is listed with its path alone, and a path without a route
// is left out, so that the document never speaks of what is not there. A test compares both ways, parameter by parameter.
#pragma once

#include <string>
#include <string_view>

#include "server/json.h"
#include "server/router.h"

namespace bukubesar {

[[nodiscard]] std::string_view openapi_text();  // config/openapi.json

[[nodiscard]] Json openapi_of(const Router& router);
// HTML without scripts, that asks no other host.
[[nodiscard]] std::string openapi_page(const Json& document);

}  // namespace bukubesar
