// What long answers share: they are made on the pool while they are sent, and only so many at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cut.h"
#include "server/extract_writer.h"
#include "server/http_types.h"

namespace bukubesar {

// Each holds a decoded segment of 65,536 rows, about 8 MiB.
inline constexpr int kExtractsMax = 16;

// Places for long answers; given back when the last copy of the pointer goes.
class ExtractSlots {
 public:
  // ResourceExhausted: kExtractsMax are under way.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<void>> take();

 private:
  std::shared_ptr<std::atomic<int>> open_ = std::make_shared<std::atomic<int>>(0);
};

// Writes some rows; false: that were the last ones.
using ExtractStep = std::function<absl::StatusOr<bool>(ExtractWriter& writer, std::string& to)>;
struct Extract {
  ExtractFormat format = ExtractFormat::csv;  // not json
  Cut cut;
  std::vector<std::string> columns;
  std::shared_ptr<void> slot;  // of ExtractSlots
  ExtractStep step;
};
// Lines are made while they are sent: an error then cuts the answer off and is logged. A workbook is made whole before.
[[nodiscard]] absl::StatusOr<ServerResponse> extract_response(Extract extract);

}  // namespace bukubesar
