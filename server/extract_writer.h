// ExtractWriter: rows of an extract as CSV, semicolon CSV or NDJSON, cell by cell, straight into the answer.
//
// CSV is RFC 4180. `csv_semicolon` is what Excel opens by double click where the decimal mark is a comma (Indonesia): UTF-8 with a byte
// order mark, ';' between fields, ',' in amounts. NDJSON: one object a line; amounts are decimal strings, unknown is null.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/money.h"
#include "base/region_key.h"

namespace bukubesar {

enum class ExtractFormat : std::uint8_t { json, csv, csv_semicolon, ndjson, xlsx };
inline constexpr std::string_view kExtractFormats = "json, csv, csv_semicolon, ndjson, xlsx";
[[nodiscard]] std::optional<ExtractFormat> parse_extract_format(std::string_view name);
[[nodiscard]] std::string_view content_type_of(ExtractFormat format);

class ExtractWriter {
 public:
  virtual ~ExtractWriter() = default;
  // Once, before the rows.
  virtual void head(std::string& to) = 0;
  // A row is begun by its first cell and ended by end_row(); it has as many cells as there are columns.
  virtual void text(std::string_view value, std::string& to) = 0;
  virtual void integer(std::int64_t value, std::string& to) = 0;
  virtual void amount(MoneySum sen, std::string& to) = 0;
  // Hundredths of a percent.
  virtual void percent(std::int64_t hundredths, std::string& to) = 0;
  virtual void boolean(bool value, std::string& to) = 0;
  virtual void null(std::string& to) = 0;
  virtual void end_row(std::string& to) = 0;

  // Empty is unknown.
  void text_or_null(std::string_view value, std::string& to) { value.empty() ? null(to) : text(value, to); }
  void region_and_key(std::string_view region, std::string& to) {
    text_or_null(region, to);
    const auto key = region_key(region);
    key ? integer(*key, to) : null(to);
  }
};

// csv, csv_semicolon or ndjson.
[[nodiscard]] std::unique_ptr<ExtractWriter> make_extract_writer(ExtractFormat format, std::vector<std::string> columns);

}  // namespace bukubesar
