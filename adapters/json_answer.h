// What is read out of JSON that another program answered. Json: one of nlohmann's, ordered or not.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace bukubesar {

// A member that is missing or of another kind is as good as an empty one.
template <typename Json>
[[nodiscard]] std::string text_member(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->template get<std::string>() : std::string();
}

// … and as good as 0.
template <typename Json>
[[nodiscard]] std::uint64_t number_member(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_number_unsigned() ? at->template get<std::uint64_t>() : 0;
}

// A cut, {"0": 812, "reference": 97}, as people and parameters have it: "0=812,reference=97".
template <typename Json>
[[nodiscard]] std::string cut_text(const Json& cut) {
  std::string text;
  for (const auto& [partition, size] : cut.items()) text += (text.empty() ? "" : ",") + partition + "=" + size.dump();
  return text;
}

}  // namespace bukubesar
