#include "base/status.h"

namespace bukubesar {

absl::Status with_context(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), fmt::format("{}: {}", context, message_of(status)));
}

}  // namespace bukubesar
