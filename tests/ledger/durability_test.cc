// I8, I9, and what damage to any byte of the directory leads to.
#include <fcntl.h>
#include <sched.h>

#include <fstream>
#include <random>
#include <set>

#include "base/file.h"
#include "ledger/heads_file.h"
#include "ledger/signer.h"
#include "ledger/verify.h"
#include "tests/child.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

using testing_support::exit_code_of;
using testing_support::exit_code_of_child;
using testing_support::FullDisk;
using testing_support::kNoExit;

namespace fs = std::filesystem;

void copy_tree(const fs::path& from, const fs::path& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

// Runs `work` in a child that ends as by kill -9: no destructor, no flush. The child reports sizes through the pipe.
std::uint64_t last_acknowledged_by_killed_child(const std::string& directory, int commits) {
  int pipe_ends[2];
  EXPECT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto ledger = Ledger::open({directory, false, {}}, make_definition());
    if (!ledger.ok()) ::_exit(1);
    for (int i = 0; i < commits; ++i) {
      if (!commit_events(**ledger, kP0, 100).ok()) ::_exit(2);
      if (i == commits / 2 && !(*ledger)->record_heads(/*now=*/true).ok()) ::_exit(3);
      const std::uint64_t size = (*ledger)->head(kP0).size;
      if (::write(pipe_ends[1], &size, sizeof size) != sizeof size) ::_exit(4);
    }
    ::_exit(0);
  }
  ::close(pipe_ends[1]);
  std::uint64_t size = 0;
  std::uint64_t read_size = 0;
  while (::read(pipe_ends[0], &read_size, sizeof read_size) == sizeof read_size) size = read_size;
  ::close(pipe_ends[0]);
  EXPECT_EQ(exit_code_of(child), 0);
  return size;
}

// A compaction that only gets what others leave of the processor gets nothing on a busy machine, and then writes wait for it.
TEST(Ledger, CompactionRunsAtThePriorityOfEverybody) {
  TemporaryDirectory directory;
  const auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_NE(ledger, nullptr);
  int found = 0;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream name_file(task.path() / "comm");
    std::string name;
    std::getline(name_file, name);
    if (name.rfind("rocksdb:", 0) != 0) continue;
    ++found;
    const pid_t thread = std::stoi(task.path().filename().string());
    EXPECT_EQ(::sched_getscheduler(thread), SCHED_OTHER) << name;
    EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(thread)), ::getpriority(PRIO_PROCESS, static_cast<id_t>(::getpid()))) << name;
  }
  EXPECT_GE(found, 2);
}

TEST(Ledger, I8WhatWasAcknowledgedIsThereAfterTheProcessDies) {
  TemporaryDirectory directory;
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 3; ++round) {
    acknowledged = last_acknowledged_by_killed_child(directory.ledger(), 7);
    EXPECT_EQ(acknowledged, 700U * static_cast<unsigned>(round + 1));
  }
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_NE(ledger, nullptr);
  EXPECT_EQ(ledger->head(kP0).size, acknowledged);
  EXPECT_FALSE(ledger->shorter_than_recorded());
  EXPECT_TRUE(verify_ledger(*ledger, make_definition(), "", {}, {}).ok());
}

