// explain, diff: why a figure is what it is, and what changed between two reports.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/money.h"
#include "base/status.h"
#include "server/ask.h"
#include "server/cli_history.h"
#include "server/table.h"

namespace bukubesar {

namespace {

constexpr const char* kMoneyMeasures[] = {"committed", "strict", "broad", "stage_unknown", "paid"};

// "totals --by district row 63.09" → totals, --by, district, row, 63.09; quotes of either kind hold a blank.
absl::StatusOr<std::vector<std::string>> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool open = false;
  char quote = 0;
  for (const char c : text) {
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      open = false;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
      if (!open) words.emplace_back();
      open = true;
    } else if (quote != 0 && c == quote) {
      quote = 0;
    } else {
      if (!open) words.emplace_back();
      open = true;
      words.back() += c;
    }
  }
  if (quote != 0) return invalid_argument("the question '{}' has a quote that does not end", text);
  return words;
}

// The question as parameters: the words of a totals command, as they were typed, and `row` with the row's values.
absl::StatusOr<Parameters> parameters_of(std::string_view question) {
  ASSIGN_OR_RETURN(std::vector<std::string> words, words_of(question));
  std::size_t at = 0;
  for (const char* word : {"bukubesar", "totals"})
    if (at < words.size() && words[at] == word) ++at;
  if (at == 0 || words[at - 1] != "totals")
    return invalid_argument("explain: '{}': a question begins with totals, as in 'totals --by district --region 63 row 63.09'", question);
  Parameters to;
  while (at < words.size()) {
    std::string name = words[at++];
    const bool is_flag = name.substr(0, 2) == "--";
    if (is_flag) name = name.substr(2);
    const std::size_t equals = name.find('=');
    std::string value;
    if (equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if ((is_flag || name == "row") && at < words.size()) {
      value = words[at++];
    } else {
      return invalid_argument("explain: '{}' has no value; write --{} VALUE, or row VALUE,VALUE", name, name);
    }
    std::replace(name.begin(), name.end(), '-', '_');
    to.emplace_back(name, value);
  }
  return to;
}

std::string adds_cell(const Json& adds, const std::string& measure) {
  const Json& value = adds.contains(measure) ? adds[measure] : adds["committed"];
  return value.is_string() ? for_people(value.get<std::string>()) : cell_of(value);
}

struct Sums {
  std::map<std::string, MoneySum> money;
  std::int64_t packages = 0;
  std::map<std::string, int> vendors;
  std::uint64_t purchases = 0, transfers = 0;
};

void add(Sums& sums, const Json& page) {
  for (const Json& purchase : page["purchases"]) {
    ++sums.purchases;
    for (const char* name : kMoneyMeasures)
      if (purchase["adds"][name].is_string()) sums.money[name] += parse_rupiah(purchase["adds"][name].get<std::string>()).money.sen;
    sums.packages += purchase["adds"]["packages"].get<std::int64_t>();
    for (const Json& vendor : purchase["vendors"]) ++sums.vendors[vendor.get<std::string>()];
    for (const Json& event : purchase["events"]) sums.transfers += event["transfers"].size();
  }
}

// What does not come to the figure; empty: all of it does. Measures that pages leave out (--measure) are not compared.
std::string difference_of(const Sums& sums, const Json& figure, const std::string& measure) {
  std::string text;
  const auto differs = [&](std::string_view name, const std::string& sum, const std::string& wanted) {
    if (sum != wanted) text += fmt::format("{}{}: the transfers come to {}, the figure is {}", text.empty() ? "" : "; ", name, sum, wanted);
  };
  for (const char* name : kMoneyMeasures) {
    if (!figure[name].is_string() || (!measure.empty() && measure != name)) continue;
    const auto found = sums.money.find(name);
    differs(name, format_rupiah(found == sums.money.end() ? 0 : found->second), figure[name].get<std::string>());
  }
  if (measure.empty() || measure == "packages") differs("packages", std::to_string(sums.packages), figure["packages"].dump());
  if (measure == "vendors") differs("vendors", std::to_string(sums.vendors.size()), figure["vendors"].dump());
  return text;
}

void add_rows(Table& table, const Json& page, const std::string& measure, bool csv) {
  for (const Json& purchase : page["purchases"]) {
    std::string id = purchase["id"].get<std::string>();
    for (const Json& event : purchase["events"]) {
      std::string entry = fmt::format("{}/{}", purchase["partition"].get<std::string>(), event["sequence"].dump());
      std::string type = cell_of(event["type"]), time = cell_of(event["time"]);
      for (const Json& t : event["transfers"]) {
        if (csv) {
          std::vector<std::string> cells{
              id, entry, type, raw_cell(event["time"]), cell_of(t["from"]), cell_of(t["to"]), cell_of(t["amount"])};
          cells.push_back(t["adds"]["packages"].dump());
          for (const char* name : kMoneyMeasures) cells.push_back(raw_cell(t["adds"][name]));
          cells.push_back(cell_of(event["proof"]));
          table.row(std::move(cells));
          continue;
        }
        table.row({id, entry, type, time, cell_of(t["from"]), cell_of(t["to"]), for_people(t["amount"].get<std::string>()),
                   adds_cell(t["adds"], measure)});
        id.clear(), entry.clear(), type.clear(), time.clear();
      }
    }
    if (csv) continue;
    if (purchase.contains("facts"))
      for (const Json& fact : purchase["facts"]) table.row({"", "reference/" + fact["sequence"].dump(), "fact"});
    table.row({"", "", "", "", "", "", "adds", adds_cell(purchase["adds"], measure)});
  }
}

struct ExplainFlags {
  std::string question, measure, cursor, since, part;
  std::size_t limit = 20;
  bool all = false;
};

Table explain_table(bool csv, const std::string& measure) {
  Table table;
  table.column("purchase")
      .column("entry")
      .column("event")
      .column("time")
      .column("from")
      .column("to")
      .column(csv ? "amount" : "amount (Rp)", true);
  if (!csv) return std::move(table.column(measure.empty() ? "committed" : measure, true));
  table.column("packages");
  for (const char* name : kMoneyMeasures) table.column(name);
  return std::move(table.column("proof"));
}

void print_explained(const Json& first, const Sums& sums, const std::string& measure, const Json& next) {
  const Json& figure = first["figure"];
  std::string row;
  if (first["row"].is_object())
    for (const auto& [name, value] : first["row"].items()) row += fmt::format("{}{} {}", row.empty() ? "" : ", ", name, cell_of(value));
  fmt::print("\n{}", row.empty() ? "total" : row);
  if (figure.is_object()) {  // it stands on the first page
    fmt::print(": {} packages, {} vendors", for_people(figure["packages"].dump()), for_people(figure["vendors"].dump()));
    for (const char* name : kMoneyMeasures)
      if (figure[name].is_string()) fmt::print(", {} {}", name, for_people(figure[name].get<std::string>()));
  }
  fmt::print("\n{} purchases, {} transfers here", for_people(sums.purchases), for_people(sums.transfers));
  if (next.is_string())
    fmt::print("; more: --cursor '{}', or --all", next.get<std::string>());
  else if (figure.is_object() && difference_of(sums, figure, measure).empty())
    fmt::print(": they come to the figure exactly");
  fmt::print("\n");
  fmt::print("each entry's proof: bukubesar prove <entry>; a purchase's whole history: bukubesar purchase <purchase>\n");
  print_notes(first);
}

absl::Status explain(CliContext& context, const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(Parameters parameters, parameters_of(flags.question));
  const std::size_t limit = flags.all ? 1000 : flags.limit;
  for (const auto& [name, value] :
       Parameters{{"measure", flags.measure}, {"since", flags.since}, {"part", flags.part}, {"limit", std::to_string(limit)}})
    parameters.emplace_back(name, value);
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  const bool csv = context.format == OutputFormat::csv;
  Table table = explain_table(csv, flags.measure);
  Sums sums;
  Json first;
  std::string cursor = flags.cursor;
  for (;;) {
    Parameters page_parameters = parameters;
    page_parameters.emplace_back("cursor", cursor);
    ASSIGN_OR_RETURN(Json page, ask_json(client, target_of("/v1/explain", page_parameters)));
    add(sums, page);
    if (context.format == OutputFormat::json)
      print(to_text(page) + "\n");
    else
      add_rows(table, page, flags.measure, csv);
    const Json next = page["next_cursor"];
    if (first.is_null()) first = page;
    if (flags.all && next.is_string()) {
      cursor = next.get<std::string>();
      continue;
    }
    if (flags.all) {
      const std::string off = difference_of(sums, first["figure"], flags.measure);
      if (!off.empty()) {
        fmt::print(stderr, "bukubesar: {}\n", off);
        context.exit_code = 1;
      }
    }
    if (context.format == OutputFormat::json) return absl::OkStatus();
    print(csv ? table.csv() : table.text());
    if (!csv) print_explained(first, sums, flags.measure, next);
    return absl::OkStatus();
  }
}

// ---- diff

std::vector<std::string> measure_cells(const Json& measures, bool csv) {
  std::vector<std::string> cells;
  for (const char* name : {"packages", "vendors"}) cells.push_back(csv ? measures[name].dump() : cell_of(measures[name]));
  for (const char* name : kMoneyMeasures) {
    if (csv || !measures[name].is_string())
      cells.push_back(csv ? raw_cell(measures[name]) : "-");
    else
      cells.push_back(for_people(measures[name].get<std::string>()));
  }
  return cells;
}

void print_difference(const Json& json) {
  Table table;
  std::vector<std::string> by;
  for (const Json& name : json["by"]) by.push_back(name.get<std::string>());
  for (const std::string& name : by) table.column(name);
  table.column("").column("packages", true).column("vendors", true);
  for (const char* name : {"committed (Rp)", "strict (Rp)", "broad (Rp)", "stage unknown (Rp)", "paid (Rp)"}) table.column(name, true);
  const auto add_row = [&](std::vector<std::string> key, const Json& row) {
    const auto line = [&](const std::string& what, const Json& measures) {
      std::vector<std::string> cells = key;
      cells.push_back(what);
      for (std::string& cell : measure_cells(measures, false)) cells.push_back(std::move(cell));
      table.row(std::move(cells));
      for (std::string& value : key) value.clear();
    };
    line("before", row["before"]);
    for (const auto& [name, part] : row["parts"].items()) line("+ " + name, part);
    line("after", row["after"]);
  };
  for (const Json& row : json["rows"]) {
    std::vector<std::string> key;
    for (const std::string& name : by) key.push_back(cell_of(row[name]));
    add_row(std::move(key), row);
  }
  if (!by.empty()) table.rule();
  std::vector<std::string> key(by.size());
  if (!key.empty()) key[0] = "total";
  add_row(std::move(key), json["total"]);
  print(table.text());
  fmt::print("\nfrom cut {}\nto cut   {}\n", cut_text(json["from"]["cut"]), cut_text(json["to"]["cut"]));
  for (const char* side : {"from", "to"})
    if (json[side].contains("final") && !json[side]["final"].get<bool>())
      fmt::print("not final: some partition has not passed {}\n", cell_of(json[side]["as_of"]));
  if (!by.empty())
    fmt::print("{} rows changed; in the total, packages and vendors are counted once\n", for_people(std::uint64_t{json["rows"].size()}));
  fmt::print("down to entries: --explain PART\n");
  if (json.value("synthetic", false)) fmt::print("synthetic: this ledger holds events of the demo; its figures are made up\n");
}

struct DiffFlags {
  std::string from, to, explain, row;
};

// One part of the total, or of a row, down to its entries.
absl::Status explain_part(CliContext& context, const DiffFlags& flags, const Json& json) {
  const Json* row = &json["total"];
  if (!flags.row.empty()) {
    row = nullptr;
    for (const Json& one : json["rows"]) {
      std::string key;
      for (const Json& name : json["by"]) key += (key.empty() ? "" : ",") + cell_of(one[name.get<std::string>()]);
      if (key == flags.row) row = &one;
    }
    if (row == nullptr) return not_found("row '{}' is not among those that changed", flags.row);
  }
  const Json& parts = (*row)["parts"];
  if (!parts.contains(flags.explain)) {
    std::string names;
    for (const auto& [name, part] : parts.items()) names += (names.empty() ? "" : ", ") + name;
    return not_found("--explain {}: no such part here; there are {}", flags.explain, names.empty() ? "none" : names);
  }
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  const std::string target = parts[flags.explain]["explain"].get<std::string>() + "&limit=1000";
  const bool csv = context.format == OutputFormat::csv;
  Table table = explain_table(csv, "");
  Sums sums;
  Json first;
  for (std::string cursor;;) {
    ASSIGN_OR_RETURN(const Json page, ask_json(client, target + (cursor.empty() ? "" : "&cursor=" + percent_encode(cursor))));
    if (first.is_null()) first = page;
    add(sums, page);
    if (context.format == OutputFormat::json)
      print(to_text(page) + "\n");
    else
      add_rows(table, page, "", csv);
    if (!page["next_cursor"].is_string()) break;
    cursor = page["next_cursor"].get<std::string>();
  }
  if (context.format == OutputFormat::json) return absl::OkStatus();
  print(csv ? table.csv() : table.text());
  if (!csv) print_explained(first, sums, "", nullptr);
  return absl::OkStatus();
}

absl::Status diff(CliContext& context, const DiffFlags& flags, Parameters parameters) {
  parameters.emplace_back("from_as_of", flags.from);
  parameters.emplace_back("to_as_of", flags.to);
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  if (context.format == OutputFormat::csv && flags.explain.empty()) {
    parameters.emplace_back("format", "csv");
    ASSIGN_OR_RETURN(const std::string body, ask(client, target_of("/v1/difference", parameters)));
    print(body);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Json json, ask_json(client, target_of("/v1/difference", parameters)));
  if (!flags.explain.empty()) return explain_part(context, flags, json);
  context.format == OutputFormat::json ? print(to_text(json) + "\n") : print_difference(json);
  return absl::OkStatus();
}

}  // namespace

