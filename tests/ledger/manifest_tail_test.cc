#include "ledger/manifest_tail.h"

#include <random>
#include <set>

#include "base/crash_point.h"
#include "base/file.h"
#include "ledger/log_tail.h"
#include "ledger/signer.h"
#include "ledger/verify.h"
#include "tests/child.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

using testing_support::exit_code_of_child;
using testing_support::kNoExit;

namespace fs = std::filesystem;

constexpr std::size_t kSector = 512;
constexpr std::uint64_t kEntries = 250;

std::string manifest_of(const std::string& directory) {
  std::string name = *read_file(directory + "/CURRENT");
  name.pop_back();
  return directory + "/" + name;
}

void clear(std::string& bytes, std::size_t from, std::size_t limit) {
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(limit), '\0');
}

// A ledger as the disk has it while RocksDB's list of files tells of a flush and is not synced: the log and the tables are both there.
class ManifestTail : public testing::Test {
 protected:
  void SetUp() override {
    // Not in this process: its threads of RocksDB's would be missing in what it forks.
    ASSERT_EQ(exit_code_of_child([&] { return prepare(); }), 0);
    take();
  }
  int prepare() const {
    auto ledger = open_ledger(directory_.ledger(), make_definition());
    if (ledger == nullptr) return 1;
    if (!commit_events(*ledger, kP0, 100).ok() || !ledger->flush().ok()) return 2;
    const auto sign = [&] { return CheckpointSigner(*ledger, make_definition(), SigningKeys::of_seed(std::string(32, 's'))).sign(); };
    if (!commit_events(*ledger, kP0, 150).ok() || !sign().ok() || !ledger->record_heads(/*now=*/true).ok()) return 3;
    fs::copy(directory_.ledger(), before());
    fs::copy_file(directory_.ledger() + ".heads", before() + ".heads");
    if (!ledger->flush().ok()) return 4;  // the log goes with it
    return commit_events(*ledger, kP0, 1).ok() ? 0 : 5;
  }
  void take() {
    synced_ = fs::file_size(manifest_of(before()));
    manifest_ = *read_file(manifest_of(directory_.ledger()));
    ASSERT_EQ(manifest_of(before()).substr(before().size()), manifest_of(directory_.ledger()).substr(directory_.ledger().size()));
    ASSERT_GT(manifest_.size(), (synced_ / kSector + 2) * kSector) << "a whole sector, and something behind it";
  }
  [[nodiscard]] std::string before() const { return (directory_.path() / "before").string(); }
  // What the power loss left, with these bytes of the list.
  [[nodiscard]] std::string place_with(const std::string& manifest) {
    std::string place = (directory_.path() / fmt::format("place{}", places_++)).string();
    fs::copy(before(), place);
    fs::copy_file(before() + ".heads", place + ".heads");
    for (const auto& file : fs::directory_iterator(directory_.ledger()))
      if (file.path().extension() == ".sst") fs::copy(file, place, fs::copy_options::skip_existing);
    EXPECT_EQ(write_file_durably(manifest_of(place), manifest), absl::OkStatus());
    return place;
  }
  // Without the first sector that is new as a whole; what stands before and behind it was kept.
  [[nodiscard]] std::string torn() const {
    std::string bytes = manifest_;
    const std::size_t sector = synced_ / kSector + 1;
    clear(bytes, sector * kSector, (sector + 1) * kSector);
    return bytes;
  }
  static void expect_whole(const std::string& place) {
    auto ledger = open_ledger(place, make_definition());
    ASSERT_NE(ledger, nullptr);
    EXPECT_EQ(ledger->head(kP0).size, kEntries);
    EXPECT_FALSE(ledger->shorter_than_recorded());
    EXPECT_TRUE(verify_ledger(*ledger, make_definition(), "", {}, {}).ok());
    EXPECT_EQ(commit_events(*ledger, kP0, 10), absl::OkStatus());
    EXPECT_FALSE(fs::exists(place + ".trial"));
  }
  // By name, and everything stays as it was.
  static void expect_refused(const std::string& place) {
    const std::string bytes = *read_file(manifest_of(place));
    const auto ledger = Ledger::open({place, false, {}}, make_definition());
    EXPECT_EQ(ledger.status().code(), absl::StatusCode::kDataLoss) << ledger.status();
    EXPECT_TRUE(*read_file(manifest_of(place)) == bytes);
    EXPECT_FALSE(fs::exists(place + ".trial"));
  }
  static void remove_logs(const std::string& place) {
    for (const auto& file : fs::directory_iterator(place))
      if (file.path().extension() == ".log") fs::remove(file);
  }
  static bool opens_for_reading(const std::string& place) { return Ledger::open({place, true, {}}, make_definition()).ok(); }

  TemporaryDirectory directory_;
  std::string manifest_;
  std::size_t synced_ = 0;
  int places_ = 0;
};

TEST_F(ManifestTail, AWholeListHasNone) {
  for (std::size_t size = synced_; size <= manifest_.size(); ++size)
    EXPECT_FALSE(torn_tail(std::string_view(manifest_).substr(0, size), RecordFile::manifest)) << size;
}

TEST_F(ManifestTail, AnySectorsOfTheTailMayBeMissingAndNothingIsLost) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int mended = 0;
  for (int i = 0; i < 24; ++i) {
    std::string bytes = i == 0 ? torn() : manifest_;
    for (std::size_t from = synced_; i > 0 && from < bytes.size(); from = (from / kSector + 1) * kSector)
      if (random() % 2 == 0) clear(bytes, from, std::min(bytes.size(), (from / kSector + 1) * kSector));
    SCOPED_TRACE("round " + std::to_string(i));
    const std::string place = place_with(bytes);
    if (!opens_for_reading(place)) ++mended;
    expect_whole(place);
  }
  EXPECT_GT(mended, 0);
}

