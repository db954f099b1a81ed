#include "server/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "events/json.h"

namespace bukubesar {

namespace {

constexpr std::size_t kRuleWidthMax = 160;

// Characters, as far as a terminal cares: UTF-8 continuation bytes take no place.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

// What others wrote, or damage left, must not reach a terminal as it is.
std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view sound = text.substr(0, find_non_utf8(text));
    for (const char c : sound) out.push_back(static_cast<unsigned char>(c) < ' ' || c == 0x7F ? '?' : c);
    text.remove_prefix(sound.size());
    if (text.empty()) break;
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    text.remove_prefix(1);
  }
  return out;
}

Table& Table::column(std::string title, bool right) {
  columns_.push_back({std::move(title), right});
  return *this;
}

void Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::rule() { rows_.emplace_back(); }

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    for (const auto& cells : rows_)
      if (!cells.empty()) width = std::max(width, width_of(cells[i]));
    widths.push_back(width);
  }
  std::string out;
  const auto add_line = [&](const auto& cell_at) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string cell = cell_at(i);
      const std::string blanks(widths[i] - width_of(cell), ' ');
      line += (i > 0 ? "  " : "") + (columns_[i].right ? blanks + cell : cell + blanks);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  std::size_t total = 0;
  for (std::size_t width : widths) total += width + 2;
  // One long cell must not draw a line over many rows of the terminal.
  const std::string rule(std::min<std::size_t>(total < 2 ? 0 : total - 2, kRuleWidthMax), '-');
  add_line([&](std::size_t i) { return columns_[i].title; });
  out += rule + "\n";
  for (const auto& cells : rows_) {
    if (cells.empty())
      out += rule + "\n";
    else
      add_line([&](std::size_t i) { return cells[i]; });
  }
  return out;
}

std::string Table::csv() const {
  std::string out;
  for (std::size_t i = 0; i < columns_.size(); ++i) out += (i > 0 ? "," : "") + csv_field(columns_[i].title);
  out += "\r\n";
  for (const auto& cells : rows_) {
    if (cells.empty()) continue;
    for (std::size_t i = 0; i < cells.size(); ++i) out += (i > 0 ? "," : "") + csv_field(cells[i]);
    out += "\r\n";
  }
  return out;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

namespace {

void add_measures(Table& table, const std::string& prefix, const Json& report) {
  for (const auto& [name, value] : report.items()) {
    if (value.is_object())
      add_measures(table, prefix + name + ".", value);
    else
      table.row({prefix + name, value.is_array() ? std::to_string(value.size()) : cell_of(value)});
  }
}

}  // namespace

std::string measures_csv(const Json& report) {
  Table table;
  table.column("measure").column("value");
  add_measures(table, "", report);
  return table.csv();
}

std::string for_people(std::string_view decimal) {
  const bool negative = !decimal.empty() && decimal.front() == '-';
  if (negative) decimal.remove_prefix(1);
  const std::size_t point = decimal.find('.');
  const std::string_view whole = decimal.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? std::string_view() : decimal.substr(point + 1);
  std::string out = negative ? "-" : "";
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (i > 0 && (whole.size() - i) % 3 == 0) out.push_back('.');
    out.push_back(whole[i]);
  }
  if (fraction.find_first_not_of('0') != std::string_view::npos) out += "," + std::string(fraction);
  return out;
}

std::string for_people(std::uint64_t count) { return for_people(std::to_string(count)); }

std::string cell_of(const Json& json) {
  if (json.is_null()) return "-";
  if (json.is_string()) return json.get<std::string>();
  return to_text(json);
}

}  // namespace bukubesar
