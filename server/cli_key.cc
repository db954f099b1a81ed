#include <fmt/format.h>

#include "base/status.h"
#include "ledger/signer.h"
#include "server/cli.h"
#include "server/json.h"
#include "server/node.h"
#include "server/table.h"

namespace bukubesar {

namespace {

// The origins of the definition, or of the one that the configuration would make.
absl::StatusOr<std::vector<std::string>> origins_of(const Config& config) {
  Definition definition;
  const auto file = DefinitionFile::load(definition_path(config));
  if (file.ok()) {
    definition = file->definition();
  } else if (file.status().code() == absl::StatusCode::kNotFound) {
    definition.name = config.ledger.name;
    definition.partitions = config.ledger.partitions;
  } else {
    return file.status();
  }
  std::vector<std::string> origins;
  for (PartitionId partition : definition.all_partitions()) origins.push_back(definition.origin(partition));
  origins.push_back(cut_note_origin(definition.name));
  return origins;
}

absl::Status show_keys(const CliContext& context, const Config& config) {
  ASSIGN_OR_RETURN(const SigningKeys keys, SigningKeys::load(key_path(config)));
  ASSIGN_OR_RETURN(const std::vector<std::string> origins, origins_of(config));
  Table table;
  table.column("origin").column("verifier key");
  Json json = Json::array();
  for (const std::string& origin : origins) {
    table.row({origin, keys.verifier_key(origin)});
    json.push_back({{"origin", origin}, {"verifier_key", keys.verifier_key(origin)}});
  }
  if (const std::string& witness = config.witness.name; !witness.empty()) {
    table.row({witness, keys.cosigner_key(witness)});
    json.push_back({{"witness", witness}, {"verifier_key", keys.cosigner_key(witness)}});
  }
  if (context.format == OutputFormat::json)
    fmt::print("{}\n", to_text(json));
  else
    fmt::print("{}", context.format == OutputFormat::csv ? table.csv() : table.text());
  return absl::OkStatus();
}

absl::Status new_key(const CliContext& context) {
  ASSIGN_OR_RETURN(const Config config, context.config());
  RETURN_IF_ERROR(make_directories(config.data_dir));
  RETURN_IF_ERROR(SigningKeys::create(key_path(config)));
  fmt::print(stderr, "bukubesar: made {}; keep a copy where the server is not, and keep it secret\n", key_path(config));
  return show_keys(context, config);
}

// An approver's key is a seed file of its own; the name in it is part of the key.
absl::Status approver_key(const std::string& path, const std::string& name, bool make) {
  if (make) {
    RETURN_IF_ERROR(SigningKeys::create(path));
    fmt::print(stderr, "bukubesar: made {}; it stays with the approver, and secret\n", path);
  }
  ASSIGN_OR_RETURN(const SigningKeys keys, SigningKeys::load(path));
  const std::string key = keys.verifier_key(name);
  RETURN_IF_ERROR(key_info(key).status());
  fmt::print("{}\n", key);
  return absl::OkStatus();
}

}  // namespace

void add_key_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("key", "the key that signs checkpoints");
  command->require_subcommand(1);
  command->fallthrough();
  command->footer(
      "Examples:\n"
      "  bukubesar key new      makes <data_dir>/signing.key, mode 0600; never overwrites one\n"
      "  bukubesar key show     the verifier key of each origin, for whoever checks\n"
      "  bukubesar --set witness.name=inspektorat.example/bukubesar key show     and of that witness, for signing.witnesses\n"
      "  bukubesar key approver ketua.key inspektorat.example/ketua --new     an approver's key, for signing.approvers");
  const auto file = std::make_shared<std::string>();
  const auto name = std::make_shared<std::string>();
  const auto make_new = std::make_shared<bool>(false);
  CLI::App* approver = command->add_subcommand("approver", "print the verifier key of one who signs corrections");
  approver->add_option("FILE", *file, "the approver's key file")->required();
  approver->add_option("NAME", *name, "of the approver, in the key: inspektorat.example/ketua")->required();
  approver->add_flag("--new", *make_new, "make the file, mode 0600; never overwrites one");
  approver->callback([&context, file, name, make_new] {
    if (const absl::Status done = approver_key(*file, *name, *make_new); !done.ok()) context.fail(done);
  });
  CLI::App* make = command->add_subcommand("new", "make a signing key");
  make->callback([&context] {
    if (const absl::Status done = new_key(context); !done.ok()) context.fail(done);
  });
  CLI::App* show = command->add_subcommand("show", "print the verifier keys");
  show->callback([&context] {
    const auto config = context.config();
    const absl::Status done = config.ok() ? show_keys(context, *config) : config.status();
    if (!done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
