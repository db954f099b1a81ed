// AlertText: what a firing says to people, in both languages, out of its kind and its values.
//
// Values are codes and machine forms: amounts "1200.00", months "2023-05", counts "3". Texts write them as each language does:
// Rp 1.200,00 and Rp 1,200.00.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace bukubesar {

enum class AlertKind : std::uint8_t { share_below, stalled, spiking, splitting, no_progress, intake_lag, unbalanced, unverifiable };

struct AlertText {
  std::string id, en;
  friend auto operator<=>(const AlertText&, const AlertText&) = default;
};

// By name. The names that each kind has stand in docs/API.md ("Alerts").
using AlertValues = std::map<std::string, std::string>;

[[nodiscard]] AlertText alert_text(AlertKind kind, const AlertValues& values);

}  // namespace bukubesar