// A full disk, in a child whose files may not grow: the commit that meets it is not acknowledged, nor any after it; reads go on.
TEST(Ledger, I8AWriteThatFailsIsNotAcknowledgedAndStopsAllWriting) {
  TemporaryDirectory directory;
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto ledger = Ledger::open({directory.ledger(), false, {}}, make_definition());
    if (!ledger.ok() || !commit_events(**ledger, kP0, 100).ok()) ::_exit(1);
    absl::Status status;
    std::uint64_t size = 0;
    bool reads = false;
    {
      const FullDisk full(64 * 1024);
      for (int i = 0; i < 1000 && status.ok(); ++i) status = commit_events(**ledger, kP0, 100);
      size = (*ledger)->head(kP0).size;
      reads = (*ledger)->read(kP0, Sequence(size - 1), 1).ok();
    }
    const bool refused = status.code() == absl::StatusCode::kUnavailable;
    const bool stays = commit_events(**ledger, kP0, 1).code() == absl::StatusCode::kUnavailable;
    (void)!::write(pipe_ends[1], &size, sizeof size);
    ::_exit(!refused ? 3 : !reads ? 4 : !stays ? 5 : 0);
  }
  ::close(pipe_ends[1]);
  std::uint64_t acknowledged = 0;
  ASSERT_EQ(::read(pipe_ends[0], &acknowledged, sizeof acknowledged), static_cast<ssize_t>(sizeof acknowledged));
  ::close(pipe_ends[0]);
  ASSERT_EQ(exit_code_of(child), 0);
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_NE(ledger, nullptr);
  EXPECT_GE(ledger->head(kP0).size, acknowledged);
  EXPECT_EQ(ledger->head(kP0).size % 100, 0U) << "a commit is there as a whole or not at all";
  EXPECT_TRUE(verify_ledger(*ledger, make_definition(), "", {}, {}).ok());
}

// The same, then room again: what is in doubt is looked at, its ids are free again where it is not stored, and commits go on.
TEST(Ledger, I8AfterAFailedWriteItIsOpenedAnewAndGoesOn) {
  TemporaryDirectory directory;
  const int code = exit_code_of_child([&] {
    auto ledger = Ledger::open({directory.ledger(), false, {}}, make_definition());
    if (!ledger.ok()) return 1;
    for (int round = 0; round < 3; ++round) {
      if (!commit_events(**ledger, kP0, 100).ok()) return 2;
      std::uint64_t size = 0;
      {
        const FullDisk full(64 * 1024);
        while (commit_events(**ledger, kP0, 100).ok()) {
        }
        size = (*ledger)->head(kP0).size;
        if ((*ledger)->reopen().code() != absl::StatusCode::kUnavailable) return 4;
        if (!(*ledger)->read(kP0, Sequence(size - 1), 1).ok()) return 5;
      }
      if (!(*ledger)->reopen().ok() || !(*ledger)->writable().ok()) return 6;
      if ((*ledger)->head(kP0).size != size && (*ledger)->head(kP0).size != size + 100) return 7;
      if (!commit_events(**ledger, kP0, 100).ok()) return 8;
    }
    return verify_ledger(**ledger, make_definition(), "", {}, {}).ok() ? 0 : 9;
  });
  ASSERT_EQ(code, 0);
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_NE(ledger, nullptr);
  EXPECT_TRUE(verify_ledger(*ledger, make_definition(), "", {}, {}).ok());
}

// The store of an earlier day beside the heads file of today.
struct Shortened {
  TemporaryDirectory directory;
  PartitionHead old_head, new_head;
  std::vector<PartitionBatch> lost;

  Shortened() {
    auto ledger = open_ledger(directory.ledger(), make_definition());
    EXPECT_EQ(commit_events(*ledger, kP0, 100), absl::OkStatus());
    old_head = ledger->head(kP0);
    ledger.reset();
    copy_tree(directory.ledger(), directory.path() / "copy");
    ledger = open_ledger(directory.ledger(), make_definition());
    EXPECT_EQ(commit_events(*ledger, kP0, 60), absl::OkStatus());
    new_head = ledger->head(kP0);
    ledger.reset();
    copy_tree(directory.path() / "copy", directory.ledger());
  }
};

