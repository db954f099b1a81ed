// totals, entries, purchase, status: what a running server answers, for people and programs.
#include <fmt/format.h>

#include <cstdio>

#include "base/status.h"
#include "server/ask.h"
#include "server/table.h"
#include "server/totals_table.h"

namespace bukubesar {

namespace {

absl::StatusOr<std::string> ask(const CliContext& context, const std::string& target) {
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  return ask(client, target);
}

absl::StatusOr<Json> ask_json(const CliContext& context, const std::string& target, std::string& body) {
  ASSIGN_OR_RETURN(body, ask(context, target));
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return unavailable("{}: the answer is no JSON object", target);
  return json;
}

void totals(CliContext& context, const Parameters& parameters) {
  Parameters all = parameters;
  if (context.format == OutputFormat::csv) {
    all.emplace_back("format", "csv");
    const auto body = ask(context, target_of("/v1/totals", all));
    if (!body.ok()) return context.fail(body.status());
    return print(*body);
  }
  std::string body;
  const auto json = ask_json(context, target_of("/v1/totals", all), body);
  if (!json.ok()) return context.fail(json.status());
  if (context.format == OutputFormat::json) return print(body);
  print_totals(*json);
}

struct EntriesFlags {
  std::string partition = "0", sequence, verdict, cursor, as_of;
  std::size_t limit = 20;
  bool newest = false, proof = false;
};

void print_entries(const CliContext& context, const Json& json) {
  Table table;
  table.column("sequence", true)
      .column("verdict")
      .column("reason")
      .column("epoch", true)
      .column("offset", true)
      .column("timestamp")
      .column("bytes", true)
      .column("duplicate of", true);
  const bool csv = context.format == OutputFormat::csv;
  for (const Json& entry : json["entries"]) {
    std::vector<std::string> cells;
    for (const char* name : {"sequence", "verdict", "reason", "epoch", "offset", "timestamp", "payload_size", "duplicate_of"})
      cells.push_back(csv ? raw_cell(entry[name]) : cell_of(entry[name]));
    table.row(std::move(cells));
  }
  if (csv) return print(table.csv());
  print(table.text());
  if (json["next_cursor"].is_string()) fmt::print("\nmore: --cursor {}\n", json["next_cursor"].get<std::string>());
  print_notes(json);
}

// Objects and lists by path, "event.document.amounts.total"; what is unknown inside them is left out.
void add_members(Table& table, const std::string& path, const Json& value) {
  if (value.is_object() && path != "cut") {
    for (const auto& [name, member] : value.items()) add_members(table, path.empty() ? name : path + "." + name, member);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) add_members(table, path + "." + std::to_string(i), value[i]);
  } else if (!value.is_null() || path.find('.') == std::string::npos) {
    table.row({path, path == "cut" ? cut_text(value) : cell_of(value)});
  }
}

void print_members(const CliContext& context, const Json& json) {
  Table table;
  table.column("member").column("value");
  add_members(table, "", json);
  print(context.format == OutputFormat::csv ? table.csv() : table.text());
}

void entries(CliContext& context, const EntriesFlags& flags) {
  std::string target = "/v1/entries/" + percent_encode(flags.partition);
  const bool one = !flags.sequence.empty();
  if (one)
    target = target_of(target + "/" + percent_encode(flags.sequence), {{"proof", flags.proof ? "true" : ""}});
  else
    target = target_of(target, {{"verdict", flags.verdict},
                                {"cursor", flags.cursor},
                                {"as_of", flags.as_of},
                                {"limit", std::to_string(flags.limit)},
                                {"order", flags.newest ? "newest" : ""}});
  std::string body;
  const auto json = ask_json(context, target, body);
  if (!json.ok()) return context.fail(json.status());
  if (context.format == OutputFormat::json) return print(body);
  one ? print_members(context, *json) : print_entries(context, *json);
}

void print_purchase(const Json& json) {
  Table head;
  head.column("purchase").column(cell_of(json["id"]));
  for (const char* name : {"stage", "feed", "fiscal_year", "order_date", "region", "work_unit", "distributor", "method", "revision"})
    head.row({name, cell_of(json[name])});
  for (const char* name : {"institution", "vendor"})
    head.row({name, cell_of(json[name]["code"]) + (json[name]["name"].is_string() ? ", " + json[name]["name"].get<std::string>() : "")});
  head.row({"scale", cell_of(json["scale"]["at_order"]) + " (stated: " + cell_of(json["scale"]["stated"]) + ")"});
  for (const char* name : {"value", "paid"}) head.row({name, "Rp " + for_people(json[name].get<std::string>())});
  print(head.text());
  Table history;
  history.column("entry").column("event").column("time").column("from").column("to").column("amount (Rp)", true).column("component");
  for (const Json& event : json["history"]) {
    std::string entry = event["partition"].get<std::string>() + ":" + event["sequence"].dump();
    std::string type = cell_of(event["type"]);
    std::string time = cell_of(event["time"]);
    if (event["transfers"].empty()) history.row({entry, type, time});
    for (const Json& row : event["transfers"]) {
      history.row({entry, type, time, cell_of(row["from"]), cell_of(row["to"]), for_people(row["amount"].get<std::string>()),
                   cell_of(row["component"])});
      entry.clear(), type.clear(), time.clear();
    }
  }
  fmt::print("\n{}", history.text());
  if (!json["findings"].empty()) {
    Table findings;
    findings.column("entry").column("finding").column("detail");
    for (const Json& finding : json["findings"])
      findings.row({finding["partition"].get<std::string>() + ":" + finding["sequence"].dump(), cell_of(finding["kind"]),
                    cell_of(finding["detail"])});
    fmt::print("\n{}", findings.text());
  }
  fmt::print("\n");
  print_notes(json);
}

std::string purchase_csv(const Json& json) {
  Table table;
  for (const char* name :
       {"partition", "sequence", "event", "time", "from", "to", "amount", "packages", "component", "origin", "catalogue_kind", "commodity"})
    table.column(name);
  for (const Json& event : json["history"])
    for (const Json& row : event["transfers"])
      table.row({raw_cell(event["partition"]), raw_cell(event["sequence"]), raw_cell(event["type"]), raw_cell(event["time"]),
                 raw_cell(row["from"]), raw_cell(row["to"]), raw_cell(row["amount"]), raw_cell(row["packages"]), raw_cell(row["component"]),
                 raw_cell(row["origin"]), raw_cell(row["catalogue_kind"]), raw_cell(row["commodity"])});
  return table.csv();
}

void purchase(CliContext& context, const std::string& id, const std::string& as_of) {
  std::string body;
  const auto json = ask_json(context, target_of("/v1/purchases/" + percent_encode(id), {{"as_of", as_of}}), body);
  if (!json.ok()) return context.fail(json.status());
  if (context.format == OutputFormat::json) return print(body);
  if (context.format == OutputFormat::csv) return print(purchase_csv(*json));
  print_purchase(*json);
}

// The source of a partition; an empty object where there is none.
Json source_of(const Json& status, const Json& partition) {
  for (const Json& source : status["sources"])
    if (source["partition"] == partition["partition"]) return source;
  return Json::object();
}

std::string status_csv(const Json& json) {
  Table table;
  for (const char* name :
       {"partition", "entries", "accepted", "duplicate", "rejected", "next_offset", "lag_records", "source", "signed_size"})
    table.column(name);
  for (const Json& partition : json["partitions"]) {
    Json source = source_of(json, partition);
    const Json& verdicts = partition["verdicts"];
    table.row({raw_cell(partition["partition"]), raw_cell(partition["size"]), raw_cell(verdicts["accepted"]),
               raw_cell(verdicts["duplicate"]), raw_cell(verdicts["rejected"]), raw_cell(partition["next_offset"]),
               raw_cell(source["lag_records"]), raw_cell(source["state"]),
               partition["checkpoint"].is_object() ? raw_cell(partition["checkpoint"]["size"]) : ""});
  }
  return table.csv();
}

void print_status(const Json& json) {
  Table partitions;
  partitions.column("partition")
      .column("entries", true)
      .column("accepted", true)
      .column("duplicate", true)
      .column("rejected", true)
      .column("next offset", true);
  partitions.column("lag", true).column("source").column("signed up to", true);
  for (const Json& partition : json["partitions"]) {
    Json source = source_of(json, partition);
    const auto number = [](const Json& value) { return for_people(value.dump()); };
    const Json& verdicts = partition["verdicts"];
    partitions.row({cell_of(partition["partition"]), number(partition["size"]), number(verdicts["accepted"]), number(verdicts["duplicate"]),
                    number(verdicts["rejected"]), number(partition["next_offset"]), cell_of(source["lag_records"]),
                    cell_of(source["state"]), partition["checkpoint"].is_object() ? number(partition["checkpoint"]["size"]) : "-"});
  }
  fmt::print("ledger {}, version {}, broker {} at {}\n\n", json.value("ledger", ""), json.value("version", ""),
             json["broker"].value("kind", ""), json["broker"].value("bootstrap_servers", ""));
  print(partitions.text());
  fmt::print("\ntransfers {}, purchases {}, findings {}\n", for_people(json["projections"]["transfers"].dump()),
             for_people(json["projections"]["purchases"].dump()), for_people(json["projections"]["findings"].dump()));
  fmt::print("cut {}\n", cut_text(json["cut"]));
  for (const Json& warning : json["warnings"]) fmt::print("warning: {}\n", cell_of(warning));
}

void status(CliContext& context) {
  std::string body;
  const auto json = ask_json(context, "/v1/status", body);
  if (!json.ok()) return context.fail(json.status());
  if (context.format == OutputFormat::json) return print(body);
  context.format == OutputFormat::csv ? print(status_csv(*json)) : print_status(*json);
}

}  // namespace

