#include "server/extract_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "server/json.h"
#include "server/measures_json.h"
#include "server/table.h"

namespace bukubesar {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kFormulaBegins = "=+-@\t\r";

void append_number(std::int64_t value, std::string& to) {
  char digits[24];
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
  to.append(digits, end);
}

class CsvWriter final : public ExtractWriter {
 public:
  CsvWriter(std::vector<std::string> columns, bool semicolon) : columns_(std::move(columns)), semicolon_(semicolon) {}
  void head(std::string& to) override {
    if (semicolon_) to += kByteOrderMark;
    for (const std::string& column : columns_) text(column, to);
    end_row(to);
  }
  void text(std::string_view value, std::string& to) override {
    next(to);
    // What a spreadsheet would take for a formula: names are of others' making.
    if (semicolon_ && !value.empty() && kFormulaBegins.find(value[0]) != std::string_view::npos) return quote("'" + std::string(value), to);
    // By a loop: for a few bytes a search for each of the four costs more.
    const char between = semicolon_ ? ';' : ',';
    const bool plain =
        std::none_of(value.begin(), value.end(), [between](char c) { return c == between || c == '"' || c == '\r' || c == '\n'; });
    if (plain)
      to += value;
    else
      quote(value, to);
  }
  void integer(std::int64_t value, std::string& to) override {
    next(to);
    append_number(value, to);
  }
  void amount(MoneySum sen, std::string& to) override { decimal(format_rupiah(sen), to); }
  void percent(std::int64_t hundredths, std::string& to) override { decimal(format_rupiah(hundredths), to); }
  void boolean(bool value, std::string& to) override { text(value ? "true" : "false", to); }
  void null(std::string& to) override { next(to); }
  void end_row(std::string& to) override {
    to += "\r\n";
    at_ = 0;
  }

 private:
  void next(std::string& to) {
    if (at_++ > 0) to += semicolon_ ? ';' : ',';
  }
  void decimal(std::string text, std::string& to) {
    next(to);
    if (semicolon_) std::replace(text.begin(), text.end(), '.', ',');
    to += text;
  }
  static void quote(std::string_view value, std::string& to) {
    to += '"';
    for (const char c : value) {
      if (c == '"') to += '"';
      to += c;
    }
    to += '"';
  }
  const std::vector<std::string> columns_;
  const bool semicolon_;
  std::size_t at_ = 0;
};

class NdjsonWriter final : public ExtractWriter {
 public:
  explicit NdjsonWriter(const std::vector<std::string>& columns) {
    for (const std::string& column : columns) names_.push_back(fmt::format("{}\"{}\":", names_.empty() ? '{' : ',', column));
  }
  void head(std::string&) override {}
  void text(std::string_view value, std::string& to) override {
    next(to);
    append_json_text(to, value);
  }
  void integer(std::int64_t value, std::string& to) override {
    next(to);
    append_number(value, to);
  }
  void amount(MoneySum sen, std::string& to) override {
    next(to);
    to += '"';
    to += format_rupiah(sen);
    to += '"';
  }
  void percent(std::int64_t hundredths, std::string& to) override { amount(hundredths, to); }
  void boolean(bool value, std::string& to) override {
    next(to);
    to += value ? "true" : "false";
  }
  void null(std::string& to) override {
    next(to);
    to += "null";
  }
  void end_row(std::string& to) override {
    to += "}\n";
    at_ = 0;
  }

 private:
  void next(std::string& to) { to += names_[at_++]; }
  std::vector<std::string> names_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<ExtractFormat> parse_extract_format(std::string_view name) {
  if (name == "json") return ExtractFormat::json;
  if (name == "csv") return ExtractFormat::csv;
  if (name == "csv_semicolon") return ExtractFormat::csv_semicolon;
  if (name == "ndjson") return ExtractFormat::ndjson;
  if (name == "xlsx") return ExtractFormat::xlsx;
  return std::nullopt;
}

std::string_view content_type_of(ExtractFormat format) {
  switch (format) {
    case ExtractFormat::json:
      return "application/json";
    case ExtractFormat::csv:
    case ExtractFormat::csv_semicolon:
      return "text/csv; charset=utf-8; header=present";
    case ExtractFormat::ndjson:
      return "application/x-ndjson";
    case ExtractFormat::xlsx:
      return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  }
  return {};
}

std::unique_ptr<ExtractWriter> make_extract_writer(ExtractFormat format, std::vector<std::string> columns) {
  if (format == ExtractFormat::ndjson) return std::make_unique<NdjsonWriter>(columns);
  BB_CHECK(format == ExtractFormat::csv || format == ExtractFormat::csv_semicolon, "a format that is written line by line");
  return std::make_unique<CsvWriter>(std::move(columns), format == ExtractFormat::csv_semicolon);
}

}  // namespace bukubesar