TEST(Ledger, I9ShorterOpensAndIsWholeAgainOnceReadAgainWithTheSameRoot) {
  Shortened shortened;
  auto ledger = open_ledger(shortened.directory.ledger(), make_definition());
  ASSERT_NE(ledger, nullptr);
  EXPECT_TRUE(ledger->shorter_than_recorded());
  EXPECT_EQ(ledger->head(kP0).size, 100U);
  const auto sign = [&] { return CheckpointSigner(*ledger, make_definition(), SigningKeys::of_seed(std::string(32, 's'))).sign(); };
  EXPECT_EQ(sign().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(verify_ledger(*ledger, make_definition(), "", {}, {}).ok());
  ASSERT_EQ(ledger->record_heads(/*now=*/true), absl::OkStatus());
  ASSERT_EQ(commit_events(*ledger, kP0, 59), absl::OkStatus());
  EXPECT_TRUE(ledger->shorter_than_recorded());
  ledger.reset();  // writes the heads file: it must not forget what was
  ledger = open_ledger(shortened.directory.ledger(), make_definition());
  EXPECT_TRUE(ledger->shorter_than_recorded());
  ASSERT_EQ(commit_events(*ledger, kP0, 5), absl::OkStatus()) << "a commit may go beyond";
  EXPECT_FALSE(ledger->shorter_than_recorded());
  EXPECT_EQ(*ledger->root(kP0, 160), shortened.new_head.root);
  EXPECT_EQ(sign(), absl::OkStatus());
  EXPECT_TRUE(verify_ledger(*ledger, make_definition(), "", {}, {}).ok());
}

TEST(Ledger, I9AnotherHistoryIsNotStored) {
  Shortened shortened;
  auto ledger = open_ledger(shortened.directory.ledger(), make_definition());
  EXPECT_EQ(commit_events(*ledger, kP0, 60, "other").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ledger->head(kP0).size, 100U);
  EXPECT_TRUE(ledger->shorter_than_recorded());
  ASSERT_EQ(commit_events(*ledger, kP0, 60), absl::OkStatus());
  EXPECT_FALSE(ledger->shorter_than_recorded());
}

TEST(Ledger, I9AStoreThatIsGoneIsShorter) {
  Shortened shortened;
  fs::remove_all(shortened.directory.ledger());
  auto ledger = open_ledger(shortened.directory.ledger(), make_definition());
  ASSERT_NE(ledger, nullptr);
  EXPECT_TRUE(ledger->shorter_than_recorded());
  ASSERT_EQ(commit_events(*ledger, kP0, 160), absl::OkStatus());
  EXPECT_FALSE(ledger->shorter_than_recorded());
}

TEST(Ledger, I9DifferentIsRefusedWithBothRoots) {
  TemporaryDirectory a;
  TemporaryDirectory b;
  Hash256 root{};
  {
    auto ledger = open_ledger(a.ledger(), make_definition());
    ASSERT_EQ(commit_events(*ledger, kP0, 40), absl::OkStatus());
    root = ledger->head(kP0).root;
    auto other = open_ledger(b.ledger(), make_definition());
    ASSERT_EQ(commit_events(*other, kP0, 50, "other"), absl::OkStatus());
  }
  fs::copy_file(a.ledger() + ".heads", b.ledger() + ".heads", fs::copy_options::overwrite_existing);
  const auto opened = Ledger::open({b.ledger(), false, {}}, make_definition());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(opened.status().ToString().find(hex(as_view(root))), std::string::npos) << opened.status();
}

TEST(Ledger, I9AMissingOrDamagedHeadsFileIsRefused) {
  TemporaryDirectory directory;
  {
    auto ledger = open_ledger(directory.ledger(), make_definition());
    ASSERT_EQ(commit_events(*ledger, kP0, 5), absl::OkStatus());
  }
  const std::string path = directory.ledger() + ".heads";
  const std::string text = *read_file(path);
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string damaged = text;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_FALSE(parse_heads(damaged, "test", path).ok()) << at;
  }
  ASSERT_EQ(write_file_durably(path, text.substr(0, text.size() / 2)), absl::OkStatus());
  EXPECT_EQ(Ledger::open({directory.ledger(), false, {}}, make_definition()).status().code(), absl::StatusCode::kDataLoss);
  fs::remove(path);
  EXPECT_EQ(Ledger::open({directory.ledger(), false, {}}, make_definition()).status().code(), absl::StatusCode::kDataLoss);
}

std::vector<fs::path> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(directory))
    if (file.is_regular_file()) files.push_back(file.path());
  std::sort(files.begin(), files.end());
  return files;
}

