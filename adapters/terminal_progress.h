// TerminalProgress: a bar on standard error, where that is a terminal; nothing where it is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace bukubesar {

class TerminalProgress {
 public:
  TerminalProgress();
  ~TerminalProgress();  // clears the line
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;
  // "reading L8.json [#########           ] 45 %", at most ten times a second; without a bar where total is 0.
  void show(std::string_view what, std::uint64_t done, std::uint64_t total);
  // Any text, on one line; `force` shows it whatever was shown just before.
  void line(std::string_view text, bool force = false);
  [[nodiscard]] bool is_terminal() const { return is_terminal_; }

 private:
  bool is_terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace bukubesar
