#include "server/cli.h"

#include <fmt/format.h>

#include "base/status.h"
#include "server/problem.h"

extern char** environ;  // NOLINT: POSIX's name

namespace bukubesar {

absl::StatusOr<Config> CliContext::config() const {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return load_config(config_file, environment, flags);
}

void CliContext::fail(const absl::Status& status) {
  fmt::print(stderr, "bukubesar: {}\n", message_of(status));
  exit_code = exit_code_of(status.code());
}

}  // namespace bukubesar
