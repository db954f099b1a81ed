// What of a data directory a backup holds, and how a running node sets it aside.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/ledger.h"
#include "server/backup.h"
#include "server/data_lock.h"

namespace bukubesar {

// Relative paths of what stands in the data directory and belongs into a backup, sorted.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> backup_paths(const std::string& data_dir);

// `<data_dir>/frozen`.
[[nodiscard]] std::string frozen_directory(const std::string& data_dir);
// Sets it aside, in place of an older one: all that a backup holds, as it stands now, hard links where files never change.
// Beside commits. FailedPrecondition where the older one is being copied, with the process that copies.
[[nodiscard]] absl::Status freeze_data_directory(const std::string& data_dir, const Ledger& ledger);
// Removes it, unless a process copies it, which is returned. What stays for another reason is warned about.
std::optional<std::string> remove_frozen(const std::string& data_dir);
// By whoever has copied it: `copying` is its lock, held until nobody finds it any more.
void remove_frozen(const std::string& data_dir, DataLock copying);

// Whether the directory's ledger is the one that the backup's list says.
[[nodiscard]] absl::Status check_restored(const std::string& directory, const BackupInfo& info);

}  // namespace bukubesar
