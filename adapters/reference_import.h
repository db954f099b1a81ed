// Facts from a file to the reference topic: JSON Lines, one fact a line, as config/reference/ has them:
//   {"table":"region","code":"63.09","valid_from":"2000-01","name":"Kab. Tabalong","parent":"63"}
// table: vendor, institution, commodity, region. The other members are the event's `data`, taken over as they are.
//
// Errors  InvalidArgument "FILE:LINE: …"; then nothing is sent. Event ids are a function of the line: sending a file again is harmless.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/event_builder.h"
#include "adapters/publisher.h"

namespace bukubesar {

// `source`: the feed that states the facts, "/feed/reference-seed".
[[nodiscard]] absl::StatusOr<std::vector<Outgoing>> reference_events(std::string_view text, const std::string& file_name,
                                                                     std::string_view source, EventIds& ids);

}  // namespace bukubesar
