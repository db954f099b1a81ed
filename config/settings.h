// Settings: one table with every setting's key, type, range and place in Config. File, environment, flags and output use it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"

namespace bukubesar {

enum class SettingKind : std::uint8_t { text, whole, boolean };

struct Setting {
  std::string_view key;  // "http.port"
  SettingKind kind;
  // Nothing where the value was set; otherwise what is wrong with it, and the setting keeps what it had.
  std::function<std::string(Config&, const std::string&)> set;
  std::function<std::string(const Config&)> get;
  [[nodiscard]] std::string_view kind_name() const;
};

[[nodiscard]] std::span<const Setting> all_settings();
[[nodiscard]] const Setting* find_setting(std::string_view key);
[[nodiscard]] bool is_section(std::string_view name);
[[nodiscard]] std::string section_names();
// " (there are http.address, http.port, …)": the settings of the key's section; nothing where the section is not known.
[[nodiscard]] std::string near_names(std::string_view key);

// librdkafka's settings that the ledger depends on are fixed: changing them could lose or double records without a sign.
[[nodiscard]] std::string why_property_refused(std::string_view name);
// Its value is not shown.
[[nodiscard]] bool is_secret_property(std::string_view name);

}  // namespace bukubesar
