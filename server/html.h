// Text in pages that the server or a command writes.
#pragma once

#include <string>
#include <string_view>

namespace bukubesar {

// Fit for the content of an element and for an attribute in double quotes (HTML, 13.1.2).
[[nodiscard]] std::string html_escaped(std::string_view text);

}  // namespace bukubesar
