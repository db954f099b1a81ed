// BackupJob: backups of a running node, one at a time, into the directory that its operator configured; and the frozen copy that
// `bukubesar backup DIR` takes one from.
//
// Threads  any; the copying has one of its own.
// Errors   FailedPrecondition: none is configured, or one is under way.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "config/config.h"
#include "ledger/ledger.h"
#include "server/backup.h"

namespace bukubesar {

enum class BackupState : std::uint8_t { idle, running, done, failed };
[[nodiscard]] std::string_view name_of(BackupState state);

struct BackupStatus {
  BackupState state = BackupState::idle;
  std::string what;  // running: what is copied; failed: why
  std::uint64_t bytes_done = 0, bytes_total = 0;
  std::optional<BackupDone> last;  // of this process
};

class BackupJob {
 public:
  BackupJob(const Config& config, const Ledger& ledger);
  ~BackupJob();
  [[nodiscard]] absl::Status start();
  [[nodiscard]] absl::Status freeze();
  [[nodiscard]] BackupStatus status() const;
  // Ends one that is under way: what it has copied is used by the next.
  void stop();

 private:
  absl::StatusOr<BackupDone> run();

  const Config& config_;
  const Ledger& ledger_;
  std::atomic<bool> stopping_{false};
  absl::Mutex freeze_mutex_;
  mutable absl::Mutex mutex_;
  BackupStatus state_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace bukubesar
