#include "server/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/status.h"
#include "server/problem.h"
#include "server/table.h"
#include "server/tokens.h"

extern char** environ;  // NOLINT: POSIX's name

namespace bukubesar {

absl::StatusOr<Config> CliContext::config() const {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return load_config(config_file, environment, flags);
}

absl::StatusOr<HttpClientOptions> CliContext::client() const {
  HttpClientOptions options;
  ASSIGN_OR_RETURN(options.url, server_url());
  options.ca_file = ca_file;
  const char* const token = std::getenv("BUKUBESAR_TOKEN");
  if (token_file.empty()) {
    options.token = token == nullptr ? "" : token;
    return options;
  }
  auto text = read_token_text(token_file);
  if (!text.ok()) return with_context(text.status(), "--token-file");
  options.token = *std::move(text);
  return options;
}

absl::StatusOr<std::string> CliContext::server_url() const {
  if (!url.empty()) return url;
  ASSIGN_OR_RETURN(const Config configured, config());
  const std::string& address = configured.http.address;
  const bool is_v6 = address.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", configured.http.tls_certificate_file.empty() ? "http" : "https", is_v6 ? "[" : "", address,
                     is_v6 ? "]" : "", configured.http.port);
}

void CliContext::fail(const absl::Status& status) {
  const std::string message = message_of(status);
  std::string text;
  for (std::size_t at = 0; at <= message.size();) {  // a configuration has a line for each mistake
    const std::size_t end = std::min(message.find('\n', at), message.size());
    text += (at == 0 ? "" : "\n") + printable(std::string_view(message).substr(at, end - at));
    at = end + 1;
  }
  fmt::print(stderr, "bukubesar: {}\n", text);
  exit_code = exit_code_of(status.code());
}

}  // namespace bukubesar
