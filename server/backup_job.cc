#include "server/backup_job.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/status.h"
#include "base/thread.h"
#include "server/backup_parts.h"

namespace bukubesar {

std::string_view name_of(BackupState state) {
  switch (state) {
    case BackupState::idle:
      return "idle";
    case BackupState::running:
      return "running";
    case BackupState::done:
      return "done";
    case BackupState::failed:
      return "failed";
  }
  return "unknown";
}

BackupJob::BackupJob(const Config& config, const Ledger& ledger) : config_(config), ledger_(ledger) {
  (void)remove_frozen(config.data_dir);  // of a process that was cut off
}

BackupJob::~BackupJob() { stop(); }

absl::Status BackupJob::freeze() {
  absl::MutexLock lock(&freeze_mutex_);
  return freeze_data_directory(config_.data_dir, ledger_);
}

absl::StatusOr<DataLock> BackupJob::freeze_to_copy() {
  absl::MutexLock lock(&freeze_mutex_);
  RETURN_IF_ERROR(freeze_data_directory(config_.data_dir, ledger_));
  return DataLock::take(frozen_directory(config_.data_dir));
}

void BackupJob::forget_frozen() {
  absl::MutexLock lock(&freeze_mutex_);
  if (const auto copier = remove_frozen(config_.data_dir))
    copied_with_erased_.say(failed_precondition(
        "the backup that process {} is copying still holds what was erased: make another when it has ended, with --keep 1", *copier));
}

absl::Status BackupJob::start() {
  if (config_.backup.directory.empty())
    return failed_precondition("backup.directory is not configured: where this server may keep backups is its operator's to say");
  absl::MutexLock lock(&mutex_);
  if (stopping_) return failed_precondition("the server is stopping");
  if (state_.state == BackupState::running) return failed_precondition("a backup is under way: GET /v1/backup says how far it is");
  if (thread_.joinable()) thread_.join();  // it has ended: its state says so
  state_.state = BackupState::running;
  state_.what = "setting the data directory aside";
  state_.bytes_done = state_.bytes_total = 0;
  thread_ = std::thread([this] {
    name_own_thread("backup");
    auto done = run();
    absl::MutexLock ended(&mutex_);
    state_.state = done.ok() ? BackupState::done : BackupState::failed;
    state_.what = done.ok() ? "" : message_of(done.status());
    if (done.ok()) {
      spdlog::info("backup {} in {}: cut {}, {} files of {} copied", done->info.number, config_.backup.directory, done->info.cut.text(),
                   done->files_copied, done->info.files.size());
      state_.last = *std::move(done);
    } else {
      spdlog::error("backup: {}", state_.what);
    }
  });
  return absl::OkStatus();
}

absl::StatusOr<BackupDone> BackupJob::run() {
  ASSIGN_OR_RETURN(DataLock copying, freeze_to_copy());
  BackupOptions options;
  options.source = frozen_directory(config_.data_dir);
  options.directory = config_.backup.directory;
  options.config_text = to_json(config_);
  options.keep = config_.backup.keep;
  options.stopping = &stopping_;
  options.progress = [this](std::string_view what, std::uint64_t done, std::uint64_t total) {
    absl::MutexLock lock(&mutex_);
    state_.what = what;
    state_.bytes_done = done;
    state_.bytes_total = total;
  };
  auto done = make_backup(options);
  remove_frozen(config_.data_dir, std::move(copying));
  return done;
}

BackupStatus BackupJob::status() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

void BackupJob::begin_stop() { stopping_ = true; }

void BackupJob::stop() {
  begin_stop();
  std::thread ended;
  {
    absl::MutexLock lock(&mutex_);
    ended = std::move(thread_);
  }
  if (ended.joinable()) ended.join();
}

}  // namespace bukubesar
