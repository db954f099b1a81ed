#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/status.h"
#include "config/settings.h"

namespace bukubesar {
namespace {

using testing::HasSubstr;

// A file with this content, in a directory of this process; its name is what messages begin with.
std::string file_with(const std::string& content) {
  const std::string path = fmt::format("{}/config_{}.json", testing::TempDir(), ::getpid());
  EXPECT_TRUE(write_file_durably(path, content).ok());
  return path;
}

std::string refused(const std::string& content, const std::vector<std::string>& environment = {}, const Settings& flags = {}) {
  const auto config = load_config(content.empty() ? "" : file_with(content), environment, flags);
  EXPECT_FALSE(config.ok()) << content;
  if (config.ok()) return "";
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  std::string message = message_of(config.status());
  const std::string path = fmt::format("{}/config_{}.json", testing::TempDir(), ::getpid());
  for (std::size_t at; (at = message.find(path)) != std::string::npos;) message.replace(at, path.size(), "F");
  return message;
}

TEST(Config, TheDefaultFileSaysWhatTheCodeSays) {
  const auto config = load_config(file_with(std::string(default_config_text())), {}, {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(to_json(*config), to_json(Config{}));
  // Each setting stands in the file, and nothing else does.
  const auto written = nlohmann::ordered_json::parse(default_config_text(), nullptr, true, true);
  EXPECT_EQ(written.dump(2), to_json(Config{}));
}

TEST(Config, EveryDefaultIsWithinItsRange) {
  for (const Setting& setting : all_settings()) {
    Config config;
    EXPECT_EQ(setting.set(config, setting.get(Config{})), "") << setting.key;
    EXPECT_EQ(to_json(config), to_json(Config{})) << setting.key;
  }
}

TEST(Config, TheBinaryCarriesTheStandingViews) { EXPECT_TRUE(nlohmann::json::accept(default_views_text())); }

TEST(Config, FlagsGoOverEnvironmentGoesOverFile) {
  const std::string file = file_with(R"({"http": {"port": 1, "threads": 3}, "broker": {"kind": "kafka", "create_topics": true}})");
  const auto config =
      load_config(file, {"PATH=/bin", "BUKUBESAR_HTTP_PORT=2", "BUKUBESAR_DATA_DIR=/d", "BUKUBESAR_URL=http://x", "BUKUBESAR"},
                  {{"http.port", "3"}, {"http.port", "4"}, {"ledger.name", "demo"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->http.port, 4);
  EXPECT_EQ(config->http.threads, 3U);
  EXPECT_EQ(config->data_dir, "/d");
  EXPECT_EQ(config->ledger.name, "demo");
  EXPECT_EQ(config->broker.kind, BrokerKind::kafka);
  EXPECT_TRUE(config->broker.create_topics);
}

TEST(Config, PropertiesComeFromAllThreePlaces) {
  const std::string file = file_with(R"({"broker": {"kind": "kafka", "properties": {"client.rack": "a", "socket.timeout.ms": 5000}}})");
  const auto config = load_config(file, {R"(BUKUBESAR_BROKER_PROPERTIES={"ssl.key.password":"p","client.rack":"b"})"},
                                  {{"broker.properties.client.id", "u"}, {"broker.properties", R"({"log.queue":true})"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(
      config->broker.properties,
      (std::map<std::string, std::string>{
          {"client.id", "u"}, {"client.rack", "b"}, {"log.queue", "true"}, {"socket.timeout.ms", "5000"}, {"ssl.key.password", "p"}}));
  EXPECT_THAT(to_json(*config), HasSubstr(R"("client.id": "u")"));
  EXPECT_THAT(to_json(*config), HasSubstr("\"ssl.key.password\": \"(not shown)\""));
}

struct Wrong {
  std::string file, message;
};

TEST(Config, NamesWhatIsWrongAndItsLine) {
  const std::vector<Wrong> all = {
      {"{\n\"http\": {\n  \"port\": 99999}}", "F:3: http.port: 99999 is not within 0 … 65535"},
      {"{\"http\": {\"port\": -1}}", "F:1: http.port: -1 is not within 0 … 65535"},
      {"{\"http\": {\"port\": 99999999999999999999999}}", "F:1: http.port: must be a whole number, is a number that is not whole"},
      {"{\"http\": {\"port\": \"8080\"}}", "F:1: http.port: must be a whole number, is a string"},
      {"{\"http\": {\"port\": 80.5}}", "F:1: http.port: must be a whole number"},
      {"{\"http\": {\n\n\"prot\": 1}}", "F:3: http.prot: is no setting; there are http.address, http.port"},
      {"{\n\"htpp\": {}}", "F:2: htpp: is no setting; there are data_dir, ledger, broker"},
      {"{\n\"http\": 8080}", "F:2: http: must be an object, is a whole number"},
      {"{\"broker\": {\"create_topics\": 1}}", "F:1: broker.create_topics: must be true or false, is a whole number"},
      {"{\"broker\": {\"kind\": \"redpanda\"}}", "F:1: broker.kind: must be one of embedded, kafka"},
      {"{\"broker\": {\"purchases_topic\": \"a b\"}}", "F:1: broker.purchases_topic: \"a b\" is no topic name"},
      {"{\"broker\": {\n\"reference_topic\": \"bukubesar.purchases\"}}",
       "F:2: broker.reference_topic: must differ from broker.purchases_topic"},
      {"{\"broker\": {\"kind\": \"kafka\",\n\"bootstrap_servers\": \"\"}}", "F:2: broker.bootstrap_servers: must name a broker"},
      {"{\"broker\": {\"properties\": {\"client.rack\": \"a\"}}}", "broker.properties.client.rack: the embedded broker takes none"},
      {"{\"broker\": {\"properties\": {\"sasl.password\": \"p\"}}}",
       "F:1: broker.properties.sasl.password: sasl.password is fixed: write it to a file of mode 0600"},
      {"{\"broker\": {\"security_protocol\": \"ssl\"}}", "F:1: broker.security_protocol: the embedded broker knows plaintext alone"},
      {"{\"broker\": {\"kind\": \"kafka\", \"security_protocol\": \"sasl_ssl\", \"sasl_username\": \"u\"}}",
       "F:1: broker.security_protocol: sasl_ssl needs broker.sasl_username and broker.sasl_password_file"},
      {"{\"broker\": {\"kind\": \"kafka\", \"sasl_password_file\": \"f\"}}", "F:1: broker.sasl_password_file: is not used with"},
      {"{\"broker\": {\"kind\": \"kafka\", \"client_key_file\": \"f\"}}", "broker.client_certificate_file: goes together with"},
      {"{\"http\": {\"tls_key_file\": \"f\"}}", "http.tls_certificate_file: goes together with http.tls_key_file"},
      {"{\"http\": {\"address\": \"0.0.0.0\", \"tls_key_file\": \"f\"}}", "http.tls_certificate_file: goes together with"},
      {"{\"http\": {\"host_names\": \"a.example:80\"}}", "F:1: http.host_names: \"a.example:80\" must be names"},
      {"{\"broker\": {\"kind\": \"kafka\", \"properties\": {\n\"group.id\": \"mine\"}}}",
       "F:2: broker.properties.group.id: group.id is fixed"},
      {"{\"broker\": {\"kind\": \"kafka\", \"properties\": {\"dr_msg_cb\": \"1\"}}}", "dr_msg_cb is a pointer inside the program"},
      {"{\"broker\": {\"kind\": \"kafka\", \"properties\": {\"x\": []}}}",
       "F:1: broker.properties.x: must be a string, a whole number or a boolean"},
      {"{\"broker\": {\"properties\": []}}", "F:1: broker.properties: must be an object, is an array"},
      {"{\"http\": {\"address\": \"0.0.0.0\"}}", "F:1: http.address: 0.0.0.0 is not loopback"},
      {"{\"http\": {\"address\": \"::\"}}", "F:1: http.address: :: is not loopback"},
      {"{\"http\": {\"address\": \"ledger.example\"}}",
       "F:1: http.address: \"ledger.example\" is no IP address: 127.0.0.1 or localhost is"},
      {"{\"http\": {\"address\": \"\"}}", "F:1: http.address: \"\" is no IP address"},
      {"{\"ledger\": {\"name\": \"a/b\"}}", "F:1: ledger.name: \"a/b\" must consist of"},
      {"{\"ledger\": {\"partitioner\": \"random\"}}", "F:1: ledger.partitioner: must be one of murmur2, crc32, any"},
      {"{\"ledger\": {\"zone\": \"WITA\"}}", "F:1: ledger.zone: must be an offset from UTC"},
      {"{\"ledger\": {\"partitions\": 0}}", "F:1: ledger.partitions: 0 is not within 1 … 1024"},
      {"{\"signing\": {\"interval_ms\": 10}}", "F:1: signing.interval_ms: 10 is not within 1000 … 86400000"},
      {"{\"log\": {\"level\": \"loud\"}}", "F:1: log.level: must be one of trace, debug, info, warn, error"},
      {"{\"data_dir\": \"\"}", "F:1: data_dir: must not be empty"},
      {"{\"http\": {\"port\": 1,\n\"port\": 2}}", "F:2: \"port\" stands twice, first in line 1"},
      {"{\"http\": {\"port\": 1},\n\"http\": {\"threads\": 2}}", "F:2: \"http\" stands twice, first in line 1"},
      {"{\n\"http\": {,}}", "F:2: syntax error"},
      {"{\n\"http\": {}\n", "F:3: syntax error"},
      {"[]", "F:1: must be an object, is an array"},
      {" ", "F:1: syntax error"},
      {"{\"log\": {\"level\": \"\xFF\"}}", "F:1: syntax error"},
  };
  for (const Wrong& wrong : all) EXPECT_THAT(refused(wrong.file), HasSubstr(wrong.message)) << wrong.file;
}

// nlohmann/json takes a NUL for the end: settings behind it, in a file that was damaged, would silently not hold.
TEST(Config, ANulByteEndsNothing) {
  EXPECT_EQ(refused(std::string("{\n\"http\": {\"port\": 0}}") + '\0' + "{"), "F:2: holds a NUL byte, which no JSON text does");
}

TEST(Config, NamesAllThatIsWrongAtOnce) {
  EXPECT_EQ(
      refused("{\"http\": {\n\"port\": 99999,\n\"x\": 1},\n// a comment\n\"log\": {\"level\": \"loud\"}}",
              {"BUKUBESAR_HTTP_THREADS=0", "BUKUBESAR_NOPE=1"}, {{"data_dir", ""}, {"nope", "1"}}),
      "F:2: http.port: 99999 is not within 0 … 65535\n"
      "F:3: http.x: is no setting; there are http.address, http.port, http.tls_certificate_file, http.tls_key_file, http.tokens_file, "
      "http.tokens_required, http.insecure_public_read, http.host_names, http.threads, http.connections_max, http.header_bytes_max, "
      "http.body_bytes_max, http.request_timeout_ms\n"
      "F:5: log.level: must be one of trace, debug, info, warn, error\n"
      "BUKUBESAR_HTTP_THREADS: 0 is not within 1 … 256\n"
      "BUKUBESAR_NOPE: is no setting; http.port would be BUKUBESAR_HTTP_PORT\n"
      "--set data_dir: must not be empty\n"
      "--set nope: is no setting; there are data_dir, ledger, broker, http, intake, signing, backup, scrub, witness, projections, log");
}

TEST(Config, RefusesWrongEnvironmentAndFlags) {
  EXPECT_THAT(refused("", {"BUKUBESAR_HTTP_PORT="}), HasSubstr("BUKUBESAR_HTTP_PORT: \"\" is no whole number"));
  EXPECT_THAT(refused("", {"BUKUBESAR_HTTP_PORT=80 "}), HasSubstr("is no whole number"));
  EXPECT_THAT(refused("", {"BUKUBESAR_HTTP_PORT=99999999999999999999999"}), HasSubstr("is not within 0 … 65535"));
  EXPECT_THAT(refused("", {"BUKUBESAR_BROKER_CREATE_TOPICS=yes"}), HasSubstr("\"yes\" is neither true nor false"));
  EXPECT_THAT(refused("", {"BUKUBESAR_BROKER_PROPERTIES=x"}), HasSubstr("BUKUBESAR_BROKER_PROPERTIES: syntax error"));
  EXPECT_THAT(refused("", {}, {{"broker.properties.isolation.level", "read_uncommitted"}}),
              HasSubstr("--set broker.properties.isolation.level: isolation.level is fixed: the ledger reads committed records only"));
  EXPECT_THAT(refused("", {}, {{"broker.kind", "kafka"}, {"broker.properties.ssl.key.password", "p"}}),
              HasSubstr("--set broker.properties.ssl.key.password: is a secret, and arguments show"));
}

TEST(Config, RefusesEveryPropertyThatTheLedgerDependsOn) {
  for (const char* name : {"isolation.level", "auto.offset.reset", "check.crcs", "enable.auto.commit", "enable.auto.offset.store",
                           "group.id", "allow.auto.create.topics", "enable.partition.eof", "bootstrap.servers", "metadata.broker.list",
                           "acks", "request.required.acks", "enable.idempotence", "partitioner", "transactional.id", "message.max.bytes"})
    EXPECT_THAT(why_property_refused(name), HasSubstr("is fixed")) << name;
  for (const char* name : {"client.rack", "socket.keepalive.enable", "ssl.cipher.suites", "client.id", "statistics.interval.ms"})
    EXPECT_EQ(why_property_refused(name), "") << name;
}

TEST(Config, BeyondLoopbackWithTlsOrReadsAlone) {
  const Settings public_address{{"http.address", "0.0.0.0"}};
  Settings tls = public_address;
  tls.insert(tls.end(), {{"http.tls_certificate_file", "c.pem"}, {"http.tls_key_file", "k.pem"}});
  EXPECT_TRUE(load_config("", {}, tls).ok());
  Settings reads = public_address;
  reads.emplace_back("http.insecure_public_read", "true");
  EXPECT_TRUE(load_config("", {}, reads).ok());
  EXPECT_THAT(refused("", {}, public_address), HasSubstr("needs TLS (http.tls_certificate_file, http.tls_key_file) and tokens"));
}

TEST(Config, LocalhostIsTheLoopbackAddress) {
  const auto config = load_config("", {}, {{"http.address", "localhost"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->http.address, "127.0.0.1");
}

TEST(Config, AMissingFileIsNotFound) {
  EXPECT_EQ(load_config(testing::TempDir() + "/no-such-config.json", {}, {}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace bukubesar
