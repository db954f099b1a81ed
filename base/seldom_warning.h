// SeldomWarning: what may fail at every request stands in the log once in ten seconds at most. Whoever keeps the server has to know of a
// broken disk as well as those who asked, and must not have a log full of it.
//
// Threads  any.
#pragma once

#include <atomic>
#include <chrono>

#include "absl/status/status.h"

namespace bukubesar {

class SeldomWarning {
 public:
  // OK: nothing. Others that come within ten seconds are not said.
  void say(const absl::Status& status);

 private:
  std::atomic<std::chrono::steady_clock::time_point> next_{};
};

}  // namespace bukubesar
