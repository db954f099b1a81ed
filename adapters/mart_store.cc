#include "adapters/mart_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace bukubesar {

std::string storable_text(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '\0'; });
  if (plain) return std::string(text);
  const std::string quoted = nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return replaced(nlohmann::json::parse(quoted).get<std::string>(), std::string_view("\0", 1), "\xEF\xBF\xBD");
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t found = std::min(text.find(from, at), text.size());
    result += text.substr(at, found - at);
    if (found == text.size()) break;
    result += to;
    at = found + from.size();
  }
  return result;
}

// In pieces after each @: what render() replaces stands nowhere in it.
std::string sql_text(std::string_view text) {
  const std::string quoted = "'" + replaced(replaced(storable_text(text), "'", "''"), "@", "@'||'") + "'";
  return text.find('@') == std::string_view::npos ? quoted : "(" + quoted + ")";
}
std::string sql_text_or_null(std::string_view text) { return text.empty() ? "NULL" : sql_text(text); }

}  // namespace bukubesar
