// Projections: events → fold → transfers → balances, live; and every read over them.
//
// Invariants  I5 deterministic, I6 balanced, I7 honest reads: whatever is answered carries the cut it was computed at.
// Threads     start() makes the projection worker, and a sealer that writes full segments, so that nobody who waits for an event to be
//             visible waits for the disk; reads from any thread, never blocked by either for longer than a batch.
// Crash       segments are derived: what is missing is made again from the ledger, with equal content.
// Errors      OutOfRange: a cut beyond what has been read. DataLoss: a segment is damaged (it is made again at the next start).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
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
#include "base/progress.h"
#include "config/definition.h"
#include "events/event.h"
#include "ledger/ledger.h"
#include "projections/difference.h"
#include "projections/evidence.h"
#include "projections/explain.h"
#include "projections/history.h"
#include "projections/totals.h"

namespace bukubesar {

struct ProjectionsOptions {
  std::string directory;  // <data_dir>/segments
  const Ledger* ledger = nullptr;
  const Definition* definition = nullptr;
  std::string views_text;  // config/views.json's content
  std::size_t hand_offs_max = 64;
  std::uint64_t segment_rows = 65'536;  // smaller only in tests: it decides where segments end
  Progress progress;
};

// A contradiction or red flag, with the entries that prove it.
struct Finding {
  PartitionId partition;
  Sequence sequence;     // the entry that raised it
  std::string kind;      // "ordered_again", "stale", "overpaid", …
  std::string purchase;  // empty where it is not about one
  std::string detail;    // for people, deterministic
};
struct FindingsPage {
  Cut cut;
  std::vector<Finding> findings;                              // by partition, sequence
  std::vector<std::pair<std::string, std::uint64_t>> counts;  // of all that match, by kind
  std::optional<std::string> next_cursor;
};

struct TransferRow {  // one row of a purchase's history, for people and JSON
  Sequence sequence;
  std::uint32_t row = 0;
  std::string from_account, to_account;
  MoneySum amount = 0;
  std::int32_t packages = 0;
  std::string component, origin, catalogue_kind, commodity;
};
struct PurchaseHistoryEvent {
  PartitionId partition;
  Sequence sequence;
  std::string type;
  std::optional<std::int64_t> event_time_ms;
  std::vector<TransferRow> transfers;
};
struct PurchaseAnswer {
  Cut cut;
  std::string id;
  PartitionId partition;
  std::string stage, feed, institution, institution_name, work_unit, vendor, vendor_name, distributor, region, system, method, stated_scale,
      scale;
  std::int32_t fiscal_year = 0;
  std::optional<Date> order_date;
  std::optional<std::uint64_t> revision;
  std::vector<std::string> funding;
  MoneySum value = 0, paid = 0;
  struct Cell {
    std::string component, origin, catalogue_kind, commodity;
    MoneySum amount = 0;
  };
  std::vector<Cell> cells;
  std::vector<PurchaseHistoryEvent> history;
  std::vector<Finding> findings;
};

struct ViewInfo {
  std::string name, title;
  std::vector<std::string> by, measures;
  Cut cut;
  std::uint64_t rows = 0;
  double build_progress = 1.0;  // 1: live
};

// Who waits for a cut. Each kind has a bound of its own, so that readers can't keep the delay of commits from being measured.
enum class Waits : std::uint8_t { reader, commit };
inline constexpr std::size_t kWaitsMax = 1024;  // of each kind
using WaitId = std::uint64_t;

struct ProjectionStatus {
  Cut cut;
  std::uint64_t events = 0, transfers = 0, purchases = 0, segments = 0, findings = 0;
  std::uint64_t queue_depth = 0, hand_offs_dropped = 0, caught_up_from_ledger = 0;
  std::uint64_t readers_waiting = 0;  // for a cut, at most kWaitsMax
  std::uint64_t segments_remade = 0;  // damaged or missing ones, deleted at start and made again from the ledger
  std::string failed;                 // empty: working
};

struct FactsPage;
struct FactsRange;

class Projections {
 public:
  // Scans the segments, rebuilds states, facts, views and findings, then catches up from the ledger; then live.
  static absl::StatusOr<std::unique_ptr<Projections>> open(ProjectionsOptions options);
  ~Projections();
  void start();
  void stop();

  // The commit observer: never blocks; drops the hand-off when the queue is full (the worker then reads the ledger).
  void hand_off(const std::shared_ptr<const Commit>& commit);

  // The payload of this entry of the reference partition was erased: its names are not shown any more.
  void forget_names(Sequence sequence);

  [[nodiscard]] Cut cut() const;
  // Waits until the projections have read `cut`. DeadlineExceeded otherwise.
  [[nodiscard]] absl::Status wait_for(const Cut& cut, std::chrono::milliseconds timeout) const;
  // Calls back once when `cut` has been read (at once where it has). Nothing, and no call, where as many of its kind wait already.
  [[nodiscard]] std::optional<WaitId> when_read(const Cut& cut, Waits kind, std::function<void()> callback);
  // Whoever gives up says so: a wait that nobody ends holds its place until `cut` comes. The call may be under way.
  void stop_waiting(WaitId id);

