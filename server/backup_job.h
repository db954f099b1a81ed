// BackupJob: backups of a running node, one at a time, into the directory that its operator configured; and the frozen copy that
// `bukubesar backup DIR` takes one from.
//
// Threads  any; the copying has one of its own.
// Errors   FailedPrecondition: none is configured, or one is under way.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/seldom_warning.h"
#include "config/config.h"
#include "ledger/ledger.h"
#include "server/backup.h"
#include "server/data_lock.h"

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
  // Something was erased: what was set aside before goes. Waits for a freeze under way; a copy under way is warned about.
  void forget_frozen();
  [[nodiscard]] BackupStatus status() const;
  // Ends one that is under way: what it has copied is used by the next. begin_stop() does not wait for its end.
  void begin_stop();
  void stop();

 private:
  absl::StatusOr<BackupDone> run();
  absl::StatusOr<DataLock> freeze_to_copy();

  const Config& config_;
  const Ledger& ledger_;
  std::atomic<bool> stopping_{false};
  absl::Mutex freeze_mutex_;  // while the frozen directory is made, or forgotten
  SeldomWarning copied_with_erased_;
  mutable absl::Mutex mutex_;
  BackupStatus state_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace bukubesar
