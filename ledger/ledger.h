// Ledger: the append-only, tamper-evident store of all partitions of one node, on RocksDB.
//
// Invariants  I1 dense, I2 immutable, I3 complete, I4 exactly once, I8 durable before acknowledged, I9 never shorter.
// Threads     commit() from one thread. Everything else from any thread; reads see whole commits.
// Crash       after a restart a commit is wholly present or wholly absent; one that returned OK is present.
// Limits      a commit: at most kCommitEntriesMax entries; a payload: kPayloadBytesMax.
// Errors      InvalidArgument: a batch breaks an invariant, nothing was written. Unavailable: the disk refused, the outcome
//             is unknown; the ledger then refuses all writes until reopen() returns OK. DataLoss: stored bytes are damaged.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cut.h"
#include "base/ids.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "config/definition.h"
#include "ledger/commit.h"
#include "ledger/entry.h"
#include "ledger/redaction.h"

namespace bukubesar {

inline constexpr std::size_t kCommitEntriesMax = 65'536;
inline constexpr std::size_t kChunkEntriesMax = 256;
// read() stops after the chunk that reaches this many bytes of payloads.
inline constexpr std::size_t kReadBytesMax = 64U << 20;

// Entries by what became of them; accepted + duplicate + rejected + statements = size (I3).
struct VerdictCounts {
  std::uint64_t accepted = 0, duplicate = 0, rejected = 0, statements = 0;
};

// Where a partition stands after its last commit.
struct PartitionHead {
  std::uint64_t size = 0;
  Hash256 root{};
  Epoch epoch;
  Offset next_offset{0};            // of the epoch
  std::int64_t ledger_time_ms = 0;  // running maximum; 0 where no entry had a time
  VerdictCounts counts;
  std::uint64_t records = 0;  // of all epochs
  std::uint64_t gap_offsets = 0;
};

// One stored entry with its payload. `payload` is nothing where only its hash is kept.
struct StoredEntry {
  Sequence sequence;
  Entry entry;
  std::optional<std::string_view> payload;
  std::shared_ptr<const Redaction> redaction = nullptr;  // where the payload was erased
  // What the fold reads: the payload, or what stands in for an erased one.
  [[nodiscard]] std::optional<std::string_view> folded() const {
    return redaction != nullptr ? std::optional<std::string_view>(redaction->substitute) : payload;
  }
};
// A run of consecutive entries; the views point into `keep_alive`.
struct StoredRun {
  std::vector<StoredEntry> entries;
  std::shared_ptr<const void> keep_alive;
};

// Ledger time of a partition after `entry`, `before` it in ms: a running maximum of the stamps that `clock` trusts (docs/GLOSSARY.md).
[[nodiscard]] std::int64_t ledger_time_after(LedgerClock clock, std::int64_t before_ms, const Entry& entry);

// Beside the directory stand `<directory>.heads`, size and root of each partition (I9), and `<directory>.log/`, RocksDB's own log.
struct LedgerOptions {
  std::string directory;   // <data_dir>/ledger
  bool read_only = false;  // beside a running server: sees the commits that stood when it was opened
  Progress progress;
  bool with_ids = true;  // false: find_accepted() knows none, and entries are not read at the opening; for reading only
};

// What commits cost, for metrics.
struct CommitCost {
  std::uint64_t entries = 0, payload_bytes = 0, stored_bytes = 0;
  std::int64_t build_us = 0;  // compress and hash
  std::int64_t write_us = 0;  // write and sync
};

class Ledger {
 public:
  // Opens or makes it, checks it against the definition and against the last size and root written outside RocksDB (I9), and
  // rebuilds the id tables. I9 "shorter" opens, with shorter_than_recorded() true.
  static absl::StatusOr<std::unique_ptr<Ledger>> open(LedgerOptions options, const Definition& definition);
  ~Ledger();

  // The one writer. Checks density, epochs, offsets against gaps (I1, I3), then writes all parts in one synced batch.
  [[nodiscard]] absl::StatusOr<CommitCost> commit(const Commit& commit);
  // Unavailable after a write that failed, of commit(), store_checkpoints() or redact().
  [[nodiscard]] absl::Status writable() const;
  // After that: opens the store anew and looks at what it holds; reads go on meanwhile. OK: commits are taken again, and heads() say
  // whether the last one was stored after all. Unavailable: the disk refuses still, to be tried again later. DataLoss: something that was
  // acknowledged is missing. Between two commits, on their thread.
  [[nodiscard]] absl::Status reopen();

