#include <fmt/format.h>

#include "adapters/http_client.h"
#include "base/status.h"
#include "server/ask.h"
#include "server/cli.h"
#include "server/json.h"
#include "server/table.h"

namespace bukubesar {

namespace {

struct Flags {
  bool rejected = false, gaps = false;
};

void print_table(const CliContext& context, const Table& table) {
  fmt::print("{}", context.format == OutputFormat::csv ? table.csv() : table.text());
}

// The answer lists some of them.
std::size_t gaps_total(const Json& answer) { return answer.value("gaps_total", answer["gaps"].size()); }

void print_rows(const CliContext& context, const Json& answer) {
  Table table;
  table.column("partition").column("epoch", true).column("day");
  for (const char* name : {"offsets", "records", "gap offsets", "entries", "accepted", "duplicate", "rejected", "statements"})
    table.column(name, true);
  table.column("holds");
  for (const Json& row : answer["rows"])
    table.row({cell_of(row["partition"]), cell_of(row["epoch"]), cell_of(row["day"]), cell_of(row["offsets"]), cell_of(row["records"]),
               cell_of(row["gap_offsets"]), cell_of(row["entries"]), cell_of(row["accepted"]), cell_of(row["duplicate"]),
               cell_of(row["rejected"]), cell_of(row["statements"]), row.value("holds", false) ? "yes" : "NO"});
  print_table(context, table);
  if (context.format == OutputFormat::csv) return;
  fmt::print("\noffsets = records + gap offsets; entries = accepted + duplicate + rejected + statements\n");
  for (const Json& contradiction : answer["contradictions"]) fmt::print("contradiction: {}\n", contradiction.get<std::string>());
  fmt::print("{}; {} gaps, {} decisions of an operator (--gaps lists them)\n",
             answer.value("complete", false) ? "complete" : "NOT complete", gaps_total(answer), answer["decisions"].size());
}

void print_gaps(const CliContext& context, const Json& answer) {
  Table table;
  table.column("partition").column("epoch", true).column("from offset", true).column("to offset", true).column("offsets", true);
  table.column("at entry", true).column("ledger time").column("decision").column("decided by");
  for (const Json& gap : answer["gaps"])
    table.row({cell_of(gap["partition"]), cell_of(gap["epoch"]), cell_of(gap["first_offset"]), cell_of(gap["limit_offset"]),
               cell_of(gap["offsets"]), cell_of(gap["before_sequence"]), cell_of(gap["ledger_time"]), cell_of(gap["decision"]),
               cell_of(gap["decided_by"])});
  for (const Json& each : answer["decisions"])
    table.row({cell_of(each["partition"]), cell_of(each["epoch"]), cell_of(each["offset_before"]), cell_of(each["first_offset"]),
               cell_of(each["offsets_skipped"]), cell_of(each["sequence"]), "-", cell_of(each["decision"]), cell_of(each["decided_by"])});
  print_table(context, table);
  const std::size_t left_out = gaps_total(answer) - answer["gaps"].size();
  if (left_out > 0 && context.format == OutputFormat::table) fmt::print("\nand {} gaps more, which GET /v1/gaps lists\n", left_out);
}

// Of all partitions, page by page.
absl::StatusOr<Json> all_rejected(HttpClient& client) {
  ASSIGN_OR_RETURN(const Json cut, ask_json(client, "/v1/cut"));
  Json rows = Json::array();
  for (const auto& [partition, size] : cut["committed"].items()) {
    std::string cursor = "0";
    while (!cursor.empty()) {
      ASSIGN_OR_RETURN(const Json page, ask_json(client, fmt::format("/v1/rejected/{}?limit=1000&cursor={}", partition, cursor)));
      for (const Json& row : page["rejected"]) rows.push_back(row);
      cursor = page["next_cursor"].is_string() ? page["next_cursor"].get<std::string>() : "";
    }
  }
  return Json{{"rejected", rows}};
}

void print_rejected(const CliContext& context, const Json& answer) {
  Table table;
  table.column("entry")
      .column("offset", true)
      .column("ledger time")
      .column("reason")
      .column("detail")
      .column("payload")
      .column("accepted as");
  for (const Json& row : answer["rejected"]) {
    const Json& accepted = row["accepted"];
    const std::string as = accepted.is_object()
                               ? fmt::format("{}/{} at {}, {}", cell_of(accepted["partition"]), cell_of(accepted["sequence"]),
                                             cell_of(accepted["ledger_time"]), cell_of(accepted["order"]))
                           : row.value("id_known", false) ? "not so far"
                                                          : "its id cannot be read";
    table.row({fmt::format("{}/{}", cell_of(row["partition"]), cell_of(row["sequence"])), cell_of(row["offset"]),
               cell_of(row["ledger_time"]), cell_of(row["reason"]), row.contains("detail") ? cell_of(row["detail"]) : "-",
               cell_of(row["payload"]), as});
  }
  print_table(context, table);
  if (context.format == OutputFormat::table) fmt::print("\n{} rejected\n", answer["rejected"].size());
}

absl::Status completeness(CliContext& context, const Flags& flags) {
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  ASSIGN_OR_RETURN(const Json answer, flags.rejected ? all_rejected(client) : ask_json(client, "/v1/completeness"));
  if (answer.contains("complete") && !answer["complete"].get<bool>()) context.exit_code = 1;
  if (context.format == OutputFormat::json)
    fmt::print("{}\n", to_text(answer));
  else if (flags.rejected)
    print_rejected(context, answer);
  else if (flags.gaps)
    print_gaps(context, answer);
  else
    print_rows(context, answer);
  return absl::OkStatus();
}

}  // namespace

void add_completeness_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("completeness", "that everything which arrived is there: offsets, entries, gaps, the rejected");
  auto flags = std::make_shared<Flags>();
  auto* rejected = command->add_flag("--rejected", flags->rejected, "each rejected record, why, and whether its event was accepted later");
  command->add_flag("--gaps", flags->gaps, "offsets that Kafka did not have, and what an operator decided")->excludes(rejected);
  command->footer(
      "By partition, epoch and day (of ledger time, in the ledger's zone). Exit code 1 where something does not add up.\n\n"
      "Examples:\n"
      "  bukubesar completeness\n"
      "  bukubesar completeness --rejected --format csv > rejected.csv\n"
      "  bukubesar completeness --gaps");
  command->callback([&context, flags] {
    if (const absl::Status done = completeness(context, *flags); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
