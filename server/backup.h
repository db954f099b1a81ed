// Backup: copies of a data directory, one beside the other in a backup directory, each file kept once by its content.
//
//   <directory>/bukubesar-backup       says what this is, and of which ledger
//   <directory>/files/<2>/<sha256>     contents
//   <directory>/backups/<number>.json  one for each backup: every file with its SHA-256, and sizes and roots; written last
//
// A backup holds the ledger, its heads file, segments, definition, configuration, the log of reads and what a witness remembers; the
// signing key only where asked for. It is incremental: a file that stands there already is not copied again, and not even read where
// nothing touched it since.
//
// Source  docs/FORMAT.md, "Backups".
// Crash   a backup without its .json is none; its contents are removed or used by the next one. A restore that was cut off leaves
//         `<data>.restoring`, which the next one removes.
// Errors  FailedPrecondition: the directory holds something else, or another ledger's backups; DATA is not empty. DataLoss: a content is
//         not what was written, the restored ledger is not the one that was copied, or its log of reads is damaged. NotFound: no such
//         backup.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/cut.h"
#include "base/ids.h"
#include "base/progress.h"
#include "base/sha256.h"

namespace bukubesar {

// What of a data directory stands still: `<data_dir>/frozen` of a running server, or the directory of one that was stopped.
inline constexpr std::string_view kFrozenDirectory = "frozen";

struct BackupFile {
  std::string path;  // in the data directory
  std::string sha256;
  std::uint64_t bytes = 0;
  std::string stamp;  // device, inode and time of its source: unchanged, its content is
};

struct BackupInfo {
  std::uint64_t number = 0;
  std::int64_t made_at_ms = 0;
  std::string ledger;
  Cut cut;
  std::map<PartitionId, Hash256> roots;
  bool with_key = false;
  std::vector<BackupFile> files;
  [[nodiscard]] std::uint64_t bytes() const;
};

struct BackupDone {
  BackupInfo info;
  std::uint64_t files_copied = 0, bytes_copied = 0, backups_removed = 0;
};

struct BackupOptions {
  std::string source;                           // the data directory, or what was frozen of it
  std::string directory;                        // where backups are kept
  std::string key_file;                         // empty: the signing key is not copied
  std::string config_text;                      // of the node, as JSON
  std::uint32_t keep = 0;                       // older backups beyond so many are removed; 0: none
  Progress progress;                            // bytes
  const std::atomic<bool>* stopping = nullptr;  // true ends it between two files
};
[[nodiscard]] absl::StatusOr<BackupDone> make_backup(const BackupOptions& options);

// Ascending by number. A file that is no backup's is an error.
[[nodiscard]] absl::StatusOr<std::vector<BackupInfo>> list_backups(const std::string& directory);

struct RestoreOptions {
  std::string directory;
  std::optional<std::uint64_t> number;  // nothing: the newest
  std::string data_dir;                 // must not exist, or be empty
  // Heads files and checkpoints that say how far the ledger had come later (I9): where they are ahead of the backup, the node neither
  // answers nor signs until Kafka has led it there. A checkpoint counts where one of `verifier_keys` signed it.
  std::vector<std::string> reach_files, verifier_keys;
  bool damaged_reads = false;  // a log of reads that was damaged before it was copied comes back as it is
  Progress progress;
};
struct RestoreDone {
  BackupInfo info;
  Cut to_reach;  // partitions that were further, with how far
};
[[nodiscard]] absl::StatusOr<RestoreDone> restore_backup(const RestoreOptions& options);

}  // namespace bukubesar
