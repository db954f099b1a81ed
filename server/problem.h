// Problem: every error leaves as RFC 9457 problem details; absl::StatusCode maps to HTTP and to exit codes here and nowhere else.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "server/http_types.h"

namespace bukubesar {

// Nobody's standard, but the number that proxies use: nobody gets this answer, it shows in metrics.
inline constexpr unsigned kClientGone = 499;

// base/status.h has the table.
[[nodiscard]] unsigned http_status_of(absl::StatusCode code);
// server/cli.h has the table.
[[nodiscard]] int exit_code_of(absl::StatusCode code);
// "Not Found"
[[nodiscard]] std::string_view http_reason_phrase(unsigned status);

// {"type":"about:blank","title":"Not Found","status":404,"detail":…}; 429 and 503 carry Retry-After.
[[nodiscard]] ServerResponse problem(unsigned http_status, std::string_view detail);
[[nodiscard]] ServerResponse problem(const absl::Status& status);

}  // namespace bukubesar