  [[nodiscard]] absl::StatusOr<TotalsAnswer> totals(const TotalsQuery& query) const;
  // For each row and dimension of `by` the name that the facts have for the value at the answer's cut; empty where there is none. A work
  // unit's needs its institution grouped beside it.
  [[nodiscard]] absl::StatusOr<std::vector<std::vector<std::string>>> names(const TotalsAnswer& answer) const;
  [[nodiscard]] std::vector<ViewInfo> views() const;
  // The standing view's rows; `cut` nothing: current. NotFound names the views there are.
  [[nodiscard]] absl::StatusOr<TotalsAnswer> view(std::string_view name, const TotalsQuery& overrides) const;
  [[nodiscard]] absl::StatusOr<ExplainAnswer> explain(const ExplainQuery& query) const;
  // Both cuts are within what has been read; totals.cut is not looked at.
  [[nodiscard]] absl::StatusOr<DifferenceAnswer> difference(const TotalsQuery& totals, const Cut& from, const Cut& to) const;
  [[nodiscard]] absl::StatusOr<HistoryPage> history(const HistoryQuery& query) const;
  [[nodiscard]] absl::StatusOr<PurchaseAnswer> purchase(std::string_view id, const std::optional<Cut>& cut) const;
  // Ids of purchases of a system, ascending, after `cursor`: what an importer compares a snapshot with.
  struct PurchaseSummary {
    std::string id, feed, stage, institution, vendor;
    std::int32_t fiscal_year = 0;
    MoneySum value = 0;
    std::optional<std::uint64_t> revision;
    PartitionId partition;
    Sequence last_sequence;      // the entry of the last event that changed it
    Sequence document_sequence;  // the entry whose document is in force
  };
  struct PurchasePage {
    Cut cut;
    std::vector<PurchaseSummary> purchases;
    std::optional<std::string> next_cursor;
  };
  // Empty filters match all. institution, feed, fiscal_year: the scope of a snapshot. unheard_since: the last event that changed it lies
  // below this cut.
  struct PurchaseFilter {
    std::string feed, institution, system;
    std::optional<std::int32_t> fiscal_year;
    std::vector<Stage> stages;
    std::optional<Cut> unheard_since;
  };
  [[nodiscard]] absl::StatusOr<PurchasePage> purchases(const PurchaseFilter& filter, std::string_view cursor, std::size_t limit) const;
  // The same as of a cut, exactly. A page looks at no more than `limit` purchases that changed after it, so it may be short and have a next
  // cursor.
  [[nodiscard]] absl::StatusOr<PurchasePage> purchases_at(const Cut& cut, const PurchaseFilter& filter, std::string_view cursor,
                                                          std::size_t limit) const;
  [[nodiscard]] absl::StatusOr<FindingsPage> findings(std::string_view kind, std::string_view purchase, std::string_view cursor,
                                                      std::size_t limit, const std::optional<Cut>& cut) const;
  // Those that entries in [from, to) of each partition raised: how many of each kind, and the newest `limit` of each partition, ascending.
  [[nodiscard]] FindingsPage findings_between(const Cut& from, const Cut& to, std::size_t limit) const;
  // The entries that a report stands on (projections/evidence.h). query.cut is set.
  [[nodiscard]] absl::StatusOr<EvidencePlaces> evidence(const TotalsQuery& query) const;
  // Rows of a partition's transfers from `first` on whose entries lie below `size`, at most `count`: exports.
  [[nodiscard]] absl::StatusOr<TransferPage> transfers(PartitionId partition, std::uint64_t size, std::uint64_t first,
                                                       std::size_t count) const;
  [[nodiscard]] ProjectionStatus status() const;
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> memory_bytes() const;
  [[nodiscard]] std::uint64_t disk_bytes() const;

 private:
  friend class TransferReader;                                                         // transfer_reader.h
  friend absl::StatusOr<FactsPage> read_facts(const Projections&, const FactsRange&);  // facts_page.h
  struct Impl;
  explicit Projections(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Verify: folds the whole ledger again and compares with the segments on disk. Feed it every run in order, then finish().
class SegmentCheck {
 public:
  static absl::StatusOr<std::unique_ptr<SegmentCheck>> open(const std::string& directory, const Definition& definition,
                                                            std::uint64_t segment_rows = 65'536);
  ~SegmentCheck();
  // events: beside the run's entries, null where an entry was not accepted.
  void visit(PartitionId partition, const StoredRun& run, std::span<const Event* const> events);
  // One text for each difference: "segment 0/000003: row 17 amount want … got …".
  [[nodiscard]] std::vector<std::string> finish();
  // Segments made by another version of the fold, or before the definition got feeds or authorities. No damage, and not compared: no answer
  // comes from them, the next start makes them again.
  [[nodiscard]] std::uint64_t of_another_fold() const;

 private:
  struct Impl;
  explicit SegmentCheck(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
