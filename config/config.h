// Config: how one node runs. One commented JSON file (config/bukubesar.json), environment over it, flags over that.
// What makes a ledger what it is stands in the definition (config/definition.h), not here.
//
// Environment  BUKUBESAR_<SECTION>_<KEY>, "broker.bootstrap_servers" is BUKUBESAR_BROKER_BOOTSTRAP_SERVERS.
// Errors       InvalidArgument, one line for each wrong place: "bukubesar.json:12: http.port: 99999 is not within 0 … 65535".
//              Unknown keys are errors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace bukubesar {

struct LedgerConfig {  // used once, when the node makes a definition because it has none
  std::string name = "kalsel";
  std::uint32_t partitions = 1;
  std::string partitioner = "murmur2";
  std::string zone = "+08:00";
};

enum class BrokerKind : std::uint8_t { embedded, kafka };

struct BrokerConfig {
  BrokerKind kind = BrokerKind::embedded;
  std::string bootstrap_servers = "127.0.0.1:9092";
  std::string purchases_topic = "bukubesar.purchases";
  std::string reference_topic = "bukubesar.reference";
  bool create_topics = false;
  std::uint32_t replication_factor = 1;
  std::string security_protocol = "plaintext";  // plaintext, ssl, sasl_plaintext, sasl_ssl
  std::string ca_file;                          // PEM: who signed the brokers' certificates; empty: whom the system trusts
  std::string client_certificate_file;          // PEM, with its chain: where the brokers ask for one
  std::string client_key_file;                  // PEM, not encrypted, mode 0600
  std::string sasl_mechanism = "PLAIN";         // PLAIN, SCRAM-SHA-512, SCRAM-SHA-256; librdkafka before 2.6.1 fails at SCRAM with Kafka 4
  std::string sasl_username;
  std::string sasl_password_file;                 // mode 0600, one line; read again at each attempt, so it can change while it runs
  std::map<std::string, std::string> properties;  // librdkafka's own; what the ledger depends on is refused
};

struct HttpConfig {
  std::string address = "127.0.0.1";  // beyond loopback only with TLS and tokens, or insecure_public_read
  std::uint16_t port = 8080;          // 0: any free one
  std::string tls_certificate_file;   // PEM: the server's certificate, then the chain; empty: no TLS
  std::string tls_key_file;           // PEM, not encrypted, mode 0600 or 0640
  std::string tokens_file;            // empty: <data_dir>/tokens.jsonl
  bool tokens_required = false;       // on loopback; beyond it they always are
  bool insecure_public_read = false;  // whoever comes may read, but for payloads; without TLS tokens are not taken
  std::string host_names;             // with commas: names that requests may use for this server, besides loopback ones
  std::uint32_t threads = 2;
  std::uint32_t connections_max = 1024;
  std::uint32_t header_bytes_max = 16 * 1024;
  std::uint64_t body_bytes_max = 16U << 20;
  std::uint32_t request_timeout_ms = 30'000;
};

struct IntakeConfig {
  std::uint32_t commit_records_max = 10'000;
  std::uint64_t commit_bytes_max = 16U << 20;
  std::uint32_t commits_in_flight_max = 4;              // batches between intake and commit thread
  std::uint64_t fetch_queue_bytes_max = 512U << 20;     // fetched from Kafka, not yet looked at
  std::uint32_t hand_offs_max = 64;                     // batches between commit and projection
  std::uint32_t publish_events_in_flight_max = 20'000;  // POST /v1/events, beyond it 429
  std::uint64_t publish_bytes_in_flight_max = 64U << 20;
};

struct SigningConfig {
  std::string key_file;              // empty: <data_dir>/signing.key
  std::uint32_t interval_ms = 1000;  // at most one checkpoint a second
  std::string witnesses;             // verifier keys of those whose cosignatures are taken, with commas
  std::string approvers;             // verifier keys of those who sign corrections, with commas
};

struct BackupConfig {
  std::string directory;   // where POST /v1/backup keeps backups; empty: it is refused
  std::uint32_t keep = 0;  // older ones beyond so many are removed; 0: none
};

struct WitnessConfig {
  std::string ledger;                 // URL of the server whose heads this node witnesses; empty: none
  std::string name;                   // of this witness, in its key; such as "inspektorat.example/bukubesar"
  std::string keys_file;              // verifier keys of that ledger; empty: <data_dir>/witness.keys, fetched once where it is missing
  std::string ca_file;                // PEM: who signed that server's certificate; empty: whom the system trusts
  std::string token_file;             // mode 0600: one token with role read, where that server wants one
  std::uint32_t interval_ms = 1'000;  // how often it looks
  bool once = false;                  // the process ends when each partition was looked at
};

struct ScrubConfig {
  std::uint64_t bytes_per_s_max = 4U << 20;  // of stored rows read again; 0: no scrub
  std::uint32_t interval_s = 3600;           // between the starts of two passes
};

struct ProjectionConfig {
  std::string views_file;  // empty: the standing views that the binary carries
};

struct LogConfig {
  std::string level = "info";  // trace debug info warn error
};

struct Config {
  std::string data_dir = "var/data";
  LedgerConfig ledger;
  BrokerConfig broker;
  HttpConfig http;
  IntakeConfig intake;
  SigningConfig signing;
  BackupConfig backup;
  ScrubConfig scrub;
  WitnessConfig witness;
  ProjectionConfig projections;
  LogConfig log;
};

using Settings = std::vector<std::pair<std::string, std::string>>;  // ("http.port", "8081")

// file: empty for none. environment: name=value pairs (all; others are ignored). flags: dotted keys, applied last.
[[nodiscard]] absl::StatusOr<Config> load_config(const std::string& file, const std::vector<std::string>& environment,
                                                 const Settings& flags);
// signing.witnesses, one by one.
[[nodiscard]] std::vector<std::string> witness_keys(const SigningConfig& signing);
// signing.approvers, one by one.
[[nodiscard]] std::vector<std::string> approver_keys(const SigningConfig& signing);
// The commented default file that `bukubesar config show-default` prints: config/bukubesar.json, compiled in.
[[nodiscard]] std::string_view default_config_text();
// config/views.json, compiled in.
[[nodiscard]] std::string_view default_views_text();
// The effective configuration as JSON (no comments, no secrets).
[[nodiscard]] std::string to_json(const Config& config);

}  // namespace bukubesar
