// view, purchases, findings: what else a running server knows, now or as of any cut.
#include <fmt/format.h>

#include <memory>

#include "base/status.h"
#include "server/ask.h"
#include "server/cli_history.h"
#include "server/table.h"
#include "server/totals_table.h"

namespace bukubesar {

namespace {

constexpr const char* kAsOfHelp = "what was known: a cut, an instant, a date (its end) or checkpoint:<partition>/<size>";

struct ListFlags {
  std::string name;
  Parameters parameters;
  std::size_t limit = 100;
};

// A list's rows, a column for each member.
void print_list(const CliContext& context, const Json& json, const char* list,
                const std::vector<std::pair<const char*, const char*>>& columns) {
  if (context.format == OutputFormat::json) return print(to_text(json) + "\n");
  const bool csv = context.format == OutputFormat::csv;
  Table table;
  for (const auto& [member, title] : columns)
    table.column(csv ? member : title, std::string_view(title).find("(Rp)") != std::string_view::npos);
  for (const Json& row : json[list]) {
    std::vector<std::string> cells;
    for (const auto& [member, title] : columns) {
      const bool is_money = !csv && std::string_view(title).find("(Rp)") != std::string_view::npos && row[member].is_string();
      cells.push_back(csv ? raw_cell(row[member]) : is_money ? for_people(row[member].get<std::string>()) : cell_of(row[member]));
    }
    table.row(std::move(cells));
  }
  print(csv ? table.csv() : table.text());
  if (csv) return;
  if (json.contains("next_cursor") && json["next_cursor"].is_string())
    fmt::print("\nmore: --cursor '{}'\n", json["next_cursor"].get<std::string>());
  if (json.contains("counts")) {
    fmt::print("\n");
    for (const auto& [kind, count] : json["counts"].items()) fmt::print("{} {}\n", count.dump(), kind);
  }
  print_notes(json);
}

absl::Status list(CliContext& context, const ListFlags& flags, const char* path, const char* member,
                  const std::vector<std::pair<const char*, const char*>>& columns) {
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  Parameters parameters = flags.parameters;
  parameters.emplace_back("limit", std::to_string(flags.limit));
  ASSIGN_OR_RETURN(const Json json, ask_json(client, target_of(path, parameters)));
  print_list(context, json, member, columns);
  return absl::OkStatus();
}

absl::Status view(CliContext& context, const ListFlags& flags) {
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  if (flags.name.empty()) {
    ASSIGN_OR_RETURN(const Json json, ask_json(client, "/v1/views"));
    print_list(context, json, "views", {{"name", "view"}, {"title", "title"}, {"rows", "rows"}});
    return absl::OkStatus();
  }
  Parameters parameters = flags.parameters;
  const std::string path = "/v1/views/" + percent_encode(flags.name);
  if (context.format == OutputFormat::table) {
    ASSIGN_OR_RETURN(const Json json, ask_json(client, target_of(path, parameters)));
    fmt::print("{}\n\n", printable(cell_of(json["title"])));
    print_totals(json);
    return absl::OkStatus();
  }
  if (context.format != OutputFormat::json) parameters.emplace_back("format", "csv");
  ASSIGN_OR_RETURN(const std::string body, ask(client, target_of(path, parameters)));
  print(body);
  return absl::OkStatus();
}

void add_paging(CLI::App& command, const std::shared_ptr<ListFlags>& flags) {
  command.add_option("--limit", flags->limit, "rows on a page, at most 1000")->capture_default_str();
}

// Options into the flags' parameters.
void add_list_options(CLI::App& command, const std::vector<OptionHelp>& options, const std::shared_ptr<ListFlags>& flags) {
  add_options(command, options, std::shared_ptr<Parameters>(flags, &flags->parameters));
}

}  // namespace

void add_view_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("view", "the rows of a standing view, now or as of any cut; without a name, which there are");
  auto flags = std::make_shared<ListFlags>();
  command->add_option("name", flags->name, "such as umkm");
  std::vector<OptionHelp> options = totals_options();
  std::erase_if(options, [](const OptionHelp& option) { return option.name == "by"; });
  add_list_options(*command, options, flags);
  command->footer(
      "Examples:\n"
      "  bukubesar view\n"
      "  bukubesar view umkm --as-of 2023-06-30\n"
      "  bukubesar view regions --region 63 --format json");
  command->callback([&context, flags] {
    if (const absl::Status done = view(context, *flags); !done.ok()) context.fail(done);
  });
}

void add_purchases_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("purchases", "purchases by id, now or as of any cut");
  auto flags = std::make_shared<ListFlags>();
  add_list_options(*command,
                   {{"as_of", kAsOfHelp},
                    {"system", "only of this system"},
                    {"institution", "only of this institution"},
                    {"fiscal_year", "only of this year"},
                    {"feed", "only those that this feed counts for"},
                    {"cursor", "where the last page ended"}},
                   flags);
  add_paging(*command, flags);
  command->footer(
      "Examples:\n"
      "  bukubesar purchases --institution D262 --as-of 2023-06-30\n"
      "  bukubesar purchases --limit 1000 --format csv > purchases.csv");
  command->callback([&context, flags] {
    const absl::Status done = list(context, *flags, "/v1/purchases", "purchases",
                                   {{"id", "purchase"},
                                    {"stage", "stage"},
                                    {"institution", "institution"},
                                    {"vendor", "vendor"},
                                    {"fiscal_year", "year"},
                                    {"value", "value (Rp)"},
                                    {"partition", "partition"},
                                    {"last_sequence", "last entry"}});
    if (!done.ok()) context.fail(done);
  });
}

void add_findings_command(CLI::App& app, CliContext& context) {
  CLI::App* command =
      app.add_subcommand("findings", "contradictions and red flags with the entries that raised them, now or as of any cut");
  auto flags = std::make_shared<ListFlags>();
  add_list_options(*command,
                   {{"as_of", kAsOfHelp},
                    {"kind", "only of this kind"},
                    {"purchase", "only about this purchase"},
                    {"order", "oldest (default) or newest first"},
                    {"cursor", "where the last page ended"}},
                   flags);
  add_paging(*command, flags);
  command->footer(
      "Examples:\n"
      "  bukubesar findings --kind overpaid --order newest --limit 20\n"
      "  bukubesar findings --as-of checkpoint:0/4096 --format csv");
  command->callback([&context, flags] {
    const absl::Status done =
        list(context, *flags, "/v1/findings", "findings",
             {{"partition", "partition"}, {"sequence", "entry"}, {"kind", "finding"}, {"purchase", "purchase"}, {"detail", "detail"}});
    if (!done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
