// RocksDB's MANIFEST, its list of files, after a power loss that tore the last change to it (ledger/log_tail.h): cut back to its last whole
// record.
//
// What was torn is no loss: tables that a flush wrote are in the log still, and what a compaction read is there, since RocksDB removes
// files only once the change is synced. But RocksDB removes what the list does not name, so a cut that is wrong would cost entries. It is
// tried on a copy first: `<directory>.trial/ledger`, of hard links but for the list itself. RocksDB itself takes some damage for the list's
// end, without a word: so it is never given one that is not whole.
//
// Crash   the old list or the cut one; a trial that was cut off is removed by the next start.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace bukubesar {

// OK where the store in the directory `copy` opens for reading with all that is known to have been stored. It may put files beside `copy`.
using CopyCheck = std::function<absl::Status(const std::string& copy)>;

// OK where the MANIFEST in force of RocksDB's directory is whole, or was cut to what is whole of it, synced. DataLoss where it is damaged,
// or `check` refused the copy; then the directory is as it was. Nothing is looked at where there is no MANIFEST.
[[nodiscard]] absl::Status mend_manifest(const std::string& directory, const CopyCheck& check);

// Removes what a crash left of a mending, for good: the links of its trial would keep bytes that are erased meanwhile.
[[nodiscard]] absl::Status remove_trial(const std::string& directory);

}  // namespace bukubesar
