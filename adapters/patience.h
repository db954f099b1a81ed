// Patience: runs something that follows a server for ever, again and again where what it needs does not answer, with doubling pauses.
//
// Threads  one; `stopping` may be set from any, and ends a pause.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/status.h"

namespace bukubesar {

class Patience {
 public:
  using Say = std::function<void(std::string_view)>;
  Patience(const std::atomic<bool>& stopping, Say say) : stopping_(stopping), say_(std::move(say)) {}

  void say(std::string_view text) const {
    if (say_) say_(text);
  }
  // It answered: the next pause is short again.
  void went_well() { failures_ = 0; }
  void wait(std::chrono::milliseconds time) const {
    const auto end = std::chrono::steady_clock::now() + time;
    while (!stopping_ && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::min(kStopCheck, time));
  }
  [[nodiscard]] bool stopping() const { return stopping_; }

  // Returns when `follow` ends well, or with an error that another attempt would not change.
  [[nodiscard]] absl::Status run(const std::function<absl::Status()>& follow) {
    while (true) {
      const absl::Status followed = follow();
      if (followed.ok() || !passes(followed)) return followed;
      const auto pause = std::min(kMost, kFirst * (1 << std::min(failures_++, 6)));
      say(fmt::format("{}; trying again in {} ms; nothing is lost meanwhile", message_of(followed), pause.count()));
      wait(pause);
      if (stopping_) return absl::OkStatus();
    }
  }

 private:
  static constexpr std::chrono::milliseconds kFirst{500}, kMost{30'000}, kStopCheck{50};
  static bool passes(const absl::Status& status) {
    return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
  }
  const std::atomic<bool>& stopping_;
  const Say say_;
  int failures_ = 0;
};

}  // namespace bukubesar
