#include "ledger/rows.h"

#include <fmt/format.h>

#include <cstring>

#include "base/bytes.h"

namespace bukubesar {

namespace {

constexpr std::uint8_t kRedactionVersion = 1;
constexpr std::uint8_t kHeadVersion = 1;
constexpr std::uint8_t kRunOfRecords = 1;
constexpr std::uint8_t kRunOfGap = 2;

std::string sized_key(char kind, PartitionId partition, std::uint64_t size) {
  std::string key(1, kind);
  append_be(key, partition.number());
  append_be(key, size);
  return key;
}

}  // namespace

std::string chunk_key(PartitionId partition, Sequence first) {
  std::string key;
  append_be(key, partition.number());
  append_be(key, first.value());
  return key;
}

std::optional<ChunkKey> parse_chunk_key(std::string_view key) {
  ByteReader reader(key);
  const ChunkKey parsed{PartitionId(reader.be<std::uint32_t>()), Sequence(reader.be<std::uint64_t>())};
  return reader.at_end() ? std::optional(parsed) : std::nullopt;
}

std::string tree_key(PartitionId partition, unsigned level, std::uint64_t index) {
  std::string key;
  append_be(key, partition.number());
  append_be(key, static_cast<std::uint8_t>(level));
  append_be(key, index);
  return key;
}

std::optional<TreeKey> parse_tree_key(std::string_view key) {
  ByteReader reader(key);
  TreeKey parsed;
  parsed.partition = PartitionId(reader.be<std::uint32_t>());
  parsed.level = reader.be<std::uint8_t>();
  parsed.index = reader.be<std::uint64_t>();
  return reader.at_end() && parsed.level >= 1 ? std::optional(parsed) : std::nullopt;
}

std::optional<Hash256> parse_hash(std::string_view value) {
  Hash256 hash;
  if (value.size() != hash.size()) return std::nullopt;
  std::memcpy(hash.data(), value.data(), hash.size());
  return hash;
}

std::string offset_key(PartitionId partition, Epoch epoch, Offset first) {
  std::string key;
  append_be(key, partition.number());
  append_be(key, epoch.value());
  append_be(key, static_cast<std::uint64_t>(first.value()));
  return key;
}

std::string offset_value(const OffsetRun& run) {
  std::string value;
  append_be(value, run.gap ? kRunOfGap : kRunOfRecords);
  append_be(value, run.sequence.value());
  append_be(value, run.count);
  return value;
}

std::optional<OffsetRun> parse_offset_run(std::string_view key, std::string_view value) {
  ByteReader key_reader(key);
  ByteReader value_reader(value);
  OffsetRun run;
  run.partition = PartitionId(key_reader.be<std::uint32_t>());
  run.epoch = Epoch(key_reader.be<std::uint32_t>());
  run.first = Offset(static_cast<std::int64_t>(key_reader.be<std::uint64_t>()));
  const auto kind = value_reader.be<std::uint8_t>();
  run.gap = kind == kRunOfGap;
  run.sequence = Sequence(value_reader.be<std::uint64_t>());
  run.count = value_reader.be<std::uint64_t>();
  if (!key_reader.at_end() || !value_reader.at_end() || (kind != kRunOfRecords && kind != kRunOfGap)) return std::nullopt;
  if (run.first < Offset(0) || run.count == 0 || (run.gap && run.sequence != Sequence(0))) return std::nullopt;
  return run;
}

std::string checkpoint_key(PartitionId partition, std::uint64_t size) { return sized_key('c', partition, size); }
std::string cut_index_key(PartitionId partition, std::uint64_t size) { return sized_key('i', partition, size); }

std::string cut_note_key(std::uint64_t number) {
  std::string key(1, 'n');
  append_be(key, number);
  return key;
}

std::optional<CheckpointKey> parse_checkpoint_key(char kind, std::string_view key) {
  if (key.empty() || key.front() != kind) return std::nullopt;
  ByteReader reader(key.substr(1));
  const CheckpointKey parsed{PartitionId(reader.be<std::uint32_t>()), reader.be<std::uint64_t>()};
  return reader.at_end() ? std::optional(parsed) : std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view bytes) {
  return bytes.size() == sizeof(std::uint64_t) ? std::optional(load_be<std::uint64_t>(bytes.data())) : std::nullopt;
}

std::string cut_note_value(const Cut& cut, std::string_view note) {
  const std::string text = cut.text();
  std::string value;
  append_be(value, static_cast<std::uint32_t>(text.size()));
  value += text;
  value += note;
  return value;
}

std::optional<StoredCutNote> parse_cut_note_value(std::string_view value) {
  ByteReader reader(value);
  const auto size = reader.be<std::uint32_t>();
  const std::string_view text = reader.take(size);
  if (!reader.ok()) return std::nullopt;
  auto cut = Cut::parse(text);
  if (!cut.ok()) return std::nullopt;
  return StoredCutNote{*std::move(cut), std::string(reader.rest())};
}

std::string cosignature_key(PartitionId partition, std::uint64_t size, std::string_view witness) {
  return sized_key('s', partition, size) + std::string(witness);
}

std::optional<CosignatureKey> parse_cosignature_key(std::string_view key) {
  if (key.empty() || key.front() != 's') return std::nullopt;
  ByteReader reader(key.substr(1));
  CosignatureKey parsed;
  parsed.partition = PartitionId(reader.be<std::uint32_t>());
  parsed.size = reader.be<std::uint64_t>();
  parsed.witness = std::string(reader.rest());
  return reader.ok() && !parsed.witness.empty() ? std::optional(std::move(parsed)) : std::nullopt;
}

std::string cosignature_value(std::string_view verifier_key, std::string_view signature_line) {
  return fmt::format("{}\n{}", verifier_key, signature_line);
}

std::optional<StoredCosignature> parse_cosignature_value(std::string_view value) {
  const std::size_t end = value.find('\n');
  if (end == std::string_view::npos || value.back() != '\n' || end + 1 == value.size()) return std::nullopt;
  return StoredCosignature{std::string(value.substr(0, end)), std::string(value.substr(end + 1))};
}

std::string redaction_key(PartitionId partition, Sequence sequence) {
  std::string key(1, 'r');
  append_be(key, partition.number());
  append_be(key, sequence.value());
  return key;
}

std::optional<RedactionKey> parse_redaction_key(std::string_view key) {
  ByteReader reader(key);
  if (reader.take(1) != "r") return std::nullopt;
  RedactionKey parsed;
  parsed.partition = PartitionId(reader.be<std::uint32_t>());
  parsed.sequence = Sequence(reader.be<std::uint64_t>());
  return reader.at_end() ? std::optional(parsed) : std::nullopt;
}

std::string redaction_value(const Redaction& redaction) {
  std::string value;
  append_be(value, kRedactionVersion);
  append_be(value, static_cast<std::uint8_t>(redaction.gone ? 1 : 0));
  append_be(value, redaction.by.value());
  value += as_view(redaction.event_digest);
  return value + redaction.substitute;
}

std::optional<Redaction> parse_redaction(std::string_view value) {
  ByteReader reader(value);
  if (reader.be<std::uint8_t>() != kRedactionVersion) return std::nullopt;
  const auto gone = reader.be<std::uint8_t>();
  Redaction redaction;
  redaction.gone = gone == 1;
  redaction.by = Sequence(reader.be<std::uint64_t>());
  const auto digest = parse_hash(reader.take(redaction.event_digest.size()));
  if (!digest || gone > 1) return std::nullopt;
  redaction.event_digest = *digest;
  redaction.substitute = std::string(reader.rest());
  return redaction;
}

std::string head_key(PartitionId partition) {
  std::string key(1, 'h');
  append_be(key, partition.number());
  return key;
}

std::string head_value(const PartitionHead& head) {
  std::string value;
  append_be(value, kHeadVersion);
  append_be(value, head.size);
  value += as_view(head.root);
  append_be(value, head.epoch.value());
  append_be(value, static_cast<std::uint64_t>(head.next_offset.value()));
  append_be(value, static_cast<std::uint64_t>(head.ledger_time_ms));
  append_be(value, head.counts.accepted);
  append_be(value, head.counts.duplicate);
  append_be(value, head.counts.rejected);
  append_be(value, head.counts.statements);
  append_be(value, head.records);
  append_be(value, head.gap_offsets);
  return value;
}

std::optional<PartitionHead> parse_head(std::string_view value) {
  ByteReader reader(value);
  if (reader.be<std::uint8_t>() != kHeadVersion) return std::nullopt;
  PartitionHead head;
  head.size = reader.be<std::uint64_t>();
  const auto root = parse_hash(reader.take(head.root.size()));
  if (!root) return std::nullopt;
  head.root = *root;
  head.epoch = Epoch(reader.be<std::uint32_t>());
  head.next_offset = Offset(static_cast<std::int64_t>(reader.be<std::uint64_t>()));
  head.ledger_time_ms = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  head.counts.accepted = reader.be<std::uint64_t>();
  head.counts.duplicate = reader.be<std::uint64_t>();
  head.counts.rejected = reader.be<std::uint64_t>();
  head.counts.statements = reader.be<std::uint64_t>();
  head.records = reader.be<std::uint64_t>();
  head.gap_offsets = reader.be<std::uint64_t>();
  return reader.at_end() ? std::optional(head) : std::nullopt;
}

}  // namespace bukubesar
