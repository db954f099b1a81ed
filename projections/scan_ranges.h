// scan_ranges(): adds rows to a scan, in pieces, on all cores where there are many.
//
// The sums are the same whoever adds which piece (I5): a helper has a scan of its own, and all are added up at the end.
//
// Threads  the caller's, and helpers that end before it returns; none where the caller stands behind others (base/thread.h).
// Limits   kScanHelpersMax helpers, over all questions, and one fewer than there are cores; whoever finds none does the work alone.
// Errors   those of TotalsScan::add(). Cancelled: nobody waits any more. After an error the scan is of no use.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "projections/scan.h"
#include "projections/snapshot.h"

namespace bukubesar {

inline constexpr unsigned kScanHelpersMax = 7;
inline constexpr std::uint64_t kScanPieceRows = 4 * kSegmentRows;

struct ScanRange {
  std::size_t partition_index = 0;
  std::uint64_t first = 0, limit = 0;  // rows
};

struct ScanRangesOptions {
  std::uint64_t piece_rows = kScanPieceRows;
  unsigned helpers_max = kScanHelpersMax;
  std::function<void(std::uint64_t done)> progress;  // rows that are done; from the caller's thread
};

// `make`: an empty scan of the same question under the same facts.
[[nodiscard]] absl::Status scan_ranges(TotalsScan& to, const std::function<std::unique_ptr<TotalsScan>()>& make, const Snapshot& snapshot,
                                       const std::vector<ScanRange>& ranges, const ScanRangesOptions& options = {});

}  // namespace bukubesar
