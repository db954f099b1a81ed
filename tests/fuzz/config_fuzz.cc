// Configuration: whatever stands in a file, in the environment, behind --set or in a views file is read or refused with its place, and what
// was read from a file is written as a file that reads the same.
//
// The first line of an input says what the rest is: "file", "environment" or "flags" (lines name=value), or "views".
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/names.h"
#include "config/settings.h"
#include "projections/views.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

using fuzz::require;

const std::string& path() {
  static const std::string name = [] {
    const char* folder = std::getenv("TMPDIR");
    return std::string(folder == nullptr ? "/tmp" : folder) + "/config-" + std::to_string(::getpid()) + ".json";
  }();
  return name;
}

absl::StatusOr<Config> load(std::string_view text) {
  std::ofstream(path(), std::ios::binary | std::ios::trunc).write(text.data(), static_cast<std::streamsize>(text.size()));
  return load_config(path(), {}, {});
}

bool has_secret(const Config& config) {
  for (const auto& [name, value] : config.broker.properties)
    if (is_secret_property(name)) return true;
  return false;
}

void require_usable(const absl::StatusOr<Config>& config) {
  if (!config.ok()) return require(!config.status().message().empty(), "a refusal says what is wrong");
  require(nlohmann::json::accept(to_json(*config)), "the effective configuration is JSON");
}

void try_file(std::string_view text) {
  const absl::StatusOr<Config> config = load(text);
  require_usable(config);
  if (!config.ok()) {
    const std::string message(config.status().message());
    require(message.substr(0, path().size()) == path() || message.find("broker.") != std::string::npos, "a refusal names the place");
    return;
  }
  if (has_secret(*config)) return;
  const absl::StatusOr<Config> again = load(to_json(*config));
  require(again.ok(), "the effective configuration is a configuration");
  require(to_json(*again) == to_json(*config), "and the same one");
}

Settings read_settings(std::string_view text) {
  Settings settings;
  while (!text.empty()) {
    const auto [line, rest] = fuzz::split_line(text);
    const std::size_t equals = std::min(line.find('='), line.size());
    settings.emplace_back(line.substr(0, equals), line.substr(std::min(equals + 1, line.size())));
    text = rest;
  }
  return settings;
}

void try_input(std::string_view input) {
  const auto [kind, rest] = fuzz::split_line(input);
  if (kind == "environment") {
    std::vector<std::string> variables;
    for (const auto& [name, value] : read_settings(rest)) variables.push_back(name + "=" + value);
    require_usable(load_config("", variables, {}));
  } else if (kind == "flags") {
    require_usable(load_config("", {}, read_settings(rest)));
  } else if (kind == "views") {
    const auto views = parse_views(rest);
    if (!views.ok()) return require(!views.status().message().empty(), "a refusal says what is wrong");
    for (const ViewDefinition& view : *views) require(is_code_text(view.name) && narrow(view, TotalsQuery()).ok(), "a view can be asked");
  } else {
    try_file(kind == "file" ? rest : input);
  }
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bukubesar::try_input({reinterpret_cast<const char*>(data), size});
  return 0;
}
