// What Projections is made of. Internal to the module.
//
// Threads  one worker writes, under `mutex`, slices of at most kSliceEntries entries; so the worker itself reads without it. Readers
//          take a snapshot under it and scan without it. Lock order: a standing scan's mutex, then `mutex`, then `facts_mutex`.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "base/bounded_queue.h"
#include "base/cancellation.h"
#include "events/rules.h"
#include "projections/facts.h"
#include "projections/partition_fold.h"
#include "projections/projections.h"
#include "projections/scan.h"
#include "projections/snapshot.h"
#include "projections/views.h"

namespace bukubesar {

inline constexpr std::size_t kSliceEntries = 512;
inline constexpr std::size_t kCatchUpEntries = 2048;
inline constexpr std::size_t kUnsealedMax = 64;                  // full segments that wait for the disk
inline constexpr std::size_t kStandingScansMax = 48;             // current answers that are kept and extended
inline constexpr std::size_t kStandingScanBytesMax = 64U << 20;  // a larger one is not kept
inline constexpr std::uint64_t kStepsOfSegment = 2;              // a step is some milliseconds of a thread for which nobody waits
inline constexpr int kStepRest = 2;                              // times as long as it worked, while rows come in
inline constexpr std::size_t kResultsMax = 256;                  // answers as of a cut that are kept
inline constexpr std::size_t kResultRowsMax = 20'000;            // a longer one is not kept

// A question asked about the present: its sums, and the rows that they cover, so that the next answer only adds what came since.
struct StandingScan {
  absl::Mutex mutex;
  TotalsQuery query;
  std::string key;
  std::atomic<bool> pinned{false};      // a view's
  std::atomic<double> built{0};         // how much of it has been built from history; 1: it is live
  std::atomic<std::uint64_t> bytes{0};  // of `scan`, as last extended: the mutex may be held for a scan of the whole history
  std::unique_ptr<TotalsScan> scan ABSL_GUARDED_BY(mutex);
  FactsCut facts ABSL_GUARDED_BY(mutex);                   // what the scan has joined its rows with
  std::vector<std::uint64_t> rows ABSL_GUARDED_BY(mutex);  // by partition
  std::shared_ptr<const TotalsAnswer> answer ABSL_GUARDED_BY(mutex);
};

struct Projections::Impl {
  explicit Impl(ProjectionsOptions given);

  struct Partition {
    PartitionId id;
    std::unique_ptr<PartitionFold> fold;
    std::shared_ptr<const FileSegments> sealed = std::make_shared<FileSegments>();
  };

  // Opening (projections_open.cc).
  absl::Status open();
  absl::Status load_segments(Partition& partition);
  absl::Status load_one(Partition& partition, const std::string& path, FileSegments& sealed);
  void report(std::string_view what, std::uint64_t done, std::uint64_t total) const;

  // The worker (projections.cc).
  void work();
  absl::Status try_again(const absl::Status& failed_with);
  absl::Status apply_commit(const Commit& commit);
  absl::Status apply_part(const PartitionBatch& part, std::size_t first);
  absl::Status catch_up(const Cut& until);
  absl::Status catch_up(PartitionId id, std::uint64_t until);
  absl::Status apply_run(PartitionId id, const StoredRun& run, Judge& judge);
  void apply_reference(Sequence sequence, const Entry& entry, const Event* event);
  absl::Status make_room();
  void publish();
  [[nodiscard]] std::uint64_t next_of(PartitionId id) const;
  Partition* find(PartitionId id);
  [[nodiscard]] Routing routing() const;
  void fail(const absl::Status& status);

  // The sealer (projections.cc); before start(): who opens.
  void seal();
  absl::Status seal_full();
  absl::Status seal(Partition& partition, const MemorySegment& segment);
  [[nodiscard]] std::shared_ptr<const MemorySegment> oldest_full(const Partition& partition) const;