void add_explain_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("explain", "the transfers and entries that make up a figure of totals, purchase by purchase");
  auto flags = std::make_shared<ExplainFlags>();
  command->add_option("question", flags->question, "a totals command in quotes, with `row` and the row's values")->required();
  command->add_option("--measure", flags->measure,
                      "only purchases that add to it: packages, vendors, committed, strict, broad, stage_unknown or paid");
  command->add_option("--limit", flags->limit, "purchases on a page, at most 1000")->capture_default_str();
  auto* cursor = command->add_option("--cursor", flags->cursor, "where the last page ended");
  command->add_flag("--all", flags->all, "all pages; exit code 1 where they do not come to the figure")->excludes(cursor);
  command->add_option("--since", flags->since, "with --part: the earlier cut of a difference (`bukubesar diff` does this for you)");
  command->add_option("--part", flags->part, "with --since: the part of the difference");
  command->footer(
      "Without `row` it explains the total. Where a row has several values, they stand in the order of --by, with commas.\n\n"
      "Examples:\n"
      "  bukubesar explain 'totals --by district --region 63 row 63.09'\n"
      "  bukubesar explain 'totals --by region,scale --fiscal-year 2023 --as-of 2023-06-30 row 63.09,small' --measure strict\n"
      "  bukubesar explain 'totals --vendor v-1' --all --format csv > transfers.csv");
  command->callback([&context, flags] {
    if (const absl::Status done = explain(context, *flags); !done.ok()) context.fail(done);
  });
}

