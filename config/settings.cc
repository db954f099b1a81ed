#include "config/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/time.h"
#include "config/names.h"

namespace bukubesar {

namespace {

// The member of Config that a setting stands for.
template <class T>
using Place = T& (*)(Config&);

template <class T>
T read(Place<T> place, const Config& config) {
  Config copy = config;
  return place(copy);
}

template <class T>
Setting whole(std::string_view key, Place<T> place, std::uint64_t min, std::uint64_t max) {
  return {key, SettingKind::whole,
          [place, min, max](Config& config, const std::string& text) -> std::string {
            std::uint64_t value = 0;
            const char* end = text.data() + text.size();
            const auto [at, error] = std::from_chars(text.data(), end, value);
            const bool negative = text.size() > 1 && text[0] == '-';
            const bool digits = !text.empty() && std::all_of(text.begin() + (negative ? 1 : 0), text.end(), is_digit);
            if (!digits) return fmt::format("\"{}\" is no whole number", text);
            if (negative || error != std::errc() || at != end || value < min || value > max)
              return fmt::format("{} is not within {} … {}", text, min, max);
            place(config) = static_cast<T>(value);
            return {};
          },
          [place](const Config& config) { return fmt::format("{}", read(place, config)); }};
}

// why: nothing where the text is right.
using Rule = std::string (*)(const std::string&);

Setting text(std::string_view key, Place<std::string> place, Rule why) {
  return {key, SettingKind::text,
          [place, why](Config& config, const std::string& value) -> std::string {
            std::string wrong = why(value);
            if (wrong.empty()) place(config) = value;
            return wrong;
          },
          [place](const Config& config) { return read(place, config); }};
}

Setting boolean(std::string_view key, Place<bool> place) {
  return {key, SettingKind::boolean,
          [place](Config& config, const std::string& value) -> std::string {
            if (value != "true" && value != "false") return fmt::format("\"{}\" is neither true nor false", value);
            place(config) = value == "true";
            return {};
          },
          [place](const Config& config) -> std::string { return read(place, config) ? "true" : "false"; }};
}

std::string anything(const std::string&) { return {}; }
std::string not_empty(const std::string& value) { return value.empty() ? "must not be empty" : ""; }
std::string ledger_name(const std::string& value) { return why_no_ledger_name(value); }
std::string partitioner(const std::string& value) { return is_partitioner(value) ? "" : one_of(kPartitionerNames); }
std::string zone(const std::string& value) { return parse_zone_minutes(value) ? "" : "must be an offset from UTC such as \"+08:00\""; }
std::string topic(const std::string& value) {
  return is_topic_name(value) ? "" : fmt::format("\"{}\" is no topic name: 1 … 249 letters, digits, '.', '_' and '-'", value);
}

std::string witness_name(const std::string& value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 0x7F && c != '+'; });
  return plain ? "" : fmt::format("\"{}\" is no key name: printable ASCII without spaces and '+'", value);
}

std::string host_names(const std::string& value) {
  for (const char c : value)
    if (c <= ' ' || c == '/' || c == ':' || c == '@' || c == 0x7F)
      return fmt::format("\"{}\" must be names with commas between them, without ports or blanks", value);
  return {};
}

