// What the program logs while a test looks.
#pragma once

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bukubesar::testing_support {

// What is logged while it lives.
class Logged {
 public:
  Logged() { spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_)); }
  ~Logged() { spdlog::set_default_logger(before_); }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  [[nodiscard]] bool has(std::string_view text) const {
    const std::vector<std::string> lines = sink_->last_formatted();
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }

 private:
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  const std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> sink_ = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(64);
};

}  // namespace bukubesar::testing_support