TEST_F(ManifestTail, AFlippedByteIsNoTear) {
  for (std::size_t at = 0; at < manifest_.size(); ++at) {
    std::string damaged = manifest_;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    EXPECT_FALSE(torn_tail(damaged, RecordFile::manifest)) << at;
  }
  std::string damaged = manifest_;
  damaged.back() = static_cast<char>(damaged.back() ^ 4);
  expect_refused(place_with(damaged));
}

TEST_F(ManifestTail, AFlippedByteBesideAnEmptySectorFartherOnIsNoTear) {
  std::string damaged = torn();
  damaged[40] = static_cast<char>(damaged[40] ^ 4);
  expect_refused(place_with(damaged));
}

TEST_F(ManifestTail, ACutThatLosesWhatOnlyTheTailNamesIsRefused) {
  // The flush was synced, and the log that it emptied is gone: an empty sector is damage.
  const std::string place = place_with(torn());
  remove_logs(place);
  ASSERT_TRUE(torn_tail(torn(), RecordFile::manifest));
  expect_refused(place);
}

// RocksDB takes an empty header for the list's end, opens, and removes the tables that it does not see named.
TEST_F(ManifestTail, AnEmptySectorAnywhereCostsNoTable) {
  const auto tables_of = [](const std::string& place) {
    std::set<std::string> names;
    for (const auto& file : fs::directory_iterator(place))
      if (file.path().extension() == ".sst") names.insert(file.path().filename());
    return names;
  };
  int refused = 0;
  for (std::size_t from = 0; from < manifest_.size(); from += kSector) {
    SCOPED_TRACE("sector " + std::to_string(from / kSector));
    std::string damaged = manifest_;
    clear(damaged, from, std::min(damaged.size(), from + kSector));
    const std::string place = place_with(damaged);
    remove_logs(place);  // what the tables have is nowhere else
    const auto tables = tables_of(place);
    if (Ledger::open({place, false, {}}, make_definition()).ok()) {
      expect_whole(place);
      continue;
    }
    EXPECT_EQ(tables_of(place), tables);
    EXPECT_TRUE(*read_file(manifest_of(place)) == damaged);
    ++refused;
  }
  EXPECT_GT(refused, 2);
}

TEST_F(ManifestTail, ACutThatLosesWhatTheHeadsFileKnowsIsRefused) {
  const std::string place = place_with(torn());
  fs::copy_file(directory_.ledger() + ".heads", place + ".heads", fs::copy_options::overwrite_existing);
  expect_refused(place);
  fs::copy_file(before() + ".heads", place + ".heads", fs::copy_options::overwrite_existing);
  expect_whole(place);
}

TEST_F(ManifestTail, AHoleFartherBackThanOneChangeIsRefused) {
  TemporaryDirectory other;
  ASSERT_EQ(exit_code_of_child([&] {
              auto ledger = open_ledger(other.ledger(), make_definition());
              while (fs::file_size(manifest_of(other.ledger())) < kUnsyncedManifestBytes + 4 * kSector)
                if (ledger == nullptr || !commit_events(*ledger, kP0, 10).ok() || !ledger->flush().ok()) return 1;
              return 0;
            }),
            0);
  const std::string path = manifest_of(other.ledger());
  const std::string bytes = *read_file(path);
  const std::size_t far = (bytes.size() - kUnsyncedManifestBytes) / kSector - 1;
  const std::size_t near = far + 3;
  std::string damaged = bytes;
  clear(damaged, near * kSector, (near + 1) * kSector);
  EXPECT_TRUE(torn_tail(damaged, RecordFile::manifest));
  damaged = bytes;
  clear(damaged, far * kSector, (far + 1) * kSector);
  EXPECT_FALSE(torn_tail(damaged, RecordFile::manifest));
  ASSERT_EQ(write_file_durably(path, damaged), absl::OkStatus());
  expect_refused(other.ledger());
}

TEST_F(ManifestTail, WhatACrashLeftOfATrialIsRemoved) {
  for (const bool is_torn : {false, true}) {
    const std::string place = place_with(is_torn ? torn() : manifest_);
    fs::create_directories(place + ".trial/ledger");
    for (const auto& file : fs::directory_iterator(place))
      fs::create_hard_link(file, fs::path(place + ".trial/ledger") / file.path().filename());
    expect_whole(place);
  }
}

TEST_F(ManifestTail, ACrashAtAnyPointOfTheMendingLosesNothing) {
  std::vector<std::string> places;
  for (const std::string point : {"file_begun", "file_written", "file_renamed"}) {
    int code = kNoExit;
    for (int nth = 1; code == kNoExit; ++nth) {
      places.push_back(place_with(torn()));
      code = exit_code_of_child([&] {
        if (!arm_crash_points(fmt::format("{}:{}", point, nth)).ok()) return 1;
        return open_ledger(places.back(), make_definition()) != nullptr ? 0 : 2;
      });
      ASSERT_TRUE(code == kNoExit || code == 0) << code;
    }
  }
  EXPECT_GE(places.size(), 3 * 4U) << "the list and its copy, CURRENT's, the heads file's, and an end without a crash";
  for (const std::string& place : places) expect_whole(place);
}

}  // namespace
}  // namespace bukubesar
