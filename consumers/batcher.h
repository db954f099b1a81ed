// Batcher: records of all partitions → verdicts → entries → one Commit. The intake thread's work between pull and commit.
//
// Duplicates: the ledger is asked for the ids of some records together, then the batcher's own uncommitted entries for each. Uncommitted
// ids are forgotten when told that the commit holding them has returned; until then the batcher keeps that commit. Nothing is forgotten
// between the two questions, so that no id falls between them.
//
// Invariants  I1: sequences follow on across commits. I4: one accepted entry for each fingerprint of a partition. I5: what it makes is a
//             function of the definition and the records.
// Threads     one.
// Errors      DataLoss, Unavailable: the ledger could not be asked about a first copy; the batch is not complete.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "config/definition.h"
#include "consumers/kafka_source.h"
#include "events/rules.h"
#include "ledger/commit.h"
#include "ledger/id_table.h"
#include "ledger/ledger.h"

namespace bukubesar {

struct BatcherOptions {
  const Definition* definition = nullptr;
  const Ledger* ledger = nullptr;
  std::vector<PartitionId> partitions;  // in the order of the source's positions
  // Beside them: entries after which the partition's next epoch begins; nothing: no end is known.
  std::vector<std::optional<std::uint64_t>> size_limits;
};

class Batcher {
 public:
  explicit Batcher(BatcherOptions options);

  // Where pull() appends; beside the partitions.
  [[nodiscard]] std::vector<PulledPartition>& inbox() { return inbox_; }
  // Judges what was appended since the last time.
  [[nodiscard]] absl::Status judge_new();
  [[nodiscard]] std::size_t records() const { return records_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool empty() const { return records_ == 0; }
  // A partition has reached its size limit: what comes after was dropped, and belongs to another source.
  [[nodiscard]] bool limit_reached() const { return limit_reached_; }
  // Everything judged, as a commit; the batcher starts an empty one.
  [[nodiscard]] std::shared_ptr<const Commit> take();
  // Commits that were taken and are not forgotten.
  [[nodiscard]] std::size_t taken() const { return taken_.size(); }
  // The first of them has returned: the ledger now answers for its ids.
  void forget_oldest();
  // Payload bytes by which a partition's inbox has grown since the last call.
  [[nodiscard]] std::uint64_t grown(std::size_t partition);

 private:
  struct Part {
    PartitionBatch batch;
    std::deque<const PartitionBatch*> taken;      // its own of the commits in taken_
    IdTable uncommitted_ids = IdTable::of_few();  // of accepted entries, of `taken` and of `batch`
    std::int64_t ledger_time_ms = 0;
    std::uint64_t grown = 0;
    StoredRun last_run;  // of the ledger: a batch that was sent again meets its first copies in order
  };

  // Before its id was looked up.
  struct Judged {
    Entry entry;
    const Event* event = nullptr;
  };

  void start_part(std::size_t index, Sequence first, Epoch epoch, Offset next_offset);
  void cut_at_limit(std::size_t index);
  absl::Status judge_run(Part& part, std::span<const Record> records, Arena& arena);
  Judged judge(Part& part, const Record& record, const Hash256& payload_hash, Arena& arena);
  // `stored`: the ledger's first copy.
  absl::Status find_duplicate(Part& part, std::string_view payload, std::optional<Sequence> stored, Entry& entry);
  // Of the accepted ones of a run: their first copies in the ledger.
  absl::Status find_stored(const Part& part, std::span<const Judged> run, std::span<std::optional<Sequence>> stored) const;
  void forget(Part& part, const PartitionBatch& batch);
  [[nodiscard]] static std::optional<Sequence> find_uncommitted(const Part& part, const Fingerprint& fingerprint);
  [[nodiscard]] static const PartitionBatch& holder_of(const Part& part, Sequence sequence);  // of an uncommitted entry
  absl::StatusOr<Reason> compare_with_stored(Part& part, Sequence first, std::string_view payload, const Hash256& hash);

  const BatcherOptions options_;
  Judge judge_;
  std::vector<PulledPartition> inbox_;
  std::vector<Part> parts_;
  std::deque<std::shared_ptr<const Commit>> taken_;  // oldest first
  std::size_t records_ = 0;
  std::uint64_t bytes_ = 0;
  bool limit_reached_ = false;
};

}  // namespace bukubesar
