// How a broker is told who we are: the settings of `broker` as librdkafka's own, with the password of its file.
//
// Read again whenever a connection is made, so that a password can be changed while the node runs.
// Errors  NotFound, Unavailable: a file that cannot be read. FailedPrecondition: others may read it. InvalidArgument: it is empty.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "config/config.h"

namespace bukubesar {

// broker.properties, and over them what the other settings say. Holds the password: never to be shown.
[[nodiscard]] absl::StatusOr<std::map<std::string, std::string>> broker_properties(const BrokerConfig& config);
// The password alone; empty where none is configured.
[[nodiscard]] absl::StatusOr<std::string> broker_password(const BrokerConfig& config);

// For a broker's own words on a refusal: what to look at. Empty where they are about something else.
[[nodiscard]] std::string broker_advice(std::string_view words);

}  // namespace bukubesar
