// Payload run: payloads of consecutive entries as one answer, for whoever copies a ledger.
//
//   run     = count × payload
//   payload = 01 u32(length) bytes                                   the payload
//           | 02                                                     too large: only its hash is kept
//           | 03 u64(redaction) 32×digest u32(length) substitute     erased, by that entry of the reference partition
//
// Source  docs/FORMAT.md, "Payload runs".
// Errors  InvalidArgument: the bytes are no run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/ledger.h"

namespace bukubesar {

inline constexpr std::size_t kPayloadRunEntriesMax = 256;
inline constexpr std::size_t kPayloadRunBytesMax = 8U << 20;  // a run ends with the payload that reaches this

struct RunPayload {
  std::optional<std::string_view> payload;     // into the run's bytes
  std::shared_ptr<const Redaction> redaction;  // where it was erased
};

[[nodiscard]] std::string encode_payload_run(const std::vector<StoredEntry>& entries);
[[nodiscard]] absl::StatusOr<std::vector<RunPayload>> decode_payload_run(std::string_view bytes);

}  // namespace bukubesar
