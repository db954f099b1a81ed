#include "events/event_digest.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "events/decoder.h"
#include "events/payload.h"

namespace bukubesar {

Hash256 event_digest(std::string_view payload) {
  PayloadView view;
  if (!parse_payload(payload, view) || !view.value) return {};
  const ContentMode mode = envelope_of(view).mode;
  if (mode == ContentMode::refused) return {};
  std::string covered(1, mode == ContentMode::structured ? '\1' : '\2');
  const auto add = [&covered](std::string_view text) {
    append_be(covered, static_cast<std::uint32_t>(text.size()));
    covered += text;
  };
  add(*view.value);
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> attributes;
  if (mode != ContentMode::structured)
    for (const Header& header : view.headers)
      if (header.name.substr(0, 3) == "ce_") attributes.emplace_back(header.name, header.value);
  std::sort(attributes.begin(), attributes.end());
  for (const auto& [name, value] : attributes) {
    covered += '\0';
    add(name);
    covered += value ? '\1' : '\2';
    if (value) add(*value);
  }
  return sha256(covered);
}

}  // namespace bukubesar
