#include "projections/scan_ranges.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "base/cancellation.h"
#include "base/status.h"
#include "base/thread.h"

namespace bukubesar {

namespace {

std::atomic<unsigned> helpers_busy{0};

unsigned helpers_of_machine() {
  static const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  return std::min(kScanHelpersMax, cores - 1);
}

// How many of the wanted helpers are free; they are given back at the end.
class Helpers {
 public:
  explicit Helpers(unsigned wanted) {
    unsigned busy = helpers_busy.load();
    do {
      const unsigned most = helpers_of_machine();
      count_ = std::min(wanted, most > busy ? most - busy : 0U);
    } while (!helpers_busy.compare_exchange_weak(busy, busy + count_));
  }
  ~Helpers() { helpers_busy -= count_; }
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  [[nodiscard]] unsigned count() const { return count_; }

 private:
  unsigned count_ = 0;
};

std::vector<ScanRange> pieces_of(const std::vector<ScanRange>& ranges, std::uint64_t piece_rows) {
  std::vector<ScanRange> pieces;
  for (const ScanRange& range : ranges) {
    for (std::uint64_t first = range.first; first < range.limit;) {
      // They end where segments do, so that none is decoded twice.
      const std::uint64_t limit = std::min(range.limit, (first / piece_rows + 1) * piece_rows);
      pieces.push_back({range.partition_index, first, limit});
      first = limit;
    }
  }
  return pieces;
}

struct Work {
  const Snapshot& snapshot;
  std::vector<ScanRange> pieces;
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint64_t> rows_done{0};
  std::atomic<bool> stop{false};

  // Takes pieces until there are none; before each one, `wanted` says whether to go on.
  template <class Wanted>
  absl::Status take_pieces(TotalsScan& scan, Wanted wanted) {
    for (;;) {
      if (absl::Status status = wanted(); !status.ok()) return status;
      const std::size_t at = next.fetch_add(1);
      if (stop || at >= pieces.size()) return absl::OkStatus();
      const ScanRange& piece = pieces[at];
      RETURN_IF_ERROR(scan.add(piece.partition_index, snapshot.partitions[piece.partition_index], piece.first, piece.limit));
      rows_done += piece.limit - piece.first;
    }
  }
};

struct Helper {
  std::unique_ptr<TotalsScan> scan;
  absl::Status status;
  std::jthread thread;
};

}  // namespace

absl::Status scan_ranges(TotalsScan& to, const std::function<std::unique_ptr<TotalsScan>()>& make, const Snapshot& snapshot,
                         const std::vector<ScanRange>& ranges, const ScanRangesOptions& options) {
  Work work{snapshot, pieces_of(ranges, options.piece_rows)};
  const auto more = static_cast<unsigned>(std::min<std::size_t>(work.pieces.size(), options.helpers_max + 1));
  const Helpers taken(more == 0 || own_priority_is_lowered() ? 0 : more - 1);
  std::vector<Helper> helpers(taken.count());
  for (Helper& helper : helpers) {
    helper.scan = make();
    helper.thread = std::jthread([&work, &helper] {
      helper.status = work.take_pieces(*helper.scan, [] { return absl::OkStatus(); });
      if (!helper.status.ok()) work.stop = true;
    });
  }
  absl::Status status = work.take_pieces(to, [&] {
    if (options.progress) options.progress(work.rows_done);
    return still_wanted();
  });
  if (!status.ok()) work.stop = true;
  for (Helper& helper : helpers) {
    helper.thread.join();
    if (status.ok()) status = helper.status;
    if (status.ok()) status = to.add_all(*helper.scan, snapshot.partitions);
    helper.scan.reset();
  }
  return status;
}

}  // namespace bukubesar
