// Table: aligned columns for people. Widths count characters, not bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/cli.h"
#include "server/json.h"

namespace bukubesar {

class Table {
 public:
  // right: columns of figures.
  Table& column(std::string title, bool right = false);
  void row(std::vector<std::string> cells);
  // Rows after it are set off by a line: totals.
  void rule();
  [[nodiscard]] std::string text() const;
  // RFC 4180, without rules.
  [[nodiscard]] std::string csv() const;

 private:
  struct Column {
    std::string title;
    bool right;
  };
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty one is a rule
};

[[nodiscard]] std::string csv_field(std::string_view text);
// Figures of one report as "measure,value" rows: a list is how many it has, members of an object "object.member".
[[nodiscard]] std::string measures_csv(const Json& report);
// For a terminal: control characters are '?', bytes that are no UTF-8 "\\xNN".
[[nodiscard]] std::string printable(std::string_view text);
// "1200000000000.00" → "1.200.000.000.000", "-0.05" → "-0,05": thousands as Indonesians write them, sen where there are any.
[[nodiscard]] std::string for_people(std::string_view decimal);
[[nodiscard]] std::string for_people(std::uint64_t count);
// A JSON scalar as a cell: null is "-".
[[nodiscard]] std::string cell_of(const Json& json);

}  // namespace bukubesar
