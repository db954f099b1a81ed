// Crash points: named places at which a test may end the process as kill -9 would. docs/ARCHITECTURE.md says what each leaves behind.
//
// Armed by BUKUBESAR_CRASH_POINT=<name>[:<nth time>], read once, by main(); a name that does not exist is refused with those that
// do. Not armed, a point is one load and a branch that is never taken.
// Threads  any, once armed.
#pragma once

#include <atomic>
#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace bukubesar {

inline constexpr std::string_view kCrashPoints[] = {
    // A commit. The log is RocksDB's.
    "commit_before",
    "commit_logged",  // bytes handed to the system, not synced; of a signing and an erasure: checkpoint_logged, redaction_logged
    "commit_synced",  // RocksDB has not returned
    "commit_after",   // nobody has been told
    "commit_answered",
    // Files that are written whole and renamed: heads, segments, definition.
    "file_begun",    // half of the bytes; of a segment: segment_begun
    "file_written",  // whole and synced, beside the old one
    "file_renamed",  // the directory is not synced yet
    "heads_before",
    "heads_after",
    "segment_before",
    "segment_begun",  // half of its bytes
    "segment_after",
    "definition_before",
    "definition_after",
    // A signing.
    "checkpoint_signed",
    "checkpoint_logged",  // as commit_logged
    "checkpoint_stored",
    // An erasure.
    "redaction_before",
    "redaction_logged",      // as commit_logged
    "redaction_rewritten",   // the chunk; its old bytes stand in files still
    "redaction_forgetting",  // some of those files are gone
    "redaction_finished",
    // RocksDB's own files.
    "table_written",
    "manifest_written",
    // A start.
    "start_locked",
    "start_defined",
    "start_ledger_opened",
    "start_projections_opened",
    "statement_before",  // the definition has the line, the ledger not its entry
    "statement_after",
    "start_intake_begun",
    // A stop.
    "stop_begun",
    "stop_drained",
    "stop_signed",
};

// One of them: a name that is not listed does not compile.
struct CrashPoint {
  consteval CrashPoint(const char* name) {  // implicit, so that crash_point() takes a text
    while (kCrashPoints[index] != name) ++index;
  }
  std::size_t index = 0;
};

namespace crash_point_internal {
inline std::atomic<bool> armed{false};
void reached(CrashPoint point);
}  // namespace crash_point_internal

// InvalidArgument where the variable names no point.
[[nodiscard]] absl::Status arm_crash_points(std::string_view text);
inline bool crash_points_armed() { return crash_point_internal::armed.load(std::memory_order_relaxed); }
inline void crash_point(CrashPoint point) {
  if (crash_points_armed()) [[unlikely]]
    crash_point_internal::reached(point);
}

}  // namespace bukubesar
