// Rows of a realisation file (a JSON array of flat objects), each with the line on which it begins.
//
// Errors  InvalidArgument "FILE:LINE: …" where the file is no JSON array of objects: then nothing of it may be used, since what is
//         missing can't be told. A row with a doubled or nested member is still a row; the mapping refuses it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace bukubesar {

struct Cell {
  enum class Kind : std::uint8_t { absent, null, text, number, boolean, nested };
  Kind kind = Kind::absent;
  std::string text;  // of a number: as the source wrote it
};

struct SourceRow {
  std::uint64_t line = 0;  // 1-based, of its opening brace
  std::vector<std::pair<std::string, Cell>> cells;
  std::string doubled;                                          // a member that is there twice; empty: none
  std::string instead;                                          // what stands where an object should: "a number"; empty: it is one
  [[nodiscard]] const Cell& cell(std::string_view name) const;  // kind absent where the row has no such member
};

[[nodiscard]] absl::StatusOr<std::vector<SourceRow>> parse_rows(std::string_view text, const std::string& file_name);

}  // namespace bukubesar
