// Json: ordered, so that answers keep the order in which they were written; texts that are not UTF-8 never throw.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/cut.h"
#include "base/money.h"
#include "server/http_types.h"

namespace bukubesar {

using Json = nlohmann::ordered_json;

// Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] inline std::string to_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}
[[nodiscard]] inline Json to_json(const Cut& cut) {
  Json json = Json::object();
  for (const auto& [partition, size] : cut.sizes()) json[partition.name()] = size;
  return json;
}
// Empty text is unknown: null.
[[nodiscard]] inline Json text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

[[nodiscard]] inline ServerResponse json_response(const Json& json, const Cut& cut) {
  ServerResponse response;
  response.body = to_text(json) + "\n";
  response.with("Bukubesar-Cut", cut.text()).with("Cache-Control", "no-store");
  return response;
}

}  // namespace bukubesar
