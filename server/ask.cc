#include "server/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/status.h"
#include "server/table.h"
#include "server/totals_request.h"

namespace bukubesar {

std::string target_of(std::string path, const Parameters& parameters) {
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    path += separator + name + "=" + percent_encode(value);
    separator = '&';
  }
  return path;
}

absl::StatusOr<HttpClient> client_of(const CliContext& context) {
  ASSIGN_OR_RETURN(HttpClientOptions options, context.client());
  options.attempts_max = 3;
  return HttpClient::make(options);
}

absl::StatusOr<std::string> ask(HttpClient& client, const std::string& target) {
  ASSIGN_OR_RETURN(HttpResponse response, client.get(target));
  RETURN_IF_ERROR(status_of(response));
  return std::move(response.body);
}

absl::StatusOr<Json> ask_json(HttpClient& client, const std::string& target) {
  ASSIGN_OR_RETURN(const std::string body, ask(client, target));
  Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return unavailable("{}: the answer is no JSON object", target);
  return json;
}

std::string raw_cell(const Json& json) { return json.is_null() ? std::string() : cell_of(json); }

void print_notes(const Json& json) {
  if (json.contains("cut")) fmt::print("cut {}\n", cut_text(json["cut"]));
  if (json.value("synthetic", false)) fmt::print("synthetic: this ledger holds events of the demo; its figures are made up\n");
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::vector<OptionHelp> totals_options() {
  std::vector<OptionHelp> options{{"by", "dimensions to group by, with commas"},
                                  {"as_of", "what was known: a cut, an instant, a date (its end) or checkpoint:<partition>/<size>"},
                                  {"from", "what happened from this date or instant on"},
                                  {"until", "what happened until this date (included) or instant (excluded)"},
                                  {"scale_basis", "at_order (default), stated or latest"},
                                  {"min_cut", "wait until this cut has been read"}};
  for (Dimension dimension : all_dimensions()) options.push_back({std::string(name_of(dimension)), "only these values, with commas"});
  return options;
}

void add_options(CLI::App& command, const std::vector<OptionHelp>& options, const std::shared_ptr<Parameters>& to) {
  for (const auto& [name, help] : options) {
    std::string flag = "--" + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    command.add_option_function<std::string>(
        flag, [to, name = name](const std::string& value) { to->emplace_back(name, value); }, help);
  }
}

}  // namespace bukubesar
