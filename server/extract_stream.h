// What long answers share: they are made on the pool while they are sent, and only so many at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cut.h"
#include "server/extract_writer.h"
#include "server/http_types.h"

namespace bukubesar {

// Of the process. Each holds what it is made from for as long as its client takes: all rows of a table, or a decoded segment of 65,536
// rows, about 8 MiB.
inline constexpr int kExtractsMax = 16;

// Writes some rows; false: that were the last ones.
using ExtractStep = std::function<absl::StatusOr<bool>(ExtractWriter& writer, std::string& to)>;
struct Extract {
  ExtractFormat format = ExtractFormat::csv;  // not json
  Cut cut;
  std::vector<std::string> columns;
  ExtractStep step;
};
// Lines are made while they are sent: an error then cuts the answer off and is logged. A workbook is made whole before. ResourceExhausted:
// kExtractsMax are under way.
[[nodiscard]] absl::StatusOr<ServerResponse> extract_response(Extract extract);

}  // namespace bukubesar
