// What the parts of Ledger share (ledger.cc, ledger_open.cc, ledger_commit.cc, ledger_read.cc) and the verifier looks into.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "ledger/chunk.h"
#include "ledger/chunk_cache.h"
#include "ledger/heads_file.h"
#include "ledger/id_table.h"
#include "ledger/ledger.h"
#include "ledger/merkle.h"
#include "ledger/store.h"

namespace bukubesar {

inline constexpr std::size_t kEntryCacheBytesMax = 8U << 20;
inline constexpr std::size_t kPayloadCacheBytesMax = 32U << 20;
// Each proof needs a tile of leaves that hardly any other needs, and tiles above it that many need: each kind has its own cache.
inline constexpr std::size_t kLeafTileCacheBytesMax = 8U << 20;
inline constexpr std::size_t kUpperTileCacheBytesMax = 16U << 20;

// The hashes of a tile, the first of its level or all 256, and the subtrees over them. What a tile begins with never changes.
struct TreeTile {
  unsigned level = 0;
  std::uint64_t first = 0;                                  // index in its level
  std::array<std::vector<Hash256>, kTileHeight> by_height;  // [0]: the tile's own; [h]: the complete subtrees of 2^h of them
  [[nodiscard]] std::size_t width() const { return by_height[0].size(); }
};

// What a ledger remembers of one partition beside its head.
struct LedgerPartition {
  PartitionId id;
  Offset first_offset{0};  // of epoch 0, by the definition
  Frontier frontier;       // commit thread only
  std::atomic<std::uint64_t> published_size = 0;
  mutable absl::Mutex ids_mutex;
  IdTable ids ABSL_GUARDED_BY(ids_mutex);  // may hold sequences of a commit that is not published yet
};

// What a commit makes of its partitions. Where its write failed, whether it is stored shows when the store is opened anew.
struct WrittenCommit {
  struct Part {
    PartitionId partition;
    PartitionHead head;
    Frontier frontier;
  };
  struct Id {
    LedgerPartition* partition;
    Fingerprint fingerprint;
    Sequence sequence;
  };
  std::vector<Part> parts;
  std::vector<Id> ids;  // where its write failed: what it put into the tables
};

struct Ledger::Impl {
  LedgerOptions options;
  std::string name;
  std::uint32_t partition_count = 0;
  std::string partitioner;
  LedgerClock clock = LedgerClock::kafka;
  std::unique_ptr<Store> store;
  std::map<PartitionId, std::unique_ptr<LedgerPartition>> partitions;  // fixed once open

  mutable absl::Mutex heads_mutex;
  std::map<PartitionId, PartitionHead> heads ABSL_GUARDED_BY(heads_mutex);  // published: what readers see

  mutable absl::Mutex file_mutex;  // the heads file
  RecordedHeads recorded ABSL_GUARDED_BY(file_mutex);
  std::chrono::steady_clock::time_point recorded_at ABSL_GUARDED_BY(file_mutex);
  // Heads that the file knows and the store does not (I9). Commit thread only, once open.
  std::map<PartitionId, RecordedHead> to_reach;
  std::atomic<bool> shorter = false;
  std::optional<WrittenCommit> doubtful;  // commit thread only

  mutable absl::Mutex damage_mutex;
  std::map<PartitionId, std::string> damaged ABSL_GUARDED_BY(damage_mutex);

  mutable absl::Mutex redactions_mutex;
  std::map<std::pair<PartitionId, Sequence>, std::shared_ptr<const Redaction>> redactions ABSL_GUARDED_BY(redactions_mutex);
  std::atomic<bool> redactions_doubtful = false;  // a write failed that holds some of them: they may be stored
  // Raised after each chunk that was rewritten: who read its row before must not leave it in the cache.
  std::atomic<std::uint64_t> chunks_rewritten = 0;

  mutable absl::Mutex checkpoints_mutex;
  std::uint64_t next_cut_note ABSL_GUARDED_BY(checkpoints_mutex) = 0;
  bool cut_note_doubtful ABSL_GUARDED_BY(checkpoints_mutex) = false;  // its write failed: it may be stored

