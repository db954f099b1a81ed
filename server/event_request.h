// What POST /v1/events takes: structured, batch and binary CloudEvents, as records whose values are the bytes that were sent.
//
// Whatever a single body holds becomes a record: structure decides the verdict, in the ledger. Only a batch has to be a JSON array, since
// otherwise nobody could say what its events are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "consumers/intake.h"
#include "server/http_types.h"

namespace bukubesar {

// http_status 415 or 400 where it is no request of ours.
struct EventRequest {
  std::vector<OutgoingRecord> records;
  unsigned refused = 0;  // HTTP status
  std::string why;
};
[[nodiscard]] EventRequest parse_event_request(const ServerRequest& request);

// The verbatim texts of the elements of a JSON array; InvalidArgument where the text is no valid JSON or no array.
[[nodiscard]] absl::StatusOr<std::vector<std::string_view>> split_json_array(std::string_view text);

}  // namespace bukubesar