  [[nodiscard]] std::vector<PartitionId> partitions() const;
  [[nodiscard]] PartitionHead head(PartitionId partition) const;
  // All partitions after one and the same commit.
  [[nodiscard]] std::map<PartitionId, PartitionHead> heads() const;
  [[nodiscard]] Cut cut() const;

  // Sequence of the first accepted entry with this fingerprint (I4): from the table in memory, confirmed against the entry.
  [[nodiscard]] absl::StatusOr<std::optional<Sequence>> find_accepted(PartitionId partition, const Fingerprint& fingerprint) const;
  // Of several, which wait for memory together; `to` stands beside them. Ids of commits that are under way are in no answer.
  [[nodiscard]] absl::Status find_accepted(PartitionId partition, std::span<const Fingerprint> fingerprints,
                                           std::span<std::optional<Sequence>> to) const;

  // At most `count` entries from `first` on, fewer at the end (read(): and at kReadBytesMax, but at least one). OutOfRange where
  // first > size.
  [[nodiscard]] absl::StatusOr<std::vector<Entry>> read_entries(PartitionId partition, Sequence first, std::size_t count) const;
  [[nodiscard]] absl::StatusOr<StoredRun> read(PartitionId partition, Sequence first, std::size_t count) const;
  // NotFound beyond the end; FailedPrecondition where only the hash is kept.
  [[nodiscard]] absl::StatusOr<std::string> read_payload(PartitionId partition, Sequence sequence) const;
  // The entry that holds this offset; NotFound for a gap or an offset not yet consumed.
  [[nodiscard]] absl::StatusOr<Sequence> sequence_of(PartitionId partition, Epoch epoch, Offset offset) const;
  // At most `limit` gaps, ascending: those of later epochs, and of `epoch` those that begin at `first` or later. Cancelled: nobody waits.
  [[nodiscard]] absl::StatusOr<std::vector<Gap>> gaps(PartitionId partition, Epoch epoch, Offset first, std::size_t limit) const;

  // Entries with ledger time <= instant: a prefix, since ledger time is a running maximum. FailedPrecondition where the
  // partition's records carry no ledger time (a CreateTime topic): as-of is by cut there.
  [[nodiscard]] absl::StatusOr<std::uint64_t> size_at(PartitionId partition, std::int64_t instant_ms) const;
  // The ledger time of one entry.
  [[nodiscard]] absl::StatusOr<std::int64_t> ledger_time_ms(PartitionId partition, Sequence sequence) const;

  // RFC 6962 over the first `size` entries. OutOfRange beyond the end.
  [[nodiscard]] absl::StatusOr<Hash256> root(PartitionId partition, std::uint64_t size) const;
  [[nodiscard]] absl::StatusOr<std::vector<Hash256>> inclusion_proof(PartitionId partition, Sequence sequence, std::uint64_t size) const;
  [[nodiscard]] absl::StatusOr<std::vector<Hash256>> consistency_proof(PartitionId partition, std::uint64_t old_size,
                                                                       std::uint64_t size) const;
  // Reads entries [from, size) back from storage, with the tree rows that they complete, and computes the root from them. DataLoss
  // where a row or the root differs: nothing that was committed since `from` may then be signed.
  [[nodiscard]] absl::Status recheck(PartitionId partition, std::uint64_t from, std::uint64_t size, const Hash256& root) const;
  // tlog-tiles: the first `width` hashes (1 … 256) of tile `index` at `level`; NotFound beyond the tree.
  [[nodiscard]] absl::StatusOr<std::string> tile(PartitionId partition, unsigned level, std::uint64_t index, unsigned width) const;
  [[nodiscard]] absl::StatusOr<std::string> entry_bundle(PartitionId partition, std::uint64_t index, unsigned width) const;

