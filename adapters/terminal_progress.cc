#include "adapters/terminal_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace bukubesar {

namespace {
constexpr std::uint64_t kBarWidth = 30;
constexpr auto kBetween = std::chrono::milliseconds(100);
}  // namespace

TerminalProgress::TerminalProgress() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

TerminalProgress::~TerminalProgress() {
  if (shown_) fmt::print(stderr, "\r\033[K");
}

void TerminalProgress::line(std::string_view text, bool force) {
  if (!is_terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (!force && shown_ && now - last_ < kBetween) return;
  last_ = now;
  shown_ = true;
  fmt::print(stderr, "\r\033[K{}", text);
  std::fflush(stderr);
}

void TerminalProgress::show(std::string_view what, std::uint64_t done, std::uint64_t total) {
  if (total == 0) return line(fmt::format("{} {}", what, done));
  const std::uint64_t filled = std::min(done, total) * kBarWidth / total;
  line(fmt::format("{} [{:<{}}] {} %", what, std::string(filled, '#'), kBarWidth, std::min(done, total) * 100 / total), done >= total);
}

}  // namespace bukubesar
