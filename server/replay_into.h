// A prefix of a running server's ledger once more, into a fresh directory: every record is judged, hashed and folded again, and root,
// views and findings are compared with what the server says as of that cut.
//
// Errors  FailedPrecondition: the directory is not empty. OutOfRange: the cut lies beyond the end. As HttpClient.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/cli.h"

namespace bukubesar {

// as_of: what to replay, as totals have it; empty: all that has been read. Prints a report; exit code 1 where something is not the same.
[[nodiscard]] absl::Status replay_into(CliContext& context, const std::string& directory, const std::string& as_of);

}  // namespace bukubesar
