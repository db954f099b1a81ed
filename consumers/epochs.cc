#include "consumers/epochs.h"

#include <spdlog/spdlog.h>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/sha256.h"
#include "base/status.h"
#include "events/payload.h"

namespace bukubesar {

namespace {

std::string root_text(const Hash256& root) { return base64(as_view(root)); }

// The statement's payload: null key, no headers, the line as value.
std::shared_ptr<const Commit> statement_commit(const SourceStatement& statement, const PartitionHead& head) {
  auto payload = std::make_shared<std::string>(encode_payload(std::nullopt, {}, statement.line));
  Entry entry;
  entry.kind = EntryKind::source_statement;
  entry.epoch = statement.epoch;
  entry.payload_size = static_cast<std::uint32_t>(payload->size());
  entry.payload_hash = sha256(*payload);
  PartitionBatch batch;
  batch.partition = statement.partition;
  batch.first = Sequence(head.size);
  batch.entries.push_back(entry);
  batch.payloads.push_back(*payload);
  batch.events.push_back(nullptr);
  batch.epoch = statement.epoch;
  batch.next_offset = statement.first_offset;
  batch.keep_alive.push_back(payload);
  auto commit = std::make_shared<Commit>();
  commit->parts.push_back(std::move(batch));
  return commit;
}

absl::Status check_continues(const SourceStatement& statement, const PartitionHead& head) {
  const std::string name = statement.partition.name();
  if (statement.size < head.size) {
    return failed_precondition(
        "partition {}: the definition's source statement of epoch {} continues from size {}, but the ledger has {} entries "
        "already: this node went on reading the old source; start it again from a peer or from an empty ledger",
        name, statement.epoch.value(), statement.size, head.size);
  }
  if (statement.root != as_view(head.root)) {
    return failed_precondition(
        "partition {}: the definition's source statement of epoch {} continues from root {} at size {}, the ledger's root is "
        "{}: the definition belongs to another ledger, or this one was changed",
        name, statement.epoch.value(), base64(statement.root), statement.size, root_text(head.root));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status commit_source_statements(const Definition& definition, const Ledger& ledger, const CommitStatement& commit) {
  for (const PartitionId partition : definition.all_partitions()) {
    const SourceStatement* const newest = definition.source_of(partition);
    if (newest == nullptr) continue;  // said by source_positions()
    for (PartitionHead head = ledger.head(partition); head.epoch < newest->epoch; head = ledger.head(partition)) {
      const Epoch next(head.epoch.value() + 1);
      const SourceStatement* const statement = definition.source_of(partition, next);
      if (statement == nullptr) {
        return failed_precondition("partition {}: the definition has a source statement for epoch {}, none for epoch {}", partition.name(),
                                   newest->epoch.value(), next.value());
      }
      if (statement->size > head.size) break;
      RETURN_IF_ERROR(check_continues(*statement, head));
      spdlog::info("partition {}: epoch {} begins at entry {}: {} [{}] from offset {}", partition.name(), next.value(), head.size,
                   statement->topic, statement->kafka_partition, statement->first_offset.value());
      crash_point("statement_before");
      RETURN_IF_ERROR(commit(statement_commit(*statement, head)));
      crash_point("statement_after");
    }
  }
  return absl::OkStatus();
}

absl::Status append_embedded_statements(DefinitionFile& file, const Ledger& ledger, const EmbeddedTopics& topics) {
  for (const PartitionId partition : file.definition().all_partitions()) {
    const PartitionHead head = ledger.head(partition);
    const SourceStatement* const newest = file.definition().source_of(partition);
    if (newest != nullptr && newest->cluster != kEmbeddedCluster) {
      return failed_precondition("partition {}: the definition's source is Kafka cluster {}, the configuration says broker.kind = embedded",
                                 partition.name(), newest->cluster);
    }
    if (newest != nullptr && newest->epoch > head.epoch) continue;  // a start that ended early wrote it; its entry comes next
    if (newest != nullptr && head.next_offset <= newest->first_offset) continue;
    SourceStatement statement;
    statement.epoch = newest == nullptr ? Epoch(0) : newest->epoch + 1;
    statement.partition = partition;
    statement.cluster = std::string(kEmbeddedCluster);
    statement.topic = newest != nullptr ? newest->topic : partition.is_reference() ? topics.reference : topics.purchases;
    statement.kafka_partition = partition.is_reference() ? 0 : static_cast<std::int32_t>(partition.number());
    statement.size = head.size;
    statement.root = std::string(as_view(head.root));
    statement.reason = newest == nullptr ? "first source" : "the embedded broker began again";
    statement.decided_by = "bukubesar";
    RETURN_IF_ERROR(file.append(to_line(statement)));
  }
  return absl::OkStatus();
}

namespace {

// The last stored record of the epoch, where there is one.
absl::StatusOr<std::optional<Anchor>> anchor_of(const Ledger& ledger, PartitionId partition, const PartitionHead& head) {
  if (head.size == 0) return std::optional<Anchor>();
  ASSIGN_OR_RETURN(const std::vector<Entry> entries, ledger.read_entries(partition, Sequence(head.size - 1), 1));
  if (entries.empty()) return data_loss("entry {}:{} is not there", partition.name(), head.size - 1);
  const Entry& last = entries.front();
  if (last.kind != EntryKind::record || last.epoch != head.epoch) return std::optional<Anchor>();
  Anchor anchor;
  anchor.offset = last.offset;
  anchor.timestamp_ms = last.timestamp_ms;
  anchor.timestamp_type = !last.timestamp_present ? TimestampType::none
                          : last.log_append_time  ? TimestampType::log_append_time
                                                  : TimestampType::create_time;
  anchor.payload_hash = last.payload_hash;
  return std::optional<Anchor>(anchor);
}

}  // namespace

absl::StatusOr<std::vector<EpochPosition>> source_positions(const Definition& definition, const Ledger& ledger) {
  std::vector<EpochPosition> positions;
  for (const PartitionId partition : definition.all_partitions()) {
    const PartitionHead head = ledger.head(partition);
    const SourceStatement* const statement = definition.source_of(partition, head.epoch);
    if (statement == nullptr) {
      return failed_precondition("partition {}: the definition has no source statement for epoch {}, where the ledger stands",
                                 partition.name(), head.epoch.value());
    }
    EpochPosition position;
    SourcePosition& source = position.source;
    source.partition = partition;
    source.epoch = head.epoch;
    source.cluster = statement->cluster;
    source.topic = statement->topic;
    source.kafka_partition = statement->kafka_partition;
    source.transactional = statement->transactional;
    ASSIGN_OR_RETURN(source.anchor, anchor_of(ledger, partition, head));
    source.next_offset = source.anchor ? head.next_offset : statement->first_offset;
    if (const SourceStatement* const after = definition.source_of(partition, head.epoch + 1)) position.size_limit = after->size;
    positions.push_back(std::move(position));
  }
  return positions;
}

}  // namespace bukubesar
