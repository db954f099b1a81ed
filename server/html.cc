#include "server/html.h"

namespace bukubesar {

std::string html_escaped(std::string_view text) {
  std::string to;
  for (const char c : text) {
    if (c == '&')
      to += "&amp;";
    else if (c == '<')
      to += "&lt;";
    else if (c == '>')
      to += "&gt;";
    else if (c == '"')
      to += "&quot;";
    else
      to += c;
  }
  return to;
}

}  // namespace bukubesar
