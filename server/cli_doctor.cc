// doctor: what would keep a server from running well, before it runs.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/status.h"
#include "base/time.h"
#include "consumers/intake.h"
#include "server/cli.h"
#include "server/json.h"
#include "server/node.h"
#include "server/table.h"

namespace bukubesar {

namespace {

enum class Health : std::uint8_t { good, warning, bad };

struct Check {
  std::string name;
  Health health = Health::good;
  std::string what;
};
using Checks = std::vector<Check>;

std::string_view name_of(Health health) { return health == Health::good ? "ok" : health == Health::warning ? "warning" : "FAIL"; }

constexpr std::uint64_t kFreeBytesLow = 1ULL << 30;

void check_data_dir(const Config& config, Checks& checks) {
  struct stat info {};
  if (::stat(config.data_dir.c_str(), &info) != 0) {
    checks.push_back({"data directory", Health::warning, config.data_dir + " does not exist yet; serve makes it"});
    return;
  }
  if (!S_ISDIR(info.st_mode) || ::access(config.data_dir.c_str(), R_OK | W_OK | X_OK) != 0) {
    checks.push_back({"data directory", Health::bad, fmt::format("{}: {}", config.data_dir, std::strerror(errno))});
    return;
  }
  const bool others_write = (info.st_mode & S_IWOTH) != 0;
  checks.push_back(
      {"data directory", others_write ? Health::bad : Health::good,
       others_write ? config.data_dir + " is writable by everybody: chmod o-w it" : config.data_dir + " is readable and writable"});
  struct statvfs space {};
  if (::statvfs(config.data_dir.c_str(), &space) == 0) {
    const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
    checks.push_back({"disk space", free_bytes < kFreeBytesLow ? Health::warning : Health::good,
                      fmt::format("{} MiB free", for_people(free_bytes >> 20))});
  }
  const auto owner = DataLock::owner(config.data_dir);
  if (!owner.ok())
    checks.push_back({"lock", Health::warning, message_of(owner.status())});
  else
    checks.push_back({"lock", *owner ? Health::warning : Health::good,
                      *owner ? fmt::format("a server runs on it: process {}", **owner) : "no server runs on it"});
}

std::optional<Definition> check_definition(const Config& config, Checks& checks) {
  const auto file = DefinitionFile::load(definition_path(config));
  if (file.ok()) {
    const Definition& definition = file->definition();
    checks.push_back({"definition", Health::good,
                      fmt::format("ledger {}, {} partition(s), {}", definition.name, definition.partitions, definition.partitioner)});
    const bool differs = definition.name != config.ledger.name || definition.partitions != config.ledger.partitions ||
                         definition.partitioner != config.ledger.partitioner;
    if (differs)
      checks.push_back({"definition", Health::warning, "differs from the configuration's ledger section; the definition counts"});
    return definition;
  }
  if (file.status().code() == absl::StatusCode::kNotFound)
    checks.push_back(
        {"definition", Health::warning, definition_path(config) + " does not exist yet; serve makes it from the configuration"});
  else
    checks.push_back({"definition", Health::bad, message_of(file.status())});
  return std::nullopt;
}

void check_key(const Config& config, Checks& checks) {
  const auto keys = SigningKeys::load(key_path(config));
  if (keys.ok())
    checks.push_back({"signing key", Health::good, key_path(config)});
  else if (keys.status().code() == absl::StatusCode::kNotFound)
    checks.push_back({"signing key", Health::warning, "none: nothing is signed; `bukubesar key new` makes one"});
  else
    checks.push_back({"signing key", Health::bad, message_of(keys.status())});
}

void check_access(const Config& config, Checks& checks) {
  const std::int64_t now_ms = Clock::system().wall_ms();
  if (config.http.tls_certificate_file.empty()) {
    checks.push_back({"TLS", Health::good, "none: HTTP is in clear"});
  } else if (const auto tls = TlsCertificate::load(config.http.tls_certificate_file, config.http.tls_key_file); !tls.ok()) {
    checks.push_back({"TLS", Health::bad, message_of(tls.status())});
  } else {
    const std::vector<std::string> warnings = (*tls)->warnings(now_ms);
    checks.push_back({"TLS", warnings.empty() ? Health::good : Health::warning,
                      warnings.empty() ? "valid until " + format_instant_ms((*tls)->stats().expires_ms, 0) : warnings.front()});
  }
  AccessOptions options;
  options.http = config.http;
  options.tokens_path = tokens_path(config);
  const auto access = Access::open(options);
  if (!access.ok()) {
    checks.push_back({"tokens", Health::bad, message_of(access.status())});
    return;
  }
  const auto tokens = load_tokens(options.tokens_path).value_or(std::vector<Token>());
  const auto valid = std::count_if(tokens.begin(), tokens.end(), [now_ms](const Token& token) { return token.state(now_ms) == "valid"; });
  const bool locked_out = valid == 0 && !(*access)->is_open() && !config.http.insecure_public_read;
  checks.push_back({"tokens", locked_out ? Health::warning : Health::good,
                    fmt::format("{} valid; without one a request may {}", valid,
                                (*access)->is_open()               ? "do everything, on loopback"
                                : config.http.insecure_public_read ? "read"
                                                                   : "do nothing")});
}

void check_port(const Config& config, Checks& checks) {
  if (config.http.port == 0) {
    checks.push_back({"HTTP port", Health::good, "any free one"});
    return;
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(config.http.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const std::string why = is_free ? "free" : std::strerror(errno);
  ::close(fd);
  checks.push_back({"HTTP port", is_free ? Health::good : Health::warning, fmt::format("127.0.0.1:{}: {}", config.http.port, why)});
}

void check_broker(const Config& config, const std::optional<Definition>& definition, bool make_topics, Checks& checks) {
  if (config.broker.kind == BrokerKind::embedded) {
    checks.push_back({"broker", Health::good, "embedded: made at each start; it has no access control and no topic contract"});
    return;
  }
  if (make_topics) {
    const absl::Status made = create_topics(config, definition ? definition->partitions : config.ledger.partitions);
    checks.push_back({"topics", made.ok() ? Health::good : Health::bad, made.ok() ? "both exist" : message_of(made)});
  }
  const auto findings = check_topic_contract(config, definition ? &*definition : nullptr);
  if (!findings.ok()) {
    checks.push_back({"topic contract", Health::bad, message_of(findings.status())});
    return;
  }
  if (findings->empty()) checks.push_back({"topic contract", Health::good, config.broker.bootstrap_servers + " keeps it"});
  for (const ContractFinding& finding : *findings)
    checks.push_back({"topic contract", finding.fatal ? Health::bad : Health::warning, finding.what});
}

void doctor(CliContext& context, bool make_topics) {
  const auto config = context.config();
  if (!config.ok()) return context.fail(config.status());
  Checks checks{{"configuration", Health::good, context.config_file.empty() ? "defaults, environment and flags" : context.config_file}};
  check_data_dir(*config, checks);
  const std::optional<Definition> definition = check_definition(*config, checks);
  check_key(*config, checks);
  check_access(*config, checks);
  check_port(*config, checks);
  check_broker(*config, definition, make_topics, checks);
  Table table;
  table.column("check").column("state").column("what");
  Json json = Json::array();
  for (const Check& each : checks) {
    table.row({each.name, std::string(name_of(each.health)), each.what});
    json.push_back({{"check", each.name}, {"state", name_of(each.health)}, {"what", each.what}});
    if (each.health == Health::bad) context.exit_code = 1;
  }
  if (context.format == OutputFormat::json)
    fmt::print("{}\n", to_text({{"ok", context.exit_code == 0}, {"checks", json}}));
  else
    fmt::print("{}", context.format == OutputFormat::csv ? table.csv() : table.text());
}

}  // namespace

void add_doctor_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("doctor", "look for what would keep a server from running well");
  auto make_topics = std::make_shared<bool>(false);
  command->add_flag("--create-topics", *make_topics, "make both topics as the contract asks, where they are missing");
  command->footer(
      "Examples:\n"
      "  bukubesar doctor\n"
      "  bukubesar --set broker.kind=kafka --set broker.bootstrap_servers=127.0.0.1:9092 doctor --create-topics");
  command->callback([&context, make_topics] { doctor(context, *make_topics); });
}

}  // namespace bukubesar
