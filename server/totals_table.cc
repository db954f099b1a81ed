#include "server/totals_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/ask.h"
#include "server/table.h"

namespace bukubesar {

namespace {

std::vector<std::string> measure_cells(const Json& row) {
  std::vector<std::string> cells;
  for (const char* name : {"packages", "vendors"}) cells.push_back(for_people(row.value(name, std::uint64_t{0})));
  for (const char* name : {"committed", "strict", "broad", "stage_unknown", "paid"})
    cells.push_back(row.contains(name) && row[name].is_string() ? for_people(row[name].get<std::string>()) : "-");
  return cells;
}

}  // namespace

void print_totals(const Json& json) {
  Table table;
  std::vector<std::string> by;
  const bool shares = json.contains("share_of");
  for (const auto& name : json["by"]) by.push_back(name.get<std::string>());
  for (const std::string& name : by) table.column(name);
  if (by.empty()) table.column("");
  for (const char* name : {"packages", "vendors", "committed (Rp)", "strict (Rp)", "broad (Rp)", "stage unknown (Rp)", "paid (Rp)"})
    table.column(name, true);
  if (shares) table.column("share of broad (%)", true);
  const auto add = [&table, shares](std::vector<std::string> key, const Json& measures) {
    for (std::string& cell : measure_cells(measures)) key.push_back(std::move(cell));
    if (shares) key.push_back(measures.contains("share") ? cell_of(measures["share"]["broad"]) : "");
    table.row(std::move(key));
  };
  if (!by.empty()) {
    for (const Json& row : json["rows"]) {
      std::vector<std::string> key;
      for (const std::string& name : by) key.push_back(cell_of(row[name]));
      add(std::move(key), row);
    }
    table.rule();
  }
  std::vector<std::string> key(std::max<std::size_t>(by.size(), 1));
  key[0] = "total";
  add(key, json["total"]);
  for (const auto& [dimension, measures] : json["unknown"].items()) {
    key[0] = "unknown " + dimension;
    add(key, measures);
  }
  print(table.text());
  fmt::print("\nstrict: {}; broad: {}; scale {}\n", json["realised"].value("strict", ""), json["realised"].value("broad", ""),
             json.value("scale_basis", ""));
  if (json.contains("final") && !json["final"].get<bool>())
    fmt::print("not final: some partition has not passed {}\n", json.value("as_of", ""));
  print_notes(json);
}

}  // namespace bukubesar
