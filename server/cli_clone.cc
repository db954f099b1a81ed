#include <fmt/format.h>

#include <memory>

#include "adapters/terminal_progress.h"
#include "base/status.h"
#include "server/cli.h"
#include "server/clone.h"
#include "server/json.h"
#include "server/table.h"

namespace bukubesar {

namespace {

absl::Status clone(CliContext& context, const std::string& url, CloneOptions options) {
  context.url = url;
  ASSIGN_OR_RETURN(options.client, context.client());
  CloneDone done;
  {
    TerminalProgress bar;
    options.progress = [&bar](std::string_view what, std::uint64_t at, std::uint64_t total) { bar.show(what, at, total); };
    ASSIGN_OR_RETURN(done, clone_ledger(options));
  }
  if (context.format == OutputFormat::json) {
    const Json json = {{"ledger", done.ledger},     {"cut", to_json(done.cut)},    {"definition_sha256", done.definition_sha256},
                       {"entries", done.entries},   {"payloads", done.payloads},   {"erased", done.erased},
                       {"embedded", done.embedded}, {"data_dir", options.data_dir}};
    fmt::print("{}\n", to_text(json));
    return absl::OkStatus();
  }
  fmt::print("cloned ledger {} to {}: cut {}, under the signed heads; {} entries and {} payloads came now, {} payloads had been erased\n",
             done.ledger, options.data_dir, done.cut.text(), for_people(done.entries), for_people(done.payloads), for_people(done.erased));
  fmt::print("the definition is under no signature: compare SHA-256 {} with what its operator says\n", done.definition_sha256);
  if (done.embedded)
    fmt::print("its records come from an embedded broker: this copy can be read and verified; served, it becomes another history\n");
  else
    fmt::print("next: bukubesar --data {} verify, then serve with the same broker settings: it goes on from Kafka\n", options.data_dir);
  return absl::OkStatus();
}

}  // namespace

void add_clone_command(CLI::App& app, CliContext& context) {
  CLI::App* command =
      app.add_subcommand("clone", "make a data directory from a peer's log, where Kafka does not have the history any more");
  const auto url = std::make_shared<std::string>();
  const auto options = std::make_shared<CloneOptions>();
  command->add_option("URL", *url, "the peer: http://127.0.0.1:8080")->required();
  command->add_option("DIR", options->data_dir, "the data directory to make, or to go on with")->required();
  command->add_option("--vkey", options->verifier_keys, "verifier key of each partition's origin; repeatable")
      ->type_name("KEY")
      ->allow_extra_args(false)
      ->required();
  command->footer(
      "Every entry is checked against the peer's signed head, every payload against its entry, before it is stored; the first that does "
      "not "
      "fit\n"
      "is named, and ends it. Cut off, it goes on where it was. The token needs the roles read and audit. The signing key is not "
      "copied.\n\n"
      "Examples:\n"
      "  bukubesar clone http://127.0.0.1:8080 /srv/clone --vkey kalsel/0+5c1f00b2+AdKx… --vkey kalsel/reference+77aa10c4+AQ3f…\n"
      "  bukubesar --token-file audit.token --ca-file ca.pem clone https://ledger.example:8443 /srv/clone --vkey … --vkey …");
  command->callback([&context, url, options] {
    if (const absl::Status done = clone(context, *url, *options); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
