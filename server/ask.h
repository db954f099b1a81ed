// Asking a running server from the command line: targets, answers, and the options that questions about totals share.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/http_client.h"
#include "adapters/json_answer.h"
#include "server/cli.h"
#include "server/json.h"

namespace bukubesar {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Parameters with an empty value are left out.
[[nodiscard]] std::string target_of(std::string path, const Parameters& parameters);

// A client that gives up after a few tries, since a person waits.
[[nodiscard]] absl::StatusOr<HttpClient> client_of(const CliContext& context);
[[nodiscard]] absl::StatusOr<std::string> ask(HttpClient& client, const std::string& target);
[[nodiscard]] absl::StatusOr<Json> ask_json(HttpClient& client, const std::string& target);

// For programs: as the server says it; what is not known is empty.
[[nodiscard]] std::string raw_cell(const Json& json);
// The cut, and whether the figures are the demo's.
void print_notes(const Json& json);
void print(std::string_view text);

struct OptionHelp {
  std::string name, help;  // name as the server has it, "as_of"
};
// Of a question about totals, `by` and every dimension included.
[[nodiscard]] std::vector<OptionHelp> totals_options();
// Adds each as a flag, "--as-of", that puts name and value into `to`.
void add_options(CLI::App& command, const std::vector<OptionHelp>& options, const std::shared_ptr<Parameters>& to);

}  // namespace bukubesar