void add_totals_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("totals", "grouped sums, current or as of any cut");
  auto flags = std::make_shared<Parameters>();
  add_options(*command, totals_options(), flags);
  command->footer(
      "Examples:\n"
      "  bukubesar totals --by region,scale --region 63 --fiscal-year 2023\n"
      "  bukubesar totals --by district --region 63 --fiscal-year 2023 --catalogue-kind local --until 2023-06-15\n"
      "  bukubesar totals --by vendor --as-of 2023-06-30 --format csv\n"
      "  bukubesar totals --by event_month,ledger_month    when it happened, and when we learnt of it");
  command->callback([&context, flags] { totals(context, *flags); });
}

void add_entries_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("entries", "entries of a partition, or one entry with what its payload says");
  auto flags = std::make_shared<EntriesFlags>();
  command->add_option("partition", flags->partition, "a number, or reference")->capture_default_str();
  command->add_option("sequence", flags->sequence, "one entry");
  command->add_option("--verdict", flags->verdict, "accepted, duplicate, rejected or none");
  command->add_option("--limit", flags->limit, "entries on a page, at most 1000")->capture_default_str();
  command->add_option("--cursor", flags->cursor, "where the last page ended");
  command->add_option("--as-of", flags->as_of, "those of a cut, an instant, a date or checkpoint:<partition>/<size>");
  command->add_flag("--newest", flags->newest, "newest first");
  command->add_flag("--proof", flags->proof, "with one entry: its proof of inclusion");
  command->footer(
      "Examples:\n"
      "  bukubesar entries 0 --newest\n"
      "  bukubesar entries 0 --verdict rejected\n"
      "  bukubesar entries 0 812 --proof --format json\n"
      "  bukubesar entries reference");
  command->callback([&context, flags] { entries(context, *flags); });
}

void add_purchase_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("purchase", "one purchase: its state and every transfer that led there");
  auto id = std::make_shared<std::string>();
  auto as_of = std::make_shared<std::string>();
  command->add_option("id", *id, "<system>/<package id>[/<vendor id>]")->required();
  command->add_option("--as-of", *as_of, "a cut, an instant, a date or checkpoint:<partition>/<size>");
  command->footer(
      "Examples:\n"
      "  bukubesar purchase e-katalog-5/8812345\n"
      "  bukubesar purchase e-katalog-5/8812345 --as-of 2023-06-30 --format json");
  command->callback([&context, id, as_of] { purchase(context, *id, *as_of); });
}

void add_status_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("status", "where a running server stands: partitions, sources, warnings");
  command->footer(
      "Examples:\n"
      "  bukubesar status\n"
      "  bukubesar --url http://127.0.0.1:8081 status --format json");
  command->callback([&context] { status(context); });
}

}  // namespace bukubesar
