// bukubesar: one binary, subcommands. cli.h has the exit codes.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/crash_point.h"
#include "base/status.h"
#include "server/cli.h"
#include "server/cli_history.h"
#include "server/node.h"

namespace bukubesar {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done; 1 something is off; 2 the command line, configuration or input is wrong; 3 not found;\n"
    "4 the server, broker or disk did not answer; 5 the ledger's data is damaged; 6 a position beyond the end; `check` and `evidence "
    "check`\n"
    "have five more: 7 about another ledger; 8 a key did not sign; 9 no proof; 10 a damaged pack; 11 the entries give another report.\n\n"
    "Examples:\n"
    "  bukubesar serve\n"
    "  bukubesar totals --by district --region 63 --fiscal-year 2023\n"
    "  bukubesar --data /srv/bukubesar verify\n"
    "  bukubesar <command> --help";

void add_global_options(CLI::App& app, CliContext& context) {
  app.add_option("--config", context.config_file, "configuration file (JSON with comments)")->envname("BUKUBESAR_CONFIG");
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [&context](const std::vector<std::string>& pairs) {
           for (const std::string& pair : pairs) {
             const std::size_t equals = pair.find('=');
             if (equals == std::string::npos) throw CLI::ValidationError("--set", "'" + pair + "' is not key=value");
             context.flags.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
           }
         },
         "a setting over file and environment, such as --set http.port=8081; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
         "--data", [&context](const std::string& directory) { context.flags.emplace_back("data_dir", directory); }, "data directory")
      ->type_name("DIR");
  app.add_option("--url", context.url, "server to ask; default: where the configuration has it listen, http://127.0.0.1:8080")
      ->envname("BUKUBESAR_URL");
  app.add_option("--ca-file", context.ca_file,
                 "who signed the server's certificate (PEM), for an https URL; default: whom the system trusts")
      ->envname("BUKUBESAR_CA_FILE");
  app.add_option("--token-file", context.token_file, "a file with the token to send; or BUKUBESAR_TOKEN, but never an argument")
      ->envname("BUKUBESAR_TOKEN_FILE");
  app.add_option_function<std::string>(
         "--format",
         [&context](const std::string& name) {
           const std::map<std::string, OutputFormat> formats{
               {"table", OutputFormat::table}, {"json", OutputFormat::json}, {"csv", OutputFormat::csv}};
           const auto found = formats.find(name);
           if (found == formats.end()) throw CLI::ValidationError("--format", "'" + name + "' is none of table, json and csv");
           context.format = found->second;
         },
         "table (for people), json or csv")
      ->type_name("FORMAT");
  app.set_version_flag("--version", "bukubesar " + std::string(kVersion));
}

// "key has no 'foo': there are …", where a word stands in a subcommand's place; empty where none does.
std::string unknown_subcommand(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  std::vector<std::string> names;
  for (const CLI::App* one : at->get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); }))
    names.push_back(one->get_name());
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  const auto word = std::find_if(unknown.begin(), unknown.end(), [](const std::string& one) { return !one.empty() && one.front() != '-'; });
  if (names.empty() || word == unknown.end()) return "";
  return fmt::format("{} has no '{}'; there are {} (--help tells more)", at->get_name(), *word, fmt::join(names, ", "));
}

int run(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("bukubesar"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_level(spdlog::level::warn);  // serve sets what the configuration says
  if (const char* const point = std::getenv("BUKUBESAR_CRASH_POINT")) {
    if (const absl::Status armed = arm_crash_points(point); !armed.ok()) {
      fmt::print(stderr, "bukubesar: {}\n", message_of(armed));
      return 2;
    }
  }
  CliContext context;
  CLI::App app("Bukubesar: an append-only, tamper-evident ledger of public purchases, with totals that anyone can check.", "bukubesar");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  add_global_options(app, context);
  add_serve_command(app, context);
  add_import_command(app, context);
  add_demo_command(app, context);
  add_totals_command(app, context);
  add_entries_command(app, context);
  add_purchase_command(app, context);
  add_explain_command(app, context);
  add_diff_command(app, context);
  add_replay_command(app, context);
  add_view_command(app, context);
  add_purchases_command(app, context);
  add_findings_command(app, context);
  add_status_command(app, context);
  add_verify_command(app, context);
  add_prove_command(app, context);
  add_check_command(app, context);
  add_export_command(app, context);
  add_sink_command(app, context);
  add_completeness_command(app, context);
  add_evidence_command(app, context);
  add_reads_command(app, context);
  add_witness_command(app, context);
  add_backup_command(app, context);
  add_restore_command(app, context);
  add_correct_command(app, context);
  add_redact_command(app, context);
  add_source_command(app, context);
  add_clone_command(app, context);

  add_doctor_command(app, context);
  add_key_command(app, context);
  add_token_command(app, context);
  add_config_command(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    if (const std::string unknown = unknown_subcommand(app); !unknown.empty()) {
      fmt::print(stderr, "bukubesar: {}\n", unknown);
      return 2;
    }
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return context.exit_code;
}

}  // namespace
}  // namespace bukubesar

int main(int argc, char** argv) {
  // Debian builds Abseil with its deadlock detector on: a graph and a stack trace for each lock that is taken. Lock orders are checked by
  // clang's thread-safety analysis and the thread sanitizer instead.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  try {
    return bukubesar::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bukubesar: {}\n", error.what());
    return 1;
  }
}
