#include "ledger/log_tail.h"

#include "base/file.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

namespace fs = std::filesystem;

// A ledger whose log has eight commits; how long it was before the last one.
class LogTail : public testing::Test {
 protected:
  void SetUp() override {
    auto ledger = open_ledger(directory_.ledger(), make_definition());
    for (int i = 0; i < 7; ++i) ASSERT_EQ(commit_events(*ledger, kP0, 100), absl::OkStatus());
    for (const auto& file : fs::directory_iterator(directory_.ledger()))
      if (file.path().extension() == ".log" && fs::file_size(file) > 0) path_ = file.path().string();
    ASSERT_FALSE(path_.empty());
    before_last_ = fs::file_size(path_);
    heads_ = *read_file(directory_.ledger() + ".heads");
    ASSERT_EQ(commit_events(*ledger, kP0, 300), absl::OkStatus());
    log_ = *read_file(path_);
    ASSERT_GT(log_.size(), before_last_ + 4 * 512);
  }
  static void clear_sector(std::string& log, std::size_t sector) {
    for (std::size_t i = sector * 512; i < std::min(log.size(), (sector + 1) * 512); ++i) log[i] = '\0';
  }

  TemporaryDirectory directory_;
  std::string path_, log_, heads_;
  std::size_t before_last_ = 0;
};

TEST_F(LogTail, AWholeLogHasNone) { EXPECT_FALSE(torn_tail(log_, RecordFile::log)); }

TEST_F(LogTail, ALogThatEndsEarlyHasNone) {
  for (std::size_t size = before_last_; size < log_.size(); size += 37)
    EXPECT_FALSE(torn_tail(std::string_view(log_).substr(0, size), RecordFile::log));
}

TEST_F(LogTail, AnySectorsOfTheLastRecordMayBeMissing) {
  for (std::size_t sector = before_last_ / 512 + 1; sector <= (log_.size() - 1) / 512; ++sector) {
    std::string torn = log_;
    clear_sector(torn, sector);
    EXPECT_EQ(torn_tail(torn, RecordFile::log), before_last_) << sector;
  }
  std::string torn = log_;
  for (std::size_t at = before_last_; at % 512 != 0; ++at) torn[at] = '\0';  // the sector where it begins, as it was before
  EXPECT_EQ(torn_tail(torn, RecordFile::log), before_last_);
}

TEST_F(LogTail, AFlippedByteIsNoTear) {
  for (std::size_t at = before_last_; at < log_.size(); at += 11) {
    std::string damaged = log_;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_FALSE(torn_tail(damaged, RecordFile::log)) << at;
  }
}

TEST_F(LogTail, AnEmptySectorBeforeTheLastRecordIsNoTear) {
  for (std::size_t sector = 0; (sector + 1) * 512 <= before_last_; ++sector) {
    std::string damaged = log_;
    clear_sector(damaged, sector);
    EXPECT_FALSE(torn_tail(damaged, RecordFile::log)) << sector;
  }
}

TEST_F(LogTail, ATornLedgerOpensWithoutItsLastCommit) {
  // As the disk stood while the last commit was written: the heads file is older.
  std::string torn = log_;
  clear_sector(torn, before_last_ / 512 + 2);
  const std::string place = (directory_.path() / "torn").string();
  fs::copy(directory_.ledger(), place);
  ASSERT_EQ(write_file_durably(place + ".heads", heads_), absl::OkStatus());
  ASSERT_EQ(write_file_durably((fs::path(place) / fs::path(path_).filename()).string(), torn), absl::OkStatus());
  auto ledger = open_ledger(place, make_definition());
  ASSERT_NE(ledger, nullptr);
  EXPECT_EQ(ledger->head(kP0).size, 700U);
  EXPECT_FALSE(ledger->shorter_than_recorded());
}

}  // namespace
}  // namespace bukubesar
