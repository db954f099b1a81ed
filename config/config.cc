#include "config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/status.h"
#include "config/json_text.h"
#include "config/names.h"
#include "config/settings.h"

namespace bukubesar {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kEnvironmentPrefix = "BUKUBESAR_";
// Read by the command line (CONFIG, URL, TOKEN, TOKEN_FILE, CA_FILE) and by the scripts in ops/, tests/ and bench/; no settings.
constexpr std::string_view kOtherVariables[] = {
    "BUKUBESAR_CONFIG",        "BUKUBESAR_URL",        "BUKUBESAR_BINARY",       "BUKUBESAR_BUILD",
    "BUKUBESAR_KAFKA_HOME",    "BUKUBESAR_SEED",       "BUKUBESAR_KEEP",         "BUKUBESAR_KILL_ROUNDS",
    "BUKUBESAR_DAMAGE_PLACES", "BUKUBESAR_LONG",       "BUKUBESAR_FUZZ_SECONDS", "BUKUBESAR_TIMEOUT_FACTOR",
    "BUKUBESAR_TOKEN",         "BUKUBESAR_TOKEN_FILE", "BUKUBESAR_CA_FILE",      "BUKUBESAR_CRASH_POINT",
    "BUKUBESAR_OTHER_BINARY",  "BUKUBESAR_SUPERSET",
};
constexpr std::string_view kProperties = "broker.properties";

std::string environment_name(std::string_view key) {
  std::string name(kEnvironmentPrefix);
  for (const char c : key) name += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

// Where a value came from, as people look for it: "bukubesar.json:12: http.port", "BUKUBESAR_HTTP_PORT", "--set http.port".
class Loader {
 public:
  explicit Loader(Config& config) : config_(config) {}

  void file(const std::string& path, std::string_view text) {
    JsonText json;
    std::vector<JsonProblem> problems;
    const bool is_json = read_json(text, JsonComments::ignored, json, problems);
    for (const JsonProblem& problem : problems) problems_.push_back(fmt::format("{}:{}: {}", path, problem.line, problem.what));
    if (!is_json) return;  // a doubled member, on the other hand, does not hide what else is wrong
    if (!json.value.is_object()) return problems_.push_back(fmt::format("{}:1: must be an object, is {}", path, kind_of(json.value)));
    for (const auto& [section, body] : json.value.items()) {
      if (find_setting(section) != nullptr) {
        member(path, json.line_of("/" + section), section, body);
        continue;
      }
      if (!is_section(section)) {
        problems_.push_back(
            fmt::format("{}:{}: {}: is no setting; there are {}", path, json.line_of("/" + section), section, section_names()));
        continue;
      }
      if (!body.is_object()) {
        problems_.push_back(fmt::format("{}:{}: {}: must be an object, is {}", path, json.line_of("/" + section), section, kind_of(body)));
        continue;
      }
      for (const auto& [name, value] : body.items()) {
        const std::string key = section + "." + name;
        const int line = json.line_of("/" + section + "/" + name);
        if (key == kProperties)
          properties(path, json, line, value);
        else
          member(path, line, key, value);
      }
    }
  }

  void environment(const std::vector<std::string>& variables) {
    for (const std::string& variable : variables) {
      if (variable.compare(0, kEnvironmentPrefix.size(), kEnvironmentPrefix) != 0) continue;
      const std::size_t equals = variable.find('=');
      const std::string name = variable.substr(0, equals);
      const std::string value = equals == std::string::npos ? std::string() : variable.substr(equals + 1);
      if (std::find(std::begin(kOtherVariables), std::end(kOtherVariables), name) != std::end(kOtherVariables)) continue;
      if (name == environment_name(kProperties)) {
        properties_text(name, value);
        continue;
      }
      const auto all = all_settings();
      const auto at = std::find_if(all.begin(), all.end(), [&](const Setting& each) { return environment_name(each.key) == name; });
      if (at == all.end())
        problems_.push_back(fmt::format("{}: is no setting; http.port would be {}", name, environment_name("http.port")));
      else
        set(name, *at, value);
    }
  }

  void flags(const Settings& flags) {
    for (const auto& [key, value] : flags) {
      const std::string place = "--set " + key;
      if (key == kProperties) {
        properties_text(place, value);
      } else if (key.compare(0, kProperties.size() + 1, std::string(kProperties) + ".") == 0) {
        if (is_secret_property(key))
          problems_.push_back(fmt::format("{}: is a secret, and arguments show in the list of processes; it belongs into the file", place));
        else
          property(place, key.substr(kProperties.size() + 1), value);
      } else if (const Setting* setting = find_setting(key)) {
        set(place, *setting, value);
      } else {
        problems_.push_back(fmt::format("{}: is no setting{}", place, near_names(key)));
      }
    }
  }

  // What no single setting can tell.
  void whole() {
    const BrokerConfig& broker = config_.broker;
    if (broker.purchases_topic == broker.reference_topic)
      problems_.push_back(fmt::format("{}: must differ from broker.purchases_topic, both are {}", place_of("broker.reference_topic"),
                                      broker.reference_topic));
    if (broker.kind == BrokerKind::kafka && broker.bootstrap_servers.empty())
      problems_.push_back(fmt::format("{}: must name a broker, as in \"kafka1:9092,kafka2:9092\"", place_of("broker.bootstrap_servers")));
    if (broker.kind == BrokerKind::embedded && !broker.properties.empty())
      problems_.push_back(fmt::format("{}: the embedded broker takes none; they are for broker.kind \"kafka\"", place_of(kProperties)));
    broker_security(broker);
    http_access(config_.http);
  }

  void broker_security(const BrokerConfig& broker) {
    if (broker.client_certificate_file.empty() != broker.client_key_file.empty())
      problems_.push_back(
          fmt::format("{}: goes together with broker.client_key_file, one of them is empty", place_of("broker.client_certificate_file")));
    const bool sasl = broker.security_protocol.compare(0, 4, "sasl") == 0;
    if (sasl && (broker.sasl_username.empty() || broker.sasl_password_file.empty()))
      problems_.push_back(fmt::format("{}: {} needs broker.sasl_username and broker.sasl_password_file",
                                      place_of("broker.security_protocol"), broker.security_protocol));
    if (!sasl && !broker.sasl_password_file.empty())
      problems_.push_back(fmt::format("{}: is not used with broker.security_protocol {}; sasl_ssl uses it",
                                      place_of("broker.sasl_password_file"), broker.security_protocol));
    if (broker.kind == BrokerKind::embedded && broker.security_protocol != "plaintext")
      problems_.push_back(fmt::format("{}: the embedded broker knows plaintext alone; {} is for broker.kind \"kafka\"",
                                      place_of("broker.security_protocol"), broker.security_protocol));
  }

  void http_access(const HttpConfig& http) {
    const bool tls = !http.tls_certificate_file.empty() && !http.tls_key_file.empty();
    if (http.tls_certificate_file.empty() != http.tls_key_file.empty())
      problems_.push_back(
          fmt::format("{}: goes together with http.tls_key_file, one of them is empty", place_of("http.tls_certificate_file")));
    else if (!is_loopback_address(http.address) && !tls && !http.insecure_public_read)
      problems_.push_back(fmt::format(
          "{}: {} is not loopback: what can be reached from elsewhere needs TLS (http.tls_certificate_file, http.tls_key_file) and tokens "
          "(`bukubesar token new`), or http.insecure_public_read for reads without payloads",
          place_of("http.address"), http.address));
  }

  [[nodiscard]] absl::Status status() const {
    if (problems_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format("{}", fmt::join(problems_, "\n")));
  }

 private:
  void member(const std::string& path, int line, const std::string& key, const Json& value) {
    const std::string place = fmt::format("{}:{}: {}", path, line, key);
    const Setting* setting = find_setting(key);
    if (setting == nullptr) return problems_.push_back(fmt::format("{}: is no setting{}", place, near_names(key)));
    if (!fits(*setting, value))
      return problems_.push_back(fmt::format("{}: must be {}, is {}", place, setting->kind_name(), kind_of(value)));
    set(place, *setting, value.is_string() ? value.get<std::string>() : value.dump());
  }

  static bool fits(const Setting& setting, const Json& value) {
    switch (setting.kind) {
      case SettingKind::text:
        return value.is_string();
      case SettingKind::whole:
        return value.is_number_integer();
      case SettingKind::boolean:
        return value.is_boolean();
    }
    return false;
  }

  void set(const std::string& place, const Setting& setting, const std::string& value) {
    const std::string why = setting.set(config_, value);
    if (!why.empty()) problems_.push_back(fmt::format("{}: {}", place, why));
    places_[std::string(setting.key)] = place;
  }

  void property(const std::string& place, const std::string& name, const std::string& value) {
    const std::string why = why_property_refused(name);
    if (!why.empty()) return problems_.push_back(fmt::format("{}: {}", place, why));
    config_.broker.properties[name] = value;
    places_[std::string(kProperties)] = place;
  }

  void property_member(const std::string& place, const std::string& name, const Json& value) {
    if (value.is_string())
      property(place, name, value.get<std::string>());
    else if (value.is_boolean() || value.is_number_integer())
      property(place, name, value.dump());
    else
      problems_.push_back(fmt::format("{}: must be a string, a whole number or a boolean, is {}", place, kind_of(value)));
  }

  void properties(const std::string& path, const JsonText& json, int line, const Json& value) {
    if (!value.is_object())
      return problems_.push_back(fmt::format("{}:{}: {}: must be an object, is {}", path, line, kProperties, kind_of(value)));
    for (const auto& [name, each] : value.items()) {
      std::string pointer = "/broker/properties/";
      for (const char c : name) pointer += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
      property_member(fmt::format("{}:{}: {}.{}", path, json.line_of(pointer), kProperties, name), name, each);
    }
  }

  // All properties in one variable or flag: a JSON object.
  void properties_text(const std::string& place, const std::string& text) {
    JsonText json;
    std::vector<JsonProblem> problems;
    read_json(text, JsonComments::refused, json, problems);
    for (const JsonProblem& problem : problems) problems_.push_back(fmt::format("{}: {}", place, problem.what));
    if (!problems.empty()) return;
    if (!json.value.is_object()) return problems_.push_back(fmt::format("{}: must be a JSON object, is {}", place, kind_of(json.value)));
    for (const auto& [name, each] : json.value.items()) property_member(fmt::format("{}: {}", place, name), name, each);
  }

  std::string place_of(std::string_view key) const {
    const auto at = places_.find(std::string(key));
    return at == places_.end() ? std::string(key) : at->second;
  }

  Config& config_;
  std::map<std::string, std::string> places_;  // of what was set: setting → place
  std::vector<std::string> problems_;
};

}  // namespace

absl::StatusOr<Config> load_config(const std::string& file, const std::vector<std::string>& environment, const Settings& flags) {
  Config config;
  Loader loader(config);
  if (!file.empty()) {
    ASSIGN_OR_RETURN(const std::string text, read_file(file));
    loader.file(file, text);
  }
  loader.environment(environment);
  loader.flags(flags);
  // A wrong value leaves the default in place, so that this adds only what is wrong for sure.
  loader.whole();
  RETURN_IF_ERROR(loader.status());
  return config;
}

std::string to_json(const Config& config) {
  Json json = Json::object();
  for (const Setting& setting : all_settings()) {
    const std::size_t dot = setting.key.find('.');
    Json value = setting.kind == SettingKind::text ? Json(setting.get(config)) : Json::parse(setting.get(config), nullptr, false);
    if (dot == std::string_view::npos)
      json[std::string(setting.key)] = std::move(value);
    else
      json[std::string(setting.key.substr(0, dot))][std::string(setting.key.substr(dot + 1))] = std::move(value);
  }
  Json properties = Json::object();
  for (const auto& [name, value] : config.broker.properties) properties[name] = is_secret_property(name) ? "(not shown)" : value;
  json["broker"]["properties"] = std::move(properties);
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

namespace {

std::vector<std::string> between_commas(std::string_view text) {
  std::vector<std::string> keys;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view key = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), key.size() + 1));
    if (!key.empty()) keys.emplace_back(key);
  }
  return keys;
}

}  // namespace

std::vector<std::string> witness_keys(const SigningConfig& signing) { return between_commas(signing.witnesses); }
std::vector<std::string> approver_keys(const SigningConfig& signing) { return between_commas(signing.approvers); }

}  // namespace bukubesar
