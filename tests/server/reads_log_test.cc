#include "server/reads_log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace bukubesar {
namespace {

class ReadsLogTest : public ::testing::Test {
 protected:
  ReadsLogTest() {
    root_ =
        testing::TempDir() + "/reads_" + std::to_string(::getpid()) + "_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~ReadsLogTest() override { std::filesystem::remove_all(root_); }
  [[nodiscard]] std::string directory() const { return root_ + "/reads"; }
  std::unique_ptr<ReadsLog> open(std::uint64_t file_bytes_max = kReadsFileBytesMax) {
    auto log = ReadsLog::open({directory(), file_bytes_max});
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }
  void write(int count, std::uint64_t file_bytes_max = kReadsFileBytesMax) {
    const auto log = open(file_bytes_max);
    for (int i = 0; i < count; ++i) {
      const std::string path = "/payload/0/" + std::to_string(i);
      ASSERT_TRUE(log->append({"auditor", "GET", path, "0=9,reference=1", 200}).ok());
    }
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(directory())) names.push_back(each.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  void replace(const std::string& name, std::string_view content) {
    ASSERT_TRUE(write_file_durably(directory() + "/" + name, content).ok());
  }
  std::string root_;
};

constexpr const char* kFirst = "000000000000.jsonl";

TEST_F(ReadsLogTest, KeepsWhatWasAskedAcrossAStart) {
  write(3);
  write(2);
  const ReadsCheck check = check_reads(directory());
  EXPECT_EQ(check.lines, 5U);
  EXPECT_TRUE(check.findings.empty()) << check.findings[0].first << check.findings[0].second;
  const auto log = open();
  EXPECT_EQ(log->trouble(), "");
  const auto lines = log->lines(3, 10);
  ASSERT_EQ(lines->size(), 2U);
  const auto row = nlohmann::json::parse(lines->at(0));
  EXPECT_EQ(row["n"], 3);
  EXPECT_EQ(row["token"], "auditor");
  EXPECT_EQ(row["path"], "/payload/0/0");
  EXPECT_EQ(row["status"], 200);
  EXPECT_EQ(row["cut"], "0=9,reference=1");
}

TEST_F(ReadsLogTest, GoesOnInANewFileWithTheChain) {
  write(20, 600);
  EXPECT_GT(names().size(), 3U);
  write(5, 600);
  const ReadsCheck check = check_reads(directory());
  EXPECT_EQ(check.lines, 25U);
  EXPECT_TRUE(check.findings.empty()) << check.findings[0].first << check.findings[0].second;
  EXPECT_EQ(open()->lines(0, 100)->size(), 25U);
  std::filesystem::remove(directory() + "/" + names()[1]);
  EXPECT_FALSE(check_reads(directory()).findings.empty()) << "a whole file is gone";
}

TEST_F(ReadsLogTest, EveryFlippedByteIsFoundAtItsLine) {
  write(3);
  const std::string whole = *read_file(directory() + "/" + kFirst);
  int line = 1;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    replace(kFirst, changed);
    const ReadsCheck check = check_reads(directory());
    ASSERT_FALSE(check.findings.empty()) << at;
    // A flipped byte shows in its own line or where the next one names its hash; in the last line by the head.
    const std::string& place = check.findings[0].first;
    const bool named = place == "reads" || place == std::string("reads/") + kFirst || place.ends_with(":" + std::to_string(line)) ||
                       place.ends_with(":" + std::to_string(line + 1));
    EXPECT_TRUE(named) << at << " " << place;
    if (whole[at] == '\n') ++line;
  }
}

TEST_F(ReadsLogTest, EveryCutAtTheEndIsFound) {
  write(3);
  const std::string whole = *read_file(directory() + "/" + kFirst);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    replace(kFirst, whole.substr(0, size));
    EXPECT_FALSE(check_reads(directory()).findings.empty()) << size;
  }
  replace(kFirst, whole.substr(0, whole.find('\n') + 1));
  {
    const auto log = open();
    EXPECT_NE(log->trouble(), "");
    ASSERT_TRUE(log->append({"", "GET", "/payload/0/7", "", 200}).ok()) << "the server goes on";
  }
  const ReadsCheck after = check_reads(directory());
  ASSERT_FALSE(after.findings.empty()) << "and the break stays in the log";
  EXPECT_NE(after.findings[0].second.find("broken"), std::string::npos) << after.findings[0].second;
  EXPECT_EQ(open()->trouble(), "") << "said once";
}

TEST_F(ReadsLogTest, ALineThatACrashToreGivesWayToTheNext) {
  write(2);
  replace(kFirst, *read_file(directory() + "/" + kFirst) + R"({"n":2,"at":"2023-)");
  write(1);
  const ReadsCheck check = check_reads(directory());
  EXPECT_EQ(check.lines, 3U);
  EXPECT_TRUE(check.findings.empty()) << check.findings[0].second;
}

class StoppedClock : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'683'767'520'250; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return {}; }
};