  mutable ChunkCache<EntryChunk> entry_cache{kEntryCacheBytesMax};
  mutable ChunkCache<PayloadChunk> payload_cache{kPayloadCacheBytesMax};
  mutable ChunkCache<TreeTile> leaf_tile_cache{kLeafTileCacheBytesMax};
  mutable ChunkCache<TreeTile> upper_tile_cache{kUpperTileCacheBytesMax};  // by level and index

  [[nodiscard]] std::string heads_path() const { return options.directory + ".heads"; }
  [[nodiscard]] LedgerPartition* find(PartitionId partition) const;
  // The published head; InvalidArgument for a partition that the ledger does not have.
  [[nodiscard]] absl::StatusOr<PartitionHead> published(PartitionId partition) const;

  // ledger_open.cc
  absl::Status open(const Definition& definition);
  [[nodiscard]] static absl::Status check_copy(const std::string& copy, const std::string& heads_path, const Definition& definition,
                                               const Progress& progress);
  absl::Status open_store(const Definition& definition);
  absl::Status check_identity();
  absl::Status check_definition_text(const Definition& definition);
  [[nodiscard]] absl::Status check_new_rules(const Definition& definition, std::string_view known_text) const;
  absl::Status load_heads();
  absl::Status load_partition(LedgerPartition& partition, const PartitionHead& head);
  absl::Status rebuild_ids(LedgerPartition& partition, const PartitionHead& head);
  absl::Status compare_with_recorded();
  absl::Status load_redactions();
  absl::Status load_next_cut_note() ABSL_EXCLUSIVE_LOCKS_REQUIRED(checkpoints_mutex);

  // ledger_commit.cc
  void publish(const WrittenCommit& commit);

  // ledger_redactions.cc
  void note_redaction(PartitionId partition, Sequence sequence, std::shared_ptr<const Redaction> redaction);
  [[nodiscard]] std::shared_ptr<const Redaction> redaction(PartitionId partition, Sequence sequence) const;
  [[nodiscard]] absl::StatusOr<std::string> without_payload(const StoredRow& row, PartitionId partition, Sequence sequence) const;

  // ledger_checkpoints.cc
  [[nodiscard]] absl::StatusOr<std::string> with_cosignatures(PartitionId partition, std::uint64_t size, std::string note) const;

  // ledger_read.cc. They see what is stored; bounding by the published size is the caller's.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const EntryChunk>> entry_chunk(PartitionId partition, Sequence sequence) const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const PayloadChunk>> payload_chunk(PartitionId partition, Sequence sequence) const;
  [[nodiscard]] absl::StatusOr<Entry> entry(PartitionId partition, Sequence sequence) const;
  [[nodiscard]] absl::StatusOr<std::vector<Hash256>> stored_leaf_hashes(PartitionId partition, std::uint64_t first,
                                                                        std::uint64_t limit) const;
  // `count` hashes of the level from `first` on.
  [[nodiscard]] absl::StatusOr<std::vector<Hash256>> level_hashes(PartitionId partition, unsigned level, std::uint64_t first,
                                                                  std::uint64_t count) const;
  // The tile that holds hash `index` of the level (0: leaves), as far as a tree of `size` has it, or further.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const TreeTile>> tree_tile(PartitionId partition, unsigned level, std::uint64_t index,
                                                                          std::uint64_t size) const;
};

// Subtrees of a partition's tree, from tiles.
class TileSource : public SubtreeSource {
 public:
  TileSource(const Ledger::Impl& impl, PartitionId partition, std::uint64_t size) : impl_(impl), partition_(partition), size_(size) {}
  absl::StatusOr<Hash256> subtree(unsigned height, std::uint64_t index) override;

 private:
  const Ledger::Impl& impl_;
  const PartitionId partition_;
  const std::uint64_t size_;
};

// Calls `progress` at most a few times a second.
class ProgressMeter {
 public:
  ProgressMeter(const Progress& progress, std::string what, std::uint64_t total)
      : progress_(progress), what_(std::move(what)), total_(total) {}
  void at(std::uint64_t done) {
    if (!progress_) return;
    const auto now = std::chrono::steady_clock::now();
    if (done < total_ && now - last_ < std::chrono::milliseconds(300)) return;
    last_ = now;
    progress_(what_, done, total_);
  }

 private:
  const Progress& progress_;
  const std::string what_;
  const std::uint64_t total_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace bukubesar
