// What is set aside for a backup, when that goes, and what a disk that refuses makes of it. tests/e2e/backup_test.py has the rest.
#include "server/backup.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "config/config.h"
#include "server/backup_job.h"
#include "server/backup_parts.h"
#include "server/data_lock.h"
#include "tests/child.h"
#include "tests/ledger/fixture.h"
#include "tests/logged.h"

namespace bukubesar {
namespace {

using testing_support::exit_code_of_child;
using testing_support::Logged;

namespace fs = std::filesystem;

class Backup : public ::testing::Test {
 protected:
  Backup() {
    config_.data_dir = directory_.path().string();
    EXPECT_TRUE(DefinitionFile::create(config_.data_dir + "/definition.jsonl", make_definition()).ok());
    ledger_ = open_ledger(directory_.ledger(), make_definition());
    EXPECT_TRUE(commit_events(*ledger_, kP0, 20).ok());
    EXPECT_TRUE(ledger_->record_heads(true).ok());
  }
  [[nodiscard]] std::string frozen() const { return config_.data_dir + "/frozen"; }
  [[nodiscard]] bool anything_frozen() const { return fs::exists(frozen()) || fs::exists(frozen() + ".old"); }

  TemporaryDirectory directory_;
  Config config_;
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(Backup, OfAPartThatCannotBeReadIsNotSetAside) {
  ASSERT_TRUE(write_file_durably(config_.data_dir + "/segments", "no directory").ok());
  const absl::Status frozen = freeze_data_directory(config_.data_dir, *ledger_);
  EXPECT_TRUE(absl::IsUnavailable(frozen)) << frozen;
  EXPECT_NE(message_of(frozen).find("segments"), std::string::npos) << frozen;
  EXPECT_FALSE(anything_frozen()) << "half of it";
}

TEST_F(Backup, WhoseSourceIsGoneIsNoEmptyOne) {
  fs::create_directories(frozen());
  EXPECT_TRUE(absl::IsNotFound(backup_paths(frozen()).status()));
}

TEST_F(Backup, ForgetsWithAnErasureWhatWasSetAside) {
  BackupJob job(config_, *ledger_);
  ASSERT_TRUE(job.freeze().ok());
  ASSERT_TRUE(fs::exists(frozen()));
  fs::create_directories(frozen() + ".old/of a removal that was cut off");
  job.forget_frozen();
  EXPECT_FALSE(anything_frozen());
}

TEST_F(Backup, ThatIsBeingCopiedOutlastsAnErasureWithAWarning) {
  BackupJob job(config_, *ledger_);
  ASSERT_TRUE(job.freeze().ok());
  auto copying = DataLock::take(frozen());
  ASSERT_TRUE(copying.ok());
  {
    const Logged logged;
    job.forget_frozen();
    EXPECT_TRUE(logged.has("still holds what was erased"));
  }
  EXPECT_TRUE(fs::exists(frozen() + "/ledger"));
  EXPECT_TRUE(absl::IsFailedPrecondition(job.freeze()));
  remove_frozen(config_.data_dir, *std::move(copying));
  EXPECT_FALSE(anything_frozen());
  EXPECT_TRUE(job.freeze().ok());
}

// root too has only the rights that a file's mode gives.
bool give_up_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return ::syscall(SYS_capset, &header, none) == 0;
}

TEST_F(Backup, SaysWhichContentItCannotRemove) {
  ledger_.reset();
  BackupOptions options;
  options.source = config_.data_dir;
  options.directory = config_.data_dir + "/backups-of-it";
  options.keep = 1;
  ASSERT_TRUE(make_backup(options).ok());
  const std::string needless = options.directory + "/files/no/needless";
  fs::create_directories(options.directory + "/files/no");
  ASSERT_TRUE(write_file_durably(needless, "of no backup").ok());
  fs::permissions(options.directory + "/files/no", fs::perms::owner_read | fs::perms::owner_exec);
  const int code = exit_code_of_child([&] {
    if (!give_up_capabilities()) return 1;
    const auto done = make_backup(options);
    if (!absl::IsUnavailable(done.status())) return 2;
    return message_of(done.status()).find(needless) == std::string::npos ? 3 : 0;
  });
  EXPECT_EQ(code, 0);
  const auto all = list_backups(options.directory);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ(all->front().number, 2U) << "it is made all the same";
  fs::permissions(options.directory + "/files/no", fs::perms::owner_all);
  EXPECT_TRUE(make_backup(options).ok());
  EXPECT_FALSE(fs::exists(needless));
}

}  // namespace
}  // namespace bukubesar