  // Reads (projections_read.cc, _purchases.cc, _explain.cc, _difference.cc, _history.cc).
  [[nodiscard]] Snapshot snapshot() const;
  [[nodiscard]] Cut cut_now() const ABSL_SHARED_LOCKS_REQUIRED(mutex);
  [[nodiscard]] FactsCut facts_cut(const Snapshot& snapshot) const;
  [[nodiscard]] absl::StatusOr<FactsCut> facts_cut(const Cut& cut) const;
  [[nodiscard]] FactsCut facts_cut(const Cut& cut, std::int64_t ledger_time_ms) const;
  // Of one partition, as many as there were; published ones may be read without the lock.
  struct FindingSource {
    PartitionId id;
    const StableVector<FindingRow>* findings;
    const Dictionaries* dictionaries;
    std::size_t count;
  };
  [[nodiscard]] std::vector<FindingSource> finding_sources() const ABSL_SHARED_LOCKS_REQUIRED(mutex);
  // Copied under the lock: findings of entries below `size`.
  [[nodiscard]] std::vector<FindingRow> findings_below(std::size_t partition_index, std::uint64_t size) const;
  [[nodiscard]] absl::StatusOr<std::optional<std::pair<std::uint32_t, std::uint32_t>>> system_and_institution(std::size_t partition_index,
                                                                                                              std::uint64_t sequence) const;
  [[nodiscard]] std::size_t purchase_numbers(std::size_t partition_index) const;  // how many there are
  [[nodiscard]] FactsView facts_view(const FactsCut& at);
  [[nodiscard]] absl::StatusOr<std::vector<MonthStart>> ledger_months(PartitionId partition, std::uint64_t size) const;
  absl::StatusOr<TotalsAnswer> totals_at(const TotalsQuery& query, const Cut& cut, const Snapshot& snapshot);
  absl::StatusOr<TotalsAnswer> totals_below(const TotalsQuery& query, const Cut& cut, const Snapshot& snapshot, const FactsCut& at);
  bool is_kept(const TotalsQuery& query);  // whether its answer costs next to nothing
  absl::StatusOr<TotalsAnswer> totals_now(const TotalsQuery& query, bool pin);
  absl::StatusOr<std::shared_ptr<const TotalsAnswer>> extend(StandingScan& standing);
  absl::StatusOr<std::shared_ptr<const TotalsAnswer>> extend_to(StandingScan& standing, const Snapshot& now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(standing.mutex);
  absl::Status move_facts(StandingScan& standing, const Snapshot& now, const FactsCut& at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(standing.mutex);
  absl::Status add_rows(StandingScan& standing, const Snapshot& now, std::uint64_t rows_max) ABSL_EXCLUSIVE_LOCKS_REQUIRED(standing.mutex);
  absl::Status extend_in_steps(StandingScan& standing, const Snapshot* until = nullptr);
  [[nodiscard]] static bool is_past(const StandingScan& standing, const Snapshot& snapshot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(standing.mutex);
  absl::Status take_rows(StandingScan& standing, const Snapshot& now, std::uint64_t rows_max) ABSL_EXCLUSIVE_LOCKS_REQUIRED(standing.mutex);
  std::shared_ptr<StandingScan> standing_scan(const TotalsQuery& query, bool pin);
  void forget(const std::shared_ptr<StandingScan>& standing);
  absl::Status add_unapplied(PartitionId id, const std::vector<FindingRow>& rows, PurchaseAnswer& answer) const;
  class ListingWalk;
  class Explainer;
  class HistorySlice;
  void refresh_listing();
  [[nodiscard]] std::string_view listed_id(std::uint64_t key) const;
  std::optional<WaitId> add_waiter(const Cut& cut, Waits kind, std::function<void()> callback);  // the callback may have run already
  void remove_waiter(WaitId id);
  void build_all_views();  // of the thread of that name
  absl::Status build_views();

  ProjectionsOptions options;
  FoldSettings settings;

  mutable absl::Mutex mutex;
  std::vector<Partition> partitions;  // numbered ones, ascending; written under mutex
  std::uint64_t reference_size = 0;   // written under mutex
  std::shared_ptr<VendorNumbers> vendor_numbers;
  mutable absl::Mutex facts_mutex;
  Facts facts;                                  // written under facts_mutex
  StableVector<FindingRow> reference_findings;  // written under mutex

  BoundedQueue<std::shared_ptr<const Commit>> queue;
  std::atomic<bool> behind{false};
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> hand_offs_dropped{0}, caught_up_from_ledger{0}, segments_remade{0};
  std::jthread worker;
  const AbandonedFlag views_abandoned = std::make_shared<std::atomic<bool>>(false);  // a stop does not wait for views
  std::jthread view_builder;
  std::jthread sealer;  // alone takes segments from the fold
  absl::Mutex seal_mutex;
  bool seal_asked ABSL_GUARDED_BY(seal_mutex) = false;
  bool seal_ended ABSL_GUARDED_BY(seal_mutex) = false;

  mutable absl::Mutex published_mutex;
  Cut published ABSL_GUARDED_BY(published_mutex);
  std::string failed ABSL_GUARDED_BY(published_mutex);
  struct Waiter {
    WaitId id;
    Cut cut;
    std::function<void()> callback;
  };
  std::array<std::vector<Waiter>, 2> waiters ABSL_GUARDED_BY(published_mutex);  // by kind
  WaitId next_waiter ABSL_GUARDED_BY(published_mutex) = 0;

  std::vector<ViewDefinition> view_definitions;
  absl::Mutex cache_mutex;
  std::list<std::shared_ptr<StandingScan>> standing ABSL_GUARDED_BY(cache_mutex);  // last used first
  std::list<std::pair<std::string, std::shared_ptr<const TotalsAnswer>>> results ABSL_GUARDED_BY(cache_mutex);

  // Purchases of all partitions by id, for listing: (partition index, number). Made when it is first asked for.
  absl::Mutex listing_mutex;
  std::vector<std::uint64_t> listing ABSL_GUARDED_BY(listing_mutex);
  std::vector<std::uint64_t> listing_recent ABSL_GUARDED_BY(listing_mutex);
  std::vector<std::uint32_t> listed ABSL_GUARDED_BY(listing_mutex);  // by partition
};

}  // namespace bukubesar
