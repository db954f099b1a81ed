// bukubesar token: who may use HTTP. The file is changed beside a running server, which reads it again by itself.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/clock.h"
#include "base/status.h"
#include "base/time.h"
#include "server/cli.h"
#include "server/json.h"
#include "server/node.h"
#include "server/table.h"
#include "server/tokens.h"

namespace bukubesar {

namespace {

constexpr std::int64_t kHourMs = 3600 * 1000;

struct NewToken {
  Token token;
  std::vector<std::string> roles;
  std::string expires = "365d";
};

// "90d", "12h", a date (the end of that day, UTC), an instant, "never".
absl::StatusOr<std::optional<std::int64_t>> expiry_of(const std::string& text, std::int64_t now_ms) {
  if (text == "never") return std::optional<std::int64_t>();
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc() && end + 1 == text.data() + text.size() && (*end == 'd' || *end == 'h') && count > 0 && count <= 1'000'000)
    return now_ms + (*end == 'd' ? 24 : 1) * kHourMs * count;
  std::optional<std::int64_t> instant = parse_instant_ms(text);
  if (const auto date = parse_date(text)) instant = day_start_ms(Date{date->days + 1}, 0);
  if (!instant) return invalid_argument("--expires {}: want 90d, 12h, a date, an instant such as 2027-01-01T00:00:00Z, or never", text);
  if (*instant <= now_ms) return invalid_argument("--expires {}: that is over already", text);
  return instant;
}

std::string when(std::optional<std::int64_t> instant_ms) { return instant_ms ? format_instant_ms(*instant_ms, 0) : "-"; }

absl::Status new_token(const CliContext& context, const NewToken& wanted) {
  ASSIGN_OR_RETURN(const Config config, context.config());
  Token token = wanted.token;
  for (const std::string& name : wanted.roles) {
    const auto role = parse_role(name);
    if (!role) return invalid_argument("--role {}: there are read, audit, ingest and operate", name);
    token.roles.add(*role);
  }
  token.created_ms = Clock::system().wall_ms() / 1000 * 1000;
  ASSIGN_OR_RETURN(token.expires_ms, expiry_of(wanted.expires, token.created_ms));
  ASSIGN_OR_RETURN(const std::string text, add_token(tokens_path(config), token));
  if (context.format == OutputFormat::json) {
    fmt::print("{}\n", to_text({{"id", token.id}, {"token", text}}));
    return absl::OkStatus();
  }
  fmt::print(stderr, "bukubesar: token {} may {} until {}; its text is shown this once and kept nowhere: {} has its hash\n", token.id,
             text_of(token.roles), token.expires_ms ? when(token.expires_ms) : "it is revoked", tokens_path(config));
  fmt::print("{}\n", text);
  return absl::OkStatus();
}

std::string rate_of(const Token& token) {
  return token.requests_per_second == 0 ? "-" : fmt::format("{}/s, {} at once", token.requests_per_second, token.burst);
}

absl::Status list_tokens(const CliContext& context) {
  ASSIGN_OR_RETURN(const Config config, context.config());
  auto tokens = load_tokens(tokens_path(config));
  if (absl::IsNotFound(tokens.status())) return not_found("{} is not there: no token was made yet", tokens_path(config));
  RETURN_IF_ERROR(tokens.status());
  const std::int64_t now_ms = Clock::system().wall_ms();
  Table table;
  table.column("id").column("roles").column("state").column("created").column("expires").column("rate").column("note");
  Json json = Json::array();
  for (const Token& token : *tokens) {
    table.row({token.id, text_of(token.roles), std::string(token.state(now_ms)), when(token.created_ms), when(token.expires_ms),
               rate_of(token), token.note});
    Json roles = Json::array();
    for (Role role : kAllRoles)
      if (token.roles.has(role)) roles.push_back(name_of(role));
    const auto instant = [](std::optional<std::int64_t> ms) { return ms ? Json(when(ms)) : Json(nullptr); };
    json.push_back({{"id", token.id},
                    {"roles", roles},
                    {"state", token.state(now_ms)},
                    {"created", when(token.created_ms)},
                    {"expires", instant(token.expires_ms)},
                    {"revoked", instant(token.revoked_ms)},
                    {"requests_per_second", token.requests_per_second},
                    {"burst", token.burst},
                    {"note", token.note}});
  }
  if (context.format == OutputFormat::json)
    fmt::print("{}\n", to_text(json));
  else
    fmt::print("{}", context.format == OutputFormat::csv ? table.csv() : table.text());
  return absl::OkStatus();
}

absl::Status revoke(const CliContext& context, const std::string& id) {
  ASSIGN_OR_RETURN(const Config config, context.config());
  RETURN_IF_ERROR(revoke_token(tokens_path(config), id, Clock::system().wall_ms()));
  fmt::print("token {} is revoked; a running server knows within a second or two\n", id);
  return absl::OkStatus();
}

void add_new(CLI::App& command, CliContext& context) {
  CLI::App* make = command.add_subcommand("new", "make a token and print it, once");
  auto wanted = std::make_shared<NewToken>();
  make->add_option("id", wanted->token.id, "its name, shown in metrics: 1 to 40 of a-z, 0-9 and '-'; given once, for ever")->required();
  make->add_option("--role", wanted->roles, "read (all but payloads), audit (payloads), ingest (POST /v1/events), operate (metrics)")
      ->required()
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("ROLE[,ROLE…]");
  make->add_option("--expires", wanted->expires, "90d, 12h, a date, an instant, or never")->capture_default_str();
  make->add_option("--rate", wanted->token.requests_per_second, "requests a second; 0: no limit")
      ->capture_default_str()
      ->check(CLI::Range(0U, kTokenRateMax));
  make->add_option("--burst", wanted->token.burst, "requests that may come at once")
      ->capture_default_str()
      ->check(CLI::Range(1U, kTokenRateMax));
  make->add_option("--note", wanted->token.note, "for people: whose it is, what for");
  make->footer(
      "Examples:\n"
      "  bukubesar token new prometheus --role operate --expires never > prometheus.token\n"
      "  bukubesar token new bpkp --role read,audit --expires 2027-12-31 --note 'BPKP, audit 2027'\n"
      "  bukubesar token new importer --role read,ingest --rate 50 --burst 100\n\n"
      "Whoever sends it writes  Authorization: Bearer bkb_…  or, on this command line, --token-file or BUKUBESAR_TOKEN.");
  make->callback([&context, wanted] {
    if (const absl::Status done = new_token(context, *wanted); !done.ok()) context.fail(done);
  });
}

}  // namespace

void add_token_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("token", "who may use HTTP: make, list and revoke tokens");
  command->require_subcommand(1);
  command->fallthrough();
  command->footer(
      "They stand in <data_dir>/tokens.jsonl (http.tokens_file), mode 0600, as hashes. A running server reads the file again by itself.\n\n"
      "Examples:\n"
      "  bukubesar token new bpkp --role read,audit --expires 90d\n"
      "  bukubesar token list\n"
      "  bukubesar token revoke bpkp");
  add_new(*command, context);
  command->add_subcommand("list", "ids, roles, states; no token can be shown again")->callback([&context] {
    if (const absl::Status done = list_tokens(context); !done.ok()) context.fail(done);
  });
  CLI::App* end = command->add_subcommand("revoke", "end a token now");
  auto id = std::make_shared<std::string>();
  end->add_option("id", *id, "as `bukubesar token list` shows it")->required();
  end->callback([&context, id] {
    if (const absl::Status done = revoke(context, *id); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
