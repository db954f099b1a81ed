#include "adapters/realisation_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/line_counter.h"
#include "base/status.h"

namespace bukubesar {

namespace {

class RowReader : public nlohmann::json::json_sax_t {
 public:
  RowReader(std::vector<SourceRow>& rows, const std::uint64_t& line) : rows_(rows), line_(line) {}

  bool null() override { return put({Cell::Kind::null, ""}, "null"); }
  bool boolean(bool value) override { return put({Cell::Kind::boolean, value ? "true" : "false"}, "a boolean"); }
  bool number_integer(number_integer_t value) override { return put({Cell::Kind::number, fmt::format("{}", value)}, "a number"); }
  bool number_unsigned(number_unsigned_t value) override { return put({Cell::Kind::number, fmt::format("{}", value)}, "a number"); }
  bool number_float(number_float_t, const string_t& literal) override { return put({Cell::Kind::number, literal}, "a number"); }
  bool string(string_t& value) override { return put({Cell::Kind::text, std::move(value)}, "a text"); }
  bool binary(binary_t&) override { return refuse("bytes are no JSON"); }

  bool start_object(std::size_t) override {
    if (depth_ == 0) return refuse("want an array of rows, got an object");
    if (depth_ == 1) {
      rows_.emplace_back();
      rows_.back().line = line_;
    } else {
      put({Cell::Kind::nested, ""}, "");
    }
    ++depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ > 0) put({Cell::Kind::nested, ""}, "an array");
    ++depth_;
    return true;
  }
  bool end_object() override { return --depth_ >= 0; }
  bool end_array() override { return --depth_ >= 0; }
  bool key(string_t& name) override {
    if (depth_ != 2) return true;
    SourceRow& row = rows_.back();
    if (row.cell(name).kind != Cell::Kind::absent) row.doubled = name;
    name_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override {
    return refuse(fmt::format("not JSON: {}", error.what()));
  }

  std::string why;

 private:
  // what: it is, where a row should stand.
  bool put(Cell cell, std::string_view what) {
    if (depth_ == 0) return refuse("want an array of rows");
    if (depth_ == 1) {
      rows_.emplace_back();
      rows_.back().line = line_;
      rows_.back().instead = what;
    } else if (depth_ == 2 && rows_.back().instead.empty()) {
      rows_.back().cells.emplace_back(name_, std::move(cell));
    }
    return true;
  }
  bool refuse(std::string text) {
    if (why.empty()) why = std::move(text);
    return false;
  }

  std::vector<SourceRow>& rows_;
  const std::uint64_t& line_;
  int depth_ = 0;
  std::string name_;
};

}  // namespace

const Cell& SourceRow::cell(std::string_view name) const {
  static const Cell kAbsent;
  for (const auto& [key, value] : cells)
    if (key == name) return value;
  return kAbsent;
}

absl::StatusOr<std::vector<SourceRow>> parse_rows(std::string_view text, const std::string& file_name) {
  std::vector<SourceRow> rows;
  std::uint64_t line = 1;
  // For nlohmann/json a NUL is the end, and the rows behind it would be lost without a word.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    return invalid_argument("{}:{}: holds a NUL byte, which no JSON text does", file_name,
                            1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n'));
  RowReader reader(rows, line);
  const bool read = nlohmann::json::sax_parse(LineCounter(text.data(), &line), LineCounter(text.data() + text.size(), &line), &reader);
  if (!read) return invalid_argument("{}:{}: {}", file_name, line, reader.why);
  return rows;
}

}  // namespace bukubesar
