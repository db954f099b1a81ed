// Members of what another program answered, where a missing one or one of another kind is as good as none.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace bukubesar {

[[nodiscard]] inline std::string text_member(const nlohmann::json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

[[nodiscard]] inline std::uint64_t number_member(const nlohmann::json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : 0;
}

}  // namespace bukubesar
