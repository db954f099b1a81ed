#include "server/cli.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/private_file.h"
#include "base/status.h"
#include "server/problem.h"

extern char** environ;  // NOLINT: POSIX's name

namespace bukubesar {

absl::StatusOr<Config> CliContext::config() const {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return load_config(config_file, environment, flags);
}

absl::StatusOr<HttpClientOptions> CliContext::client() const {
  HttpClientOptions options;
  options.url = url;
  options.ca_file = ca_file;
  const char* const token = std::getenv("BUKUBESAR_TOKEN");
  if (token_file.empty()) {
    options.token = token == nullptr ? "" : token;
    return options;
  }
  ASSIGN_OR_RETURN(options.token, read_private_file(token_file));
  while (!options.token.empty() && (options.token.back() == '\n' || options.token.back() == '\r')) options.token.pop_back();
  if (options.token.empty()) return invalid_argument("--token-file {}: is empty", token_file);
  return options;
}

void CliContext::fail(const absl::Status& status) {
  fmt::print(stderr, "bukubesar: {}\n", message_of(status));
  exit_code = exit_code_of(status.code());
}

}  // namespace bukubesar