void add_diff_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("diff", "what changed between two reports, by how much, and through what");
  auto flags = std::make_shared<DiffFlags>();
  auto parameters = std::make_shared<Parameters>();
  command->add_option("from", flags->from, "the earlier one: a cut, an instant, a date (its end) or checkpoint:<partition>/<size>")
      ->required();
  command->add_option("to", flags->to, "the later one, likewise; without it: now");
  command->add_option("--explain", flags->explain, "one part, down to its entries")->type_name("PART");
  command->add_option("--row", flags->row, "with --explain: of this row, its values with commas; without it: of the total");
  std::vector<OptionHelp> options = totals_options();
  std::erase_if(options, [](const OptionHelp& option) { return option.name == "as_of"; });
  add_options(*command, options, parameters);
  command->footer(
      "The parts sum to the difference exactly: new_purchases, ordered_again, amendments, corrections, stage_moves, payments,\n"
      "cancellations, withdrawals, by the event that caused them; facts_in_force, reclassified_vendors, late_facts, where the same\n"
      "transfers moved to another row because of what is known of vendors, institutions and commodities.\n\n"
      "Examples:\n"
      "  bukubesar diff 2023-06-30 2023-07-31 --by district --region 63\n"
      "  bukubesar diff checkpoint:0/4096 --by umkm --fiscal-year 2023\n"
      "  bukubesar diff 2023-06-30 --by district --explain corrections --row 63.09");
  command->callback([&context, flags, parameters] {
    if (const absl::Status done = diff(context, *flags, *parameters); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