constexpr std::string_view kSecurityProtocols[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
std::string security_protocol(const std::string& value) {
  return std::find(std::begin(kSecurityProtocols), std::end(kSecurityProtocols), value) != std::end(kSecurityProtocols)
             ? ""
             : one_of(kSecurityProtocols);
}
constexpr std::string_view kSaslMechanisms[] = {"PLAIN", "SCRAM-SHA-512", "SCRAM-SHA-256"};
std::string sasl_mechanism(const std::string& value) {
  return std::find(std::begin(kSaslMechanisms), std::end(kSaslMechanisms), value) != std::end(kSaslMechanisms) ? ""
                                                                                                               : one_of(kSaslMechanisms);
}

constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error"};
std::string level(const std::string& value) {
  return std::find(std::begin(kLevels), std::end(kLevels), value) != std::end(kLevels) ? "" : one_of(kLevels);
}

// Addresses, since a name may stand for several of them, or for another one tomorrow; but everybody knows what localhost is.
Setting http_address() {
  return {"http.address", SettingKind::text,
          [](Config& config, const std::string& value) -> std::string {
            const std::string address = value == "localhost" ? "127.0.0.1" : value;
            if (is_ip_address(address)) {
              config.http.address = address;
              return {};
            }
            return fmt::format(
                "\"{}\" is no IP address: 127.0.0.1 or localhost is this machine alone, 0.0.0.0 (IPv6: ::) every address that it has, else "
                "one of them as `ip address` lists them",
                value);
          },
          [](const Config& config) { return config.http.address; }};
}

constexpr std::string_view kBrokerKinds[] = {"embedded", "kafka"};
Setting broker_kind() {
  return {"broker.kind", SettingKind::text,
          [](Config& config, const std::string& value) -> std::string {
            if (value != kBrokerKinds[0] && value != kBrokerKinds[1]) return one_of(kBrokerKinds);
            config.broker.kind = value == kBrokerKinds[0] ? BrokerKind::embedded : BrokerKind::kafka;
            return {};
          },
          [](const Config& config) { return std::string(kBrokerKinds[static_cast<std::size_t>(config.broker.kind)]); }};
}

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::uint64_t kGiB = 1U << 30;

std::vector<Setting> make_settings() {
  return {
      text(
          "data_dir", [](Config& c) -> std::string& { return c.data_dir; }, not_empty),
      text(
          "ledger.name", [](Config& c) -> std::string& { return c.ledger.name; }, ledger_name),
      whole<std::uint32_t>(
          "ledger.partitions", [](Config& c) -> std::uint32_t& { return c.ledger.partitions; }, 1, kPartitionsMax),
      text(
          "ledger.partitioner", [](Config& c) -> std::string& { return c.ledger.partitioner; }, partitioner),
      text(
          "ledger.zone", [](Config& c) -> std::string& { return c.ledger.zone; }, zone),
      broker_kind(),
      text(
          "broker.bootstrap_servers", [](Config& c) -> std::string& { return c.broker.bootstrap_servers; }, anything),
      text(
          "broker.purchases_topic", [](Config& c) -> std::string& { return c.broker.purchases_topic; }, topic),
      text(
          "broker.reference_topic", [](Config& c) -> std::string& { return c.broker.reference_topic; }, topic),
      boolean("broker.create_topics", [](Config& c) -> bool& { return c.broker.create_topics; }),
      whole<std::uint32_t>(
          "broker.replication_factor", [](Config& c) -> std::uint32_t& { return c.broker.replication_factor; }, 1, 32'767),
      text(
          "broker.security_protocol", [](Config& c) -> std::string& { return c.broker.security_protocol; }, security_protocol),
      text(
          "broker.ca_file", [](Config& c) -> std::string& { return c.broker.ca_file; }, anything),
      text(
          "broker.client_certificate_file", [](Config& c) -> std::string& { return c.broker.client_certificate_file; }, anything),
      text(
          "broker.client_key_file", [](Config& c) -> std::string& { return c.broker.client_key_file; }, anything),
      text(
          "broker.sasl_mechanism", [](Config& c) -> std::string& { return c.broker.sasl_mechanism; }, sasl_mechanism),
      text(
          "broker.sasl_username", [](Config& c) -> std::string& { return c.broker.sasl_username; }, anything),
      text(
          "broker.sasl_password_file", [](Config& c) -> std::string& { return c.broker.sasl_password_file; }, anything),
      http_address(),
      whole<std::uint16_t>(
          "http.port", [](Config& c) -> std::uint16_t& { return c.http.port; }, 0, 65'535),
      text(
          "http.tls_certificate_file", [](Config& c) -> std::string& { return c.http.tls_certificate_file; }, anything),
      text(
          "http.tls_key_file", [](Config& c) -> std::string& { return c.http.tls_key_file; }, anything),
      text(
          "http.tokens_file", [](Config& c) -> std::string& { return c.http.tokens_file; }, anything),
      boolean("http.tokens_required", [](Config& c) -> bool& { return c.http.tokens_required; }),
      boolean("http.insecure_public_read", [](Config& c) -> bool& { return c.http.insecure_public_read; }),
      text(
          "http.host_names", [](Config& c) -> std::string& { return c.http.host_names; }, host_names),
      whole<std::uint32_t>(
          "http.threads", [](Config& c) -> std::uint32_t& { return c.http.threads; }, 1, 256),
      whole<std::uint32_t>(
          "http.connections_max", [](Config& c) -> std::uint32_t& { return c.http.connections_max; }, 1, 100'000),
      whole<std::uint32_t>(
          "http.header_bytes_max", [](Config& c) -> std::uint32_t& { return c.http.header_bytes_max; }, 1024, kMiB),
      whole<std::uint64_t>(
          "http.body_bytes_max", [](Config& c) -> std::uint64_t& { return c.http.body_bytes_max; }, 1024, kGiB),
      whole<std::uint32_t>(
          "http.request_timeout_ms", [](Config& c) -> std::uint32_t& { return c.http.request_timeout_ms; }, 10, 3'600'000),
      // One ledger commit holds at most 65,536 entries, source statements included.
      whole<std::uint32_t>(
          "intake.commit_records_max", [](Config& c) -> std::uint32_t& { return c.intake.commit_records_max; }, 1, 60'000),
      whole<std::uint64_t>(
          "intake.commit_bytes_max", [](Config& c) -> std::uint64_t& { return c.intake.commit_bytes_max; }, 1024, kGiB),
      whole<std::uint64_t>(
          "intake.fetch_queue_bytes_max", [](Config& c) -> std::uint64_t& { return c.intake.fetch_queue_bytes_max; }, kMiB, 64 * kGiB),
      whole<std::uint32_t>(
          "intake.commits_in_flight_max", [](Config& c) -> std::uint32_t& { return c.intake.commits_in_flight_max; }, 1, 1024),
      whole<std::uint32_t>(
          "intake.hand_offs_max", [](Config& c) -> std::uint32_t& { return c.intake.hand_offs_max; }, 1, 65'536),
      whole<std::uint32_t>(
          "intake.publish_events_in_flight_max", [](Config& c) -> std::uint32_t& { return c.intake.publish_events_in_flight_max; }, 1,
          10'000'000),
      whole<std::uint64_t>(
          "intake.publish_bytes_in_flight_max", [](Config& c) -> std::uint64_t& { return c.intake.publish_bytes_in_flight_max; }, 1024,
          16 * kGiB),
      text(
          "signing.key_file", [](Config& c) -> std::string& { return c.signing.key_file; }, anything),
      whole<std::uint32_t>(
          "signing.interval_ms", [](Config& c) -> std::uint32_t& { return c.signing.interval_ms; }, 1000, 86'400'000),
      text(
          "signing.witnesses", [](Config& c) -> std::string& { return c.signing.witnesses; }, anything),
      text(
          "signing.approvers", [](Config& c) -> std::string& { return c.signing.approvers; }, anything),
      text(
          "backup.directory", [](Config& c) -> std::string& { return c.backup.directory; }, anything),
      whole<std::uint32_t>(
          "backup.keep", [](Config& c) -> std::uint32_t& { return c.backup.keep; }, 0, 1'000'000),
      whole<std::uint64_t>(
          "scrub.bytes_per_s_max", [](Config& c) -> std::uint64_t& { return c.scrub.bytes_per_s_max; }, 0, 16 * kGiB),
      whole<std::uint32_t>(
          "scrub.interval_s", [](Config& c) -> std::uint32_t& { return c.scrub.interval_s; }, 1, 31'536'000),
      text(
          "witness.ledger", [](Config& c) -> std::string& { return c.witness.ledger; }, anything),
      text(
          "witness.name", [](Config& c) -> std::string& { return c.witness.name; }, witness_name),
      text(
          "witness.keys_file", [](Config& c) -> std::string& { return c.witness.keys_file; }, anything),
      text(
          "witness.ca_file", [](Config& c) -> std::string& { return c.witness.ca_file; }, anything),
      text(
          "witness.token_file", [](Config& c) -> std::string& { return c.witness.token_file; }, anything),
      whole<std::uint32_t>(
          "witness.interval_ms", [](Config& c) -> std::uint32_t& { return c.witness.interval_ms; }, 100, 86'400'000),
      boolean("witness.once", [](Config& c) -> bool& { return c.witness.once; }),
      text(
          "projections.views_file", [](Config& c) -> std::string& { return c.projections.views_file; }, anything),
      text(
          "log.level", [](Config& c) -> std::string& { return c.log.level; }, level),
  };
}

std::string_view section_of(std::string_view key) { return key.substr(0, key.find('.')); }

struct FixedProperty {
  std::string_view name, why;
};
constexpr FixedProperty kFixedProperties[] = {
    {"bootstrap.servers", "set broker.bootstrap_servers"},
    {"metadata.broker.list", "set broker.bootstrap_servers"},
    {"isolation.level", "the ledger reads committed records only"},
    {"auto.offset.reset", "an offset out of range must stop the intake, not move it"},
    {"topic.auto.offset.reset", "an offset out of range must stop the intake, not move it"},
    {"check.crcs", "records are checked before they become entries"},
    {"allow.auto.create.topics", "a topic made in passing would break the topic contract"},
    {"enable.partition.eof", "the lag is computed from it"},
    {"enable.auto.commit", "the position is part of the ledger's own commit"},
    {"auto.commit.enable", "the position is part of the ledger's own commit"},
    {"enable.auto.offset.store", "the position is part of the ledger's own commit"},
    {"offset.store.method", "the position is part of the ledger's own commit"},
    {"group.id", "it is bukubesar-<ledger>-<node>"},
    {"acks", "an event is acknowledged only once the broker's replicas have it"},
    {"request.required.acks", "an event is acknowledged only once the broker's replicas have it"},
    {"enable.idempotence", "a retried produce must not double a record"},
    {"transactional.id", "the intake does not write in transactions"},
    {"partitioner", "the definition names the partitioner"},
    {"message.max.bytes", "the topic contract fixes it"},
    {"test.mock.num.brokers", "set broker.kind to \"embedded\""},
    {"security.protocol", "set broker.security_protocol"},
    {"sasl.mechanism", "set broker.sasl_mechanism"},
    {"sasl.mechanisms", "set broker.sasl_mechanism"},
    {"sasl.username", "set broker.sasl_username"},
    {"sasl.password", "write it to a file of mode 0600 and set broker.sasl_password_file"},
    {"ssl.ca.location", "set broker.ca_file"},
    {"ssl.certificate.location", "set broker.client_certificate_file"},
    {"ssl.key.location", "set broker.client_key_file"},
};

}  // namespace

std::string_view Setting::kind_name() const {
  constexpr std::array<std::string_view, 3> names = {"a string", "a whole number", "true or false"};
  return names[static_cast<std::size_t>(kind)];
}

std::span<const Setting> all_settings() {
  static const auto* settings = new std::vector<Setting>(make_settings());  // never destroyed: used until the process ends
  return *settings;
}

const Setting* find_setting(std::string_view key) {
  const auto all = all_settings();
  const auto at = std::find_if(all.begin(), all.end(), [&](const Setting& each) { return each.key == key; });
  return at == all.end() ? nullptr : &*at;
}

bool is_section(std::string_view name) {
  const auto all = all_settings();
  return std::any_of(all.begin(), all.end(),
                     [&](const Setting& each) { return each.key.size() > name.size() && section_of(each.key) == name; });
}

std::string section_names() {
  std::vector<std::string_view> names;
  for (const Setting& each : all_settings())
    if (names.empty() || names.back() != section_of(each.key)) names.push_back(section_of(each.key));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string near_names(std::string_view key) {
  std::vector<std::string_view> names;
  for (const Setting& each : all_settings())
    if (section_of(each.key) == section_of(key)) names.push_back(each.key);
  return names.empty() ? fmt::format("; there are {}", section_names()) : fmt::format("; there are {}", fmt::join(names, ", "));
}

std::string why_property_refused(std::string_view name) {
  if (name.empty()) return "must be named";
  for (const FixedProperty& fixed : kFixedProperties)
    if (fixed.name == name) return fmt::format("{} is fixed: {}", name, fixed.why);
  const auto ends_with = [&](std::string_view end) { return name.size() >= end.size() && name.substr(name.size() - end.size()) == end; };
  if (name == "opaque" || ends_with("_cb")) return fmt::format("{} is a pointer inside the program", name);
  return {};
}

bool is_secret_property(std::string_view name) {
  for (const std::string_view part : {"password", "secret", "key.pem", "ssl_key", "oauthbearer.config", "sasl.jaas"})
    if (name.find(part) != std::string_view::npos) return true;
  return false;
}

}  // namespace bukubesar
