// The one status vocabulary: absl::Status across module boundaries, messages that name the object and the values.
//
// Which code when (server/ maps them once, to HTTP and to exit codes):
//   InvalidArgument     what the caller gave is wrong, and would be wrong at any time         400
//   NotFound            a well-formed name of something that does not exist                   404
//   FailedPrecondition  right in itself, refused in this state (no key, intake stopped)       409
//   OutOfRange          a position beyond the end (a cut beyond the ledger)                   416
//   ResourceExhausted   a named maximum is reached; try again later                           429
//   DataLoss            stored bytes are not what was written                                 500
//   Unavailable         broker or disk did not answer; the outcome may be unknown             503
//   DeadlineExceeded    a wait ran out: 504; Cancelled: who asked is gone: 499; Unauthenticated, PermissionDenied: no token, no role: 401,
//   403
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace bukubesar {

#define BUKUBESAR_STATUS_MAKER(function, Code)                                              \
  template <class... Args>                                                                  \
  [[nodiscard]] absl::Status function(fmt::format_string<Args...> format, Args&&... args) { \
    return absl::Code##Error(fmt::format(format, std::forward<Args>(args)...));             \
  }
BUKUBESAR_STATUS_MAKER(invalid_argument, InvalidArgument)
BUKUBESAR_STATUS_MAKER(not_found, NotFound)
BUKUBESAR_STATUS_MAKER(failed_precondition, FailedPrecondition)
BUKUBESAR_STATUS_MAKER(out_of_range, OutOfRange)
BUKUBESAR_STATUS_MAKER(resource_exhausted, ResourceExhausted)
BUKUBESAR_STATUS_MAKER(data_loss, DataLoss)
BUKUBESAR_STATUS_MAKER(unavailable, Unavailable)
BUKUBESAR_STATUS_MAKER(deadline_exceeded, DeadlineExceeded)
#undef BUKUBESAR_STATUS_MAKER

// The message as std::string (absl::string_view is its own type in Debian's build).
inline std::string message_of(const absl::Status& status) { return std::string(status.message().data(), status.message().size()); }
// The same code, with "context: " before the message.
absl::Status with_context(const absl::Status& status, std::string_view context);

}  // namespace bukubesar

#define BUKUBESAR_CONCAT_INNER(a, b) a##b
#define BUKUBESAR_CONCAT(a, b) BUKUBESAR_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) ASSIGN_OR_RETURN_INNER(BUKUBESAR_CONCAT(status_or_, __LINE__), declaration, expression)
#define ASSIGN_OR_RETURN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                   \
  if (!temporary.ok()) return std::move(temporary).status();       \
  declaration = std::move(temporary).value()