// RocksDB hides the cut of a log at the border of two records: its default mode opens with the later commits missing.
TEST(Ledger, I9ALogCutAnywhereIsNoticed) {
  TemporaryDirectory directory;
  {
    auto ledger = open_ledger(directory.ledger(), make_definition());
    for (int i = 0; i < 8; ++i) ASSERT_EQ(commit_events(*ledger, kP0, 3), absl::OkStatus());
  }
  fs::path log;
  for (const fs::path& file : files_of(directory.ledger()))
    if (file.extension() == ".log" && fs::file_size(file) > 0) log = file;
  ASSERT_FALSE(log.empty());
  const auto size = fs::file_size(log);
  copy_tree(directory.ledger(), directory.path() / "whole");
  int shorter = 0;
  for (std::uintmax_t cut = 0; cut < size; cut += 1 + size / 40) {
    copy_tree(directory.path() / "whole", directory.ledger());
    fs::resize_file(fs::path(directory.ledger()) / log.filename(), cut);
    auto ledger = Ledger::open({directory.ledger(), true, {}}, make_definition());
    if (!ledger.ok()) continue;
    EXPECT_TRUE((*ledger)->shorter_than_recorded()) << "cut at " << cut << " of " << size;
    ++shorter;
  }
  EXPECT_GT(shorter, 0) << "cuts inside the tail must open";
}

// What a reader makes of the directory: refusal, shorter, or what verify finds. Empty: nothing noticed.
// In a child, since RocksDB as packaged in Debian has its asserts on: ending the process is no way to name a place.
std::string noticed(const std::string& directory, const std::string& key_file, bool& aborted) {
  int pipe_ends[2];
  EXPECT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string said;
    {
      const auto ledger = Ledger::open({directory, true, {}}, make_definition());
      if (!ledger.ok()) {
        said = "open: " + ledger.status().ToString();
      } else if ((*ledger)->shorter_than_recorded()) {
        said = "shorter";
      } else {
        const VerifyReport report = verify_ledger(**ledger, make_definition(), key_file, {}, {});
        if (!report.ok()) said = report.findings[0].place + ": " + report.findings[0].what;
      }
    }
    (void)!::write(pipe_ends[1], said.data(), std::min<std::size_t>(said.size(), 4000));
    ::_exit(0);
  }
  ::close(pipe_ends[1]);
  std::string said;
  char buffer[512];
  for (ssize_t count; (count = ::read(pipe_ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, static_cast<std::size_t>(count));
  ::close(pipe_ends[0]);
  aborted = exit_code_of(child) == kNoExit;
  return aborted ? "aborted" : said;
}

class Damage : public testing::Test {
 protected:
  void SetUp() override {
    key_file_ = (directory_.path() / "key").string();
    ASSERT_EQ(SigningKeys::create(key_file_), absl::OkStatus());
    auto ledger = open_ledger(directory_.ledger(), make_definition());
    CheckpointSigner signer(*ledger, make_definition(), *SigningKeys::load(key_file_));
    ASSERT_EQ(commit_events(*ledger, kP0, 300), absl::OkStatus());
    ASSERT_EQ(commit_events(*ledger, PartitionId::reference(), 20), absl::OkStatus());
    ASSERT_EQ(signer.sign(), absl::OkStatus());
    ASSERT_EQ(ledger->flush(), absl::OkStatus());
    ASSERT_EQ(commit_events(*ledger, kP0, 30), absl::OkStatus());
    ASSERT_EQ(signer.sign(), absl::OkStatus());
    ledger.reset();
    copy_tree(directory_.ledger(), directory_.path() / "whole");
  }
  // Text files that hold nothing an answer depends on.
  static bool matters(const fs::path& file) {
    const std::string name = file.filename().string();
    return name != "IDENTITY" && name != "LOCK" && name.rfind("OPTIONS", 0) != 0 && fs::file_size(file) > 0;
  }
  void restore() { copy_tree(directory_.path() / "whole", directory_.ledger()); }

  TemporaryDirectory directory_;
  std::string key_file_;
};

TEST_F(Damage, NothingIsFoundInAWholeDirectory) {
  bool aborted = false;
  EXPECT_EQ(noticed(directory_.ledger(), key_file_, aborted), "");
  EXPECT_FALSE(aborted);
}

TEST_F(Damage, AFlippedByteInAnyFileIsNoticed) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int flips = 0;
  int aborts = 0;
  for (const fs::path& whole : files_of(directory_.path() / "whole")) {
    if (!matters(whole)) continue;
    const auto size = fs::file_size(whole);
    const char* more = std::getenv("BUKUBESAR_DAMAGE_SAMPLES");  // of each file; more for long campaigns
    const int samples = more != nullptr ? std::atoi(more) : size < 20 ? 3 : 12;
    for (int i = 0; i < samples; ++i) {
      const auto at = std::uniform_int_distribution<std::uintmax_t>(0, size - 1)(random);
      restore();
      const std::string path = (fs::path(directory_.ledger()) / whole.filename()).string();
      std::string bytes = *read_file(path);
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      bool aborted = false;
      const std::string said = noticed(directory_.ledger(), key_file_, aborted);
      EXPECT_NE(said, "") << whole.filename() << " byte " << at << " of " << size;
      if (aborted) ++aborts;
      ++flips;
    }
  }
  EXPECT_GT(flips, 50);
  EXPECT_EQ(aborts, 0);
}

