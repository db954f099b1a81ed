#include <fmt/format.h>

#include "base/status.h"
#include "consumers/intake.h"
#include "projections/views.h"
#include "server/cli.h"
#include "server/node.h"

namespace bukubesar {

namespace {

// What a setting points to must be well too.
absl::Status check_referenced(const Config& config) {
  if (!config.projections.views_file.empty()) {
    ASSIGN_OR_RETURN(const std::string views, read_file(config.projections.views_file));
    RETURN_IF_ERROR(with_context(parse_views(views).status(), config.projections.views_file));
  }
  return check_broker_settings(config);
}

// What these commands print has one form.
bool refuses_format(CliContext& context, std::string_view prints) {
  if (context.format == OutputFormat::table) return false;
  context.fail(invalid_argument("config prints {}: it has no --format", prints));
  return true;
}

void check_config(CliContext& context) {
  if (refuses_format(context, "a sentence, or an error; its exit code is for programs")) return;
  const auto config = context.config();
  if (!config.ok()) return context.fail(config.status());
  if (const absl::Status well = check_referenced(*config); !well.ok()) return context.fail(well);
  const auto definition = DefinitionFile::load(definition_path(*config));
  if (!definition.ok() && !absl::IsNotFound(definition.status())) return context.fail(definition.status());
  fmt::print("{}\n", context.config_file.empty() ? "no file; defaults, environment and flags are well" : context.config_file + ": well");
}

void show(CliContext& context) {
  if (context.format == OutputFormat::csv) return (void)refuses_format(context, "JSON");
  const auto config = context.config();
  if (!config.ok()) return context.fail(config.status());
  fmt::print("{}\n", to_json(*config));
}

void show_definition(CliContext& context) {
  if (context.format == OutputFormat::csv) return (void)refuses_format(context, "JSON Lines");
  const auto config = context.config();
  if (!config.ok()) return context.fail(config.status());
  const auto file = DefinitionFile::load(definition_path(*config));
  if (!file.ok()) return context.fail(file.status());
  const auto text = read_file(file->path());
  if (!text.ok()) return context.fail(text.status());
  fmt::print("{}", *text);
}

// A ledger that stands already has a say: lines must not change what its entries were judged by.
absl::Status check_with_ledger(const Config& config, const Definition& definition) {
  const auto ledger = Ledger::open({ledger_directory(config), /*read_only=*/true, {}}, definition);
  return absl::IsNotFound(ledger.status()) ? absl::OkStatus() : ledger.status();
}

void append_definition(CliContext& context, const std::string& line) {
  const auto config = context.config();
  if (!config.ok()) return context.fail(config.status());
  // A running node has read the file: it would not see the line.
  const auto lock = DataLock::take(config->data_dir);
  if (!lock.ok()) return context.fail(lock.status());
  auto file = DefinitionFile::load(definition_path(*config));
  if (!file.ok()) return context.fail(file.status());
  const auto longer = file->with(line);
  if (!longer.ok()) return context.fail(longer.status());
  if (const absl::Status fits = check_with_ledger(*config, *longer); !fits.ok()) return context.fail(fits);
  if (const absl::Status appended = file->append(line); !appended.ok()) return context.fail(appended);
  fmt::print("appended to {}; every node of this ledger needs the same line\n", file->path());
}

}  // namespace

void add_config_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("config", "configuration and definition: check, show, append");
  command->require_subcommand(1);
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  bukubesar --config bukubesar.json config check\n"
      "  bukubesar config show-default > bukubesar.json\n"
      "  bukubesar config definition\n"
      "  bukubesar config definition --append "
      "'{\"feed\":{\"system\":\"e-katalog-6\",\"institution\":\"*\",\"source\":\"/feed/inaproc-realisasi\"}}'");
  command->add_subcommand("check", "name every wrong line of the configuration, and of the definition where there is one")
      ->callback([&context] { check_config(context); });
  command->add_subcommand("show", "the effective configuration, as JSON")->callback([&context] { show(context); });
  command->add_subcommand("show-default", "the commented default file")->callback([] { fmt::print("{}", default_config_text()); });
  CLI::App* definition =
      command->add_subcommand("definition", "print the ledger's definition, or add a line to it while the server is stopped");
  auto line = std::make_shared<std::string>();
  definition->add_option("--append", *line, "one statement: a JSON object")->type_name("LINE");
  definition->callback([&context, line] { line->empty() ? show_definition(context) : append_definition(context, *line); });
}

}  // namespace bukubesar
