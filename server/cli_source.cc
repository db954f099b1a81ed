// bukubesar source change: the definition's line with which a partition goes on from another source.
#include <fmt/format.h>

#include <memory>

#include "base/bytes.h"
#include "base/status.h"
#include "consumers/intake.h"
#include "ledger/ledger.h"
#include "server/cli.h"
#include "server/data_lock.h"
#include "server/node.h"

namespace bukubesar {

namespace {

struct ChangeFlags {
  std::string partition, topic, cluster, reason, decided_by;
  std::int32_t kafka_partition = -1;
  std::int64_t first_offset = -1;
  bool transactional = false, append = false;
};

// Where the partition stands on this node: what the new source continues from.
absl::StatusOr<PartitionHead> head_of(const Config& config, const Definition& definition, PartitionId partition) {
  LedgerOptions options;
  options.directory = ledger_directory(config);
  options.read_only = true;
  options.with_ids = false;
  ASSIGN_OR_RETURN(const auto ledger, Ledger::open(std::move(options), definition));
  if (ledger->shorter_than_recorded())
    return failed_precondition("the ledger is shorter than was recorded outside it: it is no place to continue from");
  return ledger->head(partition);
}

absl::StatusOr<SourceStatement> new_source(const Config& config, const Definition& definition, const ChangeFlags& flags) {
  const auto partition = PartitionId::parse(flags.partition);
  const SourceStatement* const newest = partition ? definition.source_of(*partition) : nullptr;
  if (newest == nullptr) return invalid_argument("--partition: '{}' is no partition of ledger {}", flags.partition, definition.name);
  if (newest->cluster == kEmbeddedCluster && config.broker.kind == BrokerKind::embedded)
    return failed_precondition("the embedded broker's source statements are made by `serve` itself");
  ASSIGN_OR_RETURN(const PartitionHead head, head_of(config, definition, *partition));
  if (head.epoch < newest->epoch)
    return failed_precondition("partition {}: the definition has epoch {} already, this node's ledger is at epoch {}: start it first",
                               flags.partition, newest->epoch.value(), head.epoch.value());
  SourceStatement statement = *newest;
  statement.line.clear();
  statement.epoch = newest->epoch + 1;
  statement.size = head.size;
  statement.root = std::string(as_view(head.root));
  if (!flags.topic.empty()) statement.topic = flags.topic;
  if (flags.kafka_partition >= 0) statement.kafka_partition = flags.kafka_partition;
  statement.transactional = statement.transactional || flags.transactional;
  statement.cluster = flags.cluster;
  if (statement.cluster.empty()) {
    ASSIGN_OR_RETURN(statement.cluster, cluster_id(config));
  }
  statement.first_offset = Offset(flags.first_offset);
  if (flags.first_offset < 0) {
    ASSIGN_OR_RETURN(statement.first_offset, first_offset_of(config, statement.topic, statement.kafka_partition));
  }
  statement.reason = flags.reason;
  statement.decided_by = flags.decided_by;
  return statement;
}

absl::Status change(CliContext& context, const ChangeFlags& flags) {
  ASSIGN_OR_RETURN(const Config config, context.config());
  ASSIGN_OR_RETURN(DefinitionFile file, DefinitionFile::load(definition_path(config)));
  ASSIGN_OR_RETURN(const SourceStatement statement, new_source(config, file.definition(), flags));
  const std::string line = to_line(statement);
  RETURN_IF_ERROR(file.with(line).status());
  fmt::print("{}\n", line);
  ASSIGN_OR_RETURN(const auto owner, DataLock::owner(config.data_dir));
  if (flags.append) {
    if (owner) return failed_precondition("{} is in use by process {}: stop it, then append", config.data_dir, *owner);
    RETURN_IF_ERROR(file.append(line));
    fmt::print(stderr, "bukubesar: appended to {}; append the same line on every other node, then start them\n", file.path());
  } else {
    fmt::print(stderr, "bukubesar: append this line to {} and to that of every other node, then start them{}\n", file.path(),
               owner ? "; if this node's intake still runs it may go further: ask again once it has stopped" : "");
  }
  return absl::OkStatus();
}

}  // namespace

void add_source_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("source", "where a partition's records come from");
  command->require_subcommand(1);
  command->fallthrough();
  command->footer("Examples:\n  bukubesar source change --partition 0 --reason \"topic made again\" --decided-by \"Diskominfo Tabalong\"");
  CLI::App* change_command = command->add_subcommand("change", "print the definition's line for a new source, from this node's own head");
  const auto flags = std::make_shared<ChangeFlags>();
  change_command->add_option("--partition", flags->partition, "0, 1, …, reference")->required();
  change_command->add_option("--reason", flags->reason, "why: it stands in the record for good")->required();
  change_command->add_option("--decided-by", flags->decided_by, "who decided: an office")->required();
  change_command->add_option("--topic", flags->topic, "default: as before");
  change_command->add_option("--kafka-partition", flags->kafka_partition, "default: as before");
  change_command->add_option("--cluster", flags->cluster, "id of the Kafka cluster; default: asked of the configured broker");
  change_command->add_option("--first-offset", flags->first_offset, "where to begin; default: the first that the broker has");
  change_command->add_flag("--transactional", flags->transactional, "the topic is written in transactions");
  change_command->add_flag("--append", flags->append, "append it to this node's definition, which must not be running");
  command->footer(
      "A topic that was made again or truncated, records that retention took away, a cluster that moved: where the anchor is not found the "
      "intake\n"
      "stops, and somebody has to decide how to go on. The decision is a line of the definition, appended on every node, and becomes an "
      "entry "
      "of\n"
      "its own: size and root that it continues from, first offset, reason, who decided.\n\n"
      "Examples:\n"
      "  bukubesar source change --partition 0 --reason \"topic made again after the disk failed\" --decided-by \"Diskominfo Tabalong\"\n"
      "  bukubesar source change --partition 0 --topic purchases.v2 --first-offset 0 --reason \"moved\" --decided-by \"Diskominfo\" "
      "--append");
  change_command->callback([&context, flags] {
    if (const absl::Status done = change(context, *flags); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