// RocksDB parses a table's properties before it compares their checksum, and some flips there end the process: ledger/checked_files.
TEST_F(Damage, AFlippedByteInTheMetaBlocksOfATableIsRefusedByName) {
  constexpr std::uintmax_t kMetaBytes = 1500;  // properties, metaindex and footer stand at the end
  fs::path table;
  for (const fs::path& file : files_of(directory_.path() / "whole"))
    if (file.extension() == ".sst" && (table.empty() || fs::file_size(file) < fs::file_size(table))) table = file;
  ASSERT_FALSE(table.empty());
  const std::string whole = *read_file(table.string());
  const std::string path = (fs::path(directory_.ledger()) / table.filename()).string();
  const auto write = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  restore();
  for (std::size_t at = whole.size() - std::min<std::size_t>(whole.size(), kMetaBytes); at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    write(bytes);
    const auto ledger = Ledger::open({directory_.ledger(), true, {}}, make_definition());
    if (ledger.ok()) {
      // A byte between the blocks, or padding: the file's checksum is the only thing that knows it.
      EXPECT_FALSE(verify_ledger(**ledger, make_definition(), key_file_, {}, {}).ok()) << table.filename() << " byte " << at;
      continue;
    }
    EXPECT_NE(ledger.status().message().find(table.filename().string()), std::string::npos) << at << ": " << ledger.status();
  }
}

// The last record of the log is a checkpoint: without it sizes and roots are all there.
TEST_F(Damage, ALogThatLostItsLastCheckpointIsNoticed) {
  fs::path log;
  for (const fs::path& file : files_of(directory_.ledger()))
    if (file.extension() == ".log" && fs::file_size(file) > 0) log = file;
  fs::resize_file(log, fs::file_size(log) - 1);
  bool aborted = false;
  EXPECT_NE(noticed(directory_.ledger(), key_file_, aborted).find("cut notes"), std::string::npos);
}

TEST_F(Damage, ATruncatedOrMissingFileIsNoticed) {
  for (const fs::path& whole : files_of(directory_.path() / "whole")) {
    if (!matters(whole)) continue;
    const fs::path path = fs::path(directory_.ledger()) / whole.filename();
    for (const bool removed : {false, true}) {
      restore();
      if (removed)
        fs::remove(path);
      else
        fs::resize_file(path, fs::file_size(path) / 2);
      bool aborted = false;
      EXPECT_NE(noticed(directory_.ledger(), key_file_, aborted), "") << whole.filename() << (removed ? " removed" : " truncated");
      EXPECT_FALSE(aborted) << whole.filename();
    }
  }
}

}  // namespace
}  // namespace bukubesar