TEST_F(ReadsLogTest, IsWrittenAsFormatMdHasIt) {
  const std::string document = *read_file(BUKUBESAR_SOURCE_DIR "/docs/FORMAT.md");
  const auto example = [&](const std::string& name) {
    const std::size_t first = document.find("```text " + name + "\n") + name.size() + 9;
    return document.substr(first, document.find("```", first) - first);
  };
  const StoppedClock clock;
  {
    const auto log = ReadsLog::open({directory(), kReadsFileBytesMax, &clock});
    ASSERT_TRUE((*log)->append({"auditor", "GET", "/payload/0/1", "0=2,reference=0", 200}).ok());
    ASSERT_TRUE((*log)->append({"auditor", "GET", "/v1/rejected/0?limit=100", "0=2,reference=0", 200}).ok());
  }
  EXPECT_EQ(*read_file(directory() + "/" + kFirst), example("reads"));
  EXPECT_EQ(*read_file(directory() + ".head"), example("reads-head"));
}

// As Linux has it: a failed sync is told once, what it did not write is lost, and the next sync succeeds without it.
class ForgetfulDisk {
 public:
  std::function<int(int)> sync() {
    return [this](int fd) {
      struct stat info {};
      if (::fstat(fd, &info) != 0) return -1;
      off_t& synced = synced_[info.st_ino];
      if (!fails_once_.exchange(false)) {
        synced = info.st_size;
        return 0;
      }
      const std::string lost(static_cast<std::size_t>(info.st_size - synced), '\0');
      EXPECT_EQ(::pwrite(fd, lost.data(), lost.size(), synced), static_cast<ssize_t>(lost.size()));
      errno = EIO;
      return -1;
    };
  }
  void fail_once() { fails_once_ = true; }
  [[nodiscard]] bool has_failed() const { return !fails_once_; }

 private:
  std::atomic<bool> fails_once_{false};
  std::map<ino_t, off_t> synced_;  // the log never syncs from two threads at once
};

TEST_F(ReadsLogTest, WhatAFailedSyncLostIsWrittenAgain) {
  for (const std::uint64_t file_bytes_max : {kReadsFileBytesMax, std::uint64_t{600}}) {  // by a sync, and by the next file
    std::filesystem::remove_all(root_);
    ForgetfulDisk disk;
    {
      auto log = ReadsLog::open({directory(), file_bytes_max, &Clock::system(), disk.sync()});
      ASSERT_TRUE(log.ok()) << log.status();
      const auto append = [&] { return (*log)->append({"auditor", "GET", "/payload/0/1", "0=9,reference=1", 200}).ok(); };
      ASSERT_TRUE(append());
      ASSERT_TRUE((*log)->sync().ok());
      disk.fail_once();
      for (int lines = 1; lines < 20; lines += append() ? 1 : 0) continue;
      for (int tries = 0; tries < 2; ++tries) (void)(*log)->sync();
      EXPECT_TRUE(disk.has_failed());
    }
    const ReadsCheck check = check_reads(directory());
    EXPECT_EQ(check.lines, 20U);
    EXPECT_TRUE(check.findings.empty()) << check.findings[0].first << ": " << check.findings[0].second;
  }
}

TEST_F(ReadsLogTest, AHeadThatIsDamagedOrGoneIsFound) {
  write(2);
  ASSERT_TRUE(write_file_durably(directory() + ".head", "nonsense").ok());
  EXPECT_FALSE(check_reads(directory()).findings.empty());
  std::filesystem::remove(directory() + ".head");
  EXPECT_FALSE(check_reads(directory()).findings.empty());
  std::filesystem::remove_all(directory());
  EXPECT_TRUE(check_reads(directory()).findings.empty()) << "nobody ever read anything";
}

TEST_F(ReadsLogTest, AStartWithLinesAndNoHeadSaysSo) {
  write(2);
  std::filesystem::remove(directory() + ".head");
  EXPECT_NE(open()->trouble().find("reads.head"), std::string::npos);
}

// A kill between the first line ever and its sync is no damage.
TEST_F(ReadsLogTest, AHeadStandsBeforeTheFirstLine) {
  auto log = ReadsLog::open({directory(), kReadsFileBytesMax, &Clock::system(), [](int) { return -1; }});
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_TRUE((*log)->append({"auditor", "GET", "/payload/0/1", "0=9,reference=1", 200}).ok());
  const ReadsCheck check = check_reads(directory());
  EXPECT_EQ(check.lines, 1U);
  EXPECT_TRUE(check.findings.empty()) << check.findings[0].first << ": " << check.findings[0].second;
}

}  // namespace
}  // namespace bukubesar
