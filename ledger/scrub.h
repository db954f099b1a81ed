// Scrub: reads the ledger again while it runs, slowly and out of everybody's way: entries and payloads are hashed, the tree is rebuilt and
// compared with its rows and with the head, the other rows are read; then RocksDB's files are, past its cache, against their checksums.
// What it finds is damage that a reader would meet later.
//
// A pass covers what was committed when it began. Damage of a partition is told to the ledger, which no longer has it signed.
// Not seen: what still stands in the system's cache while the disk beneath has gone bad; a later pass sees that.
//
// Threads  one of its own, at the lowest priority that cannot starve it of a lock it holds; status() from any.
// Limits   ScrubOptions::bytes_per_s_max of stored rows; kGapsPerPassMax gaps a pass, kGapPause apart.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ledger/ledger.h"

namespace bukubesar {

inline constexpr std::size_t kScrubFindingsMax = 20;  // kept for status; the log has all
inline constexpr std::size_t kGapsPerPassMax = 1000;
inline constexpr std::chrono::milliseconds kGapPause{200};

struct ScrubOptions {
  Ledger* ledger = nullptr;
  std::uint64_t bytes_per_s_max = 4U << 20;
  std::chrono::seconds interval{3600};  // between the starts of two passes, at least
  // Whether the source of this epoch has its gaps committed without being fetched again first; empty: none has.
  std::function<bool(PartitionId, Epoch)> commits_gaps_at_once;
  // A record that Kafka has inside the gap after all; Unavailable: it could not be asked.
  std::function<absl::StatusOr<std::optional<Offset>>(PartitionId, const Gap&)> record_in_gap;
};

struct ScrubFinding {
  std::string place;  // "0:812", "0 tree level 1 index 3", "0 epoch 0 offset 17"
  std::string what;
};
struct ScrubStatus {
  struct Position {
    std::uint64_t next = 0;    // the next sequence that the pass looks at
    std::uint64_t size = 0;    // where the pass ends
    std::uint64_t errors = 0;  // found since the process started; what is found again counts again
  };
  std::map<PartitionId, Position> partitions;
  bool in_pass = false;
  std::uint64_t passes = 0, entries = 0, read_bytes = 0, gaps_looked_at = 0;
  std::uint64_t errors = 0;  // of all partitions, and of rows that belong to none
  std::int64_t last_pass_ended_ms = 0;
  std::vector<ScrubFinding> findings;  // the first ones
};

class Scrub {
 public:
  explicit Scrub(ScrubOptions options);
  ~Scrub();
  Scrub(const Scrub&) = delete;
  Scrub& operator=(const Scrub&) = delete;
  void start();
  void begin_stop();  // does not wait for its end
  void stop();
  // One pass on the caller's thread, at its priority. False: it was told to stop.
  bool pass();
  [[nodiscard]] ScrubStatus status() const;

 private:
  class PartitionScrub;

  void loop();
  bool read_other_rows();
  bool check_files();
  bool look_into_gaps(PartitionId partition);
  // Counts what was read and waits until that much may have been read. False: stop.
  bool pace(std::uint64_t bytes);
  bool wait(absl::Duration time);
  // damaged: the partitions that are; none where what is stored is whole, or of no partition.
  void find(const std::vector<PartitionId>& damaged, std::string place, std::string what);

  const ScrubOptions options_;
  std::chrono::steady_clock::time_point may_read_at_{};
  std::map<PartitionId, std::pair<Epoch, Offset>> gaps_seen_to_;  // pass() only
  mutable absl::Mutex mutex_;
  ScrubStatus status_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace bukubesar
