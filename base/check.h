// CHECK: for our own mistakes only, on in release too. Input, configuration and disk contents never trip one.
#pragma once

namespace bukubesar {
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const char* why);
}  // namespace bukubesar

// BB_CHECK(size <= limit, "I1: ...") aborts with the condition, the place and the reason.
#define BB_CHECK(condition, why)                                      \
  do {                                                                \
    if (!(condition)) [[unlikely]]                                    \
      ::bukubesar::check_failed(#condition, __FILE__, __LINE__, why); \
  } while (false)
