#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace bukubesar {

void check_failed(const char* condition, const char* file, int line, const char* why) {
  std::fprintf(stderr, "bukubesar: CHECK failed at %s:%d: %s (%s)\n", file, line, condition, why);
  std::abort();
}

}  // namespace bukubesar