  // Erases a payload: rewrites its chunk without it, and keeps `redaction` in its place; entry, tree and proofs stay. Its bytes may still
  // stand in files until finish_redactions(). From one thread, beside commits. FailedPrecondition: it is erased already, or never was kept.
  // Unavailable: it may be erased; redaction() may say so until reopen() has looked.
  [[nodiscard]] absl::Status redact(PartitionId partition, Sequence sequence, Redaction redaction);
  // Once it returns OK nothing that was redacted stands in the store's files any more. To be called after a start too. Cancelled: what it
  // had rewritten by then is not rewritten again.
  [[nodiscard]] absl::Status finish_redactions();
  // Null where the payload was not erased.
  [[nodiscard]] std::shared_ptr<const Redaction> redaction(PartitionId partition, Sequence sequence) const;

  // The store and its heads file as they stand now, apart from what comes after, in `directory`, which must not exist: `ledger/` and
  // `ledger.heads` (never ahead of the store). Files that never change are hard links. Beside commits. FailedPrecondition where the ledger
  // is shorter than recorded, or damaged.
  [[nodiscard]] absl::Status freeze(const std::string& directory) const;
  // I9 from further outside: somebody else recorded that the partition had `size` entries with this root. Where it is shorter, no reads and
  // no signing until that is reached. DataLoss: it has so many entries, and another root. Before the first commit, on the thread that
  // opened.
  [[nodiscard]] absl::Status expect(PartitionId partition, std::uint64_t size, const Hash256& root, std::string_view who_says);

  // Signed notes, verbatim. store_checkpoints() writes one for each partition and the cut note of all, in one synced batch.
  [[nodiscard]] absl::Status store_checkpoints(const std::vector<std::pair<PartitionId, std::string>>& notes, const Cut& cut,
                                               std::string_view cut_note);
  // With the cosignatures that it has by now; nothing where none is signed (or none is cosigned).
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> newest_checkpoint(PartitionId partition) const;
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> newest_cosigned_checkpoint(PartitionId partition) const;
  // NotFound names the nearest sizes that are signed.
  [[nodiscard]] absl::StatusOr<std::string> checkpoint(PartitionId partition, std::uint64_t size) const;
  // Sizes that are signed, descending from the last one below `limit` on, at most `count`.
  [[nodiscard]] absl::StatusOr<std::vector<std::uint64_t>> checkpoint_sizes(PartitionId partition, std::uint64_t limit,
                                                                            std::size_t count) const;
  // Adds a witness's signature to the checkpoint of this size, synced; a later one by the same witness takes its place. InvalidArgument
  // where it does not hold. Who may be a witness is the caller's to say.
  [[nodiscard]] absl::Status store_cosignature(PartitionId partition, std::uint64_t size, std::string_view cosigner_key,
                                               std::string_view signature_line);
  // The cut note of the newest signing, verbatim.
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> newest_cut_note() const;
  // The first cut note whose every part reaches `cut`, verbatim; nothing where none does yet. Cut notes only grow, so it stays the same.
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> first_cut_note_covering(const Cut& cut) const;
  // The cut of the first cut note that lists this size of this partition; NotFound where none does.
  [[nodiscard]] absl::StatusOr<Cut> cut_of_checkpoint(PartitionId partition, std::uint64_t size) const;

  // Writes sizes and roots to the file outside RocksDB where a second has passed since the last time, or `now` (I9).
  [[nodiscard]] absl::Status record_heads(bool now);
  // True while a partition is shorter than recorded: no reads, no signing, until re-reading Kafka has reached that size and root.
  [[nodiscard]] bool shorter_than_recorded() const;

  // Stored bytes of the partition were found not to be what was committed: its heads are no longer signed, until the process has been
  // started again over bytes that are. The first reason stays.
  void mark_damaged(PartitionId partition, std::string why);
  [[nodiscard]] std::map<PartitionId, std::string> damage() const;

  // Bytes by part, for metrics: "id_table", "block_cache", "memtables", …
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> memory_bytes() const;
  [[nodiscard]] std::uint64_t disk_bytes() const;
  // Moves what RocksDB holds in memory to files, for orderly backups; durability does not need it.
  [[nodiscard]] absl::Status flush();

 private:
  friend class LedgerVerifier;
  friend class Scrub;
  friend class TileSource;
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
