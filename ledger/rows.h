// Rows: keys and small values of the store, but for chunks (ledger/chunk.h).
//
// Source  docs/FORMAT.md, "Rows". Keys sort as their numbers do: all integers are big-endian.
// Errors  nothing where bytes are no such key or value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/cut.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "ledger/ledger.h"

namespace bukubesar {

// entries, payloads: partition u32, first sequence u64.
struct ChunkKey {
  PartitionId partition;
  Sequence first;
};
[[nodiscard]] std::string chunk_key(PartitionId partition, Sequence first);
[[nodiscard]] std::optional<ChunkKey> parse_chunk_key(std::string_view key);

// tree: partition u32, level u8 (1 …), index u64; value: 32 bytes.
struct TreeKey {
  PartitionId partition;
  unsigned level = 0;
  std::uint64_t index = 0;
};
[[nodiscard]] std::string tree_key(PartitionId partition, unsigned level, std::uint64_t index);
[[nodiscard]] std::optional<TreeKey> parse_tree_key(std::string_view key);
[[nodiscard]] std::optional<Hash256> parse_hash(std::string_view value);

// offsets: partition u32, epoch u32, first offset u64; value: kind u8 (1 records, 2 gap), first sequence u64 (0 for a gap), count u64.
struct OffsetRun {
  PartitionId partition;
  Epoch epoch;
  Offset first;
  bool gap = false;
  Sequence sequence{0};
  std::uint64_t count = 0;
  friend bool operator==(const OffsetRun&, const OffsetRun&) = default;
};
[[nodiscard]] std::string offset_key(PartitionId partition, Epoch epoch, Offset first);
[[nodiscard]] std::string offset_value(const OffsetRun& run);
[[nodiscard]] std::optional<OffsetRun> parse_offset_run(std::string_view key, std::string_view value);

// checkpoints, four kinds of keys:
//   'c' partition u32 size u64    a checkpoint: the note
//   'i' partition u32 size u64    number u64 of the first cut note that lists this size
//   'n' number u64                a cut note, numbered from 0: u32 length, text of the cut, the note
//   's' partition u32 size u64 name   a witness's signature: its verifier key, a newline, the signature line
[[nodiscard]] std::string checkpoint_key(PartitionId partition, std::uint64_t size);
[[nodiscard]] std::string cut_index_key(PartitionId partition, std::uint64_t size);
[[nodiscard]] std::string cut_note_key(std::uint64_t number);
struct CheckpointKey {
  PartitionId partition;
  std::uint64_t size = 0;
};
// Of checkpoint_key and cut_index_key, whose first byte is `kind`.
[[nodiscard]] std::optional<CheckpointKey> parse_checkpoint_key(char kind, std::string_view key);
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view bytes);  // u64
[[nodiscard]] std::string cut_note_value(const Cut& cut, std::string_view note);
struct StoredCutNote {
  Cut cut;
  std::string note;
};
[[nodiscard]] std::optional<StoredCutNote> parse_cut_note_value(std::string_view value);

[[nodiscard]] std::string cosignature_key(PartitionId partition, std::uint64_t size, std::string_view witness);
struct CosignatureKey {
  PartitionId partition;
  std::uint64_t size = 0;
  std::string witness;
};
[[nodiscard]] std::optional<CosignatureKey> parse_cosignature_key(std::string_view key);
[[nodiscard]] std::string cosignature_value(std::string_view verifier_key, std::string_view signature_line);
struct StoredCosignature {
  std::string verifier_key;
  std::string line;  // newline included
};
[[nodiscard]] std::optional<StoredCosignature> parse_cosignature_value(std::string_view value);

// heads, beside the rows below: 'r' partition u32, sequence u64 → a redaction: version u8 = 1, gone u8, entry of the reference partition
// u64, event digest (32 bytes), the substitute.
[[nodiscard]] std::string redaction_key(PartitionId partition, Sequence sequence);
struct RedactionKey {
  PartitionId partition;
  Sequence sequence;
};
[[nodiscard]] std::optional<RedactionKey> parse_redaction_key(std::string_view key);
[[nodiscard]] std::string redaction_value(const Redaction& redaction);
[[nodiscard]] std::optional<Redaction> parse_redaction(std::string_view value);

// heads: 'h' partition u32 → the head; "format" → "1"; "ledger" → the name, "partitions" → decimal, "partitioner" → its name,
// "definition" → length u64 of the definition's file when the ledger was last opened, SHA-256 of those bytes.
[[nodiscard]] std::string head_key(PartitionId partition);
[[nodiscard]] std::string head_value(const PartitionHead& head);
[[nodiscard]] std::optional<PartitionHead> parse_head(std::string_view value);

}  // namespace bukubesar
