// RocksDB's MANIFEST, its list of files, after a power loss that tore the last change to it (ledger/log_tail.h): cut back to the change
// before.
//
// What such a change said is no loss: tables that a flush wrote are in the log still, and what a compaction read is there, since RocksDB
// removes files only once the change is synced. But RocksDB removes what the list does not name, so a cut that is wrong would cost entries.
// It is tried on a copy first: `<directory>.trial/ledger`, of hard links but for the list itself.
//
// Crash   the old list or the cut one; a trial that was cut off is removed by the next start.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace bukubesar {

// OK where the store in the directory `copy` opens for reading with all that is known to have been stored. It may put files beside `copy`.
using CopyCheck = std::function<absl::Status(const std::string& copy)>;

// True where a torn tail was cut off the MANIFEST in force of RocksDB's directory, synced. False: there is none, or `check` refused the
// copy, which is logged; then the directory is as it was.
[[nodiscard]] absl::StatusOr<bool> cut_torn_manifest(const std::string& directory, const CopyCheck& check);

// Removes what a crash left of a trial: its links would keep bytes that are erased meanwhile.
[[nodiscard]] absl::Status remove_trial(const std::string& directory);

}  // namespace bukubesar
