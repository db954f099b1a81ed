#include "ledger/file_sums.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/file_checksum.h>

#include <filesystem>
#include <fstream>

#include "ledger/store.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

constexpr char kCrc[] = "FileChecksumCrc32c";

std::string sum_of(const std::string& kind, const std::vector<std::string>& pieces) {
  const auto sum = file_sum(kind);
  for (const std::string& piece : pieces) sum->Update(piece.data(), piece.size());
  sum->Finalize();
  return sum->GetChecksum();
}

TEST(FileSums, AreXxh3OfAllBytesWhateverThePieces) {
  const std::string kind = file_sums()->CreateFileChecksumGenerator({})->Name();
  // XXH3-64 of nothing, as xxHash's own documents have it.
  EXPECT_EQ(sum_of(kind, {}), "\x2D\x06\x80\x05\x38\xD3\x94\xC2");
  const std::string bytes(100'000, 'x');
  EXPECT_EQ(sum_of(kind, {bytes.substr(0, 1), bytes.substr(1, 70'000), "", bytes.substr(70'001)}), sum_of(kind, {bytes}));
}

TEST(FileSums, KnowTheOlderKindAndNoOther) {
  EXPECT_EQ(sum_of(kCrc, {"12345", "6789"}), "\xE3\x06\x92\x83");  // CRC-32C's check value
  EXPECT_EQ(file_sum("another"), nullptr);
  EXPECT_EQ(file_sum(""), nullptr);
}

class OlderStore : public ::testing::Test {
 protected:
  // RocksDB writes all files anew, with the sums that it had before there were ours.
  void rewrite_with_crc() {
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path_, &names).ok());
    rocksdb::Options options;
    options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, options);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, path_, families, &handles, &db).ok());
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    for (auto* handle : handles) {
      ASSERT_TRUE(db->Flush({}, handle).ok());
      ASSERT_TRUE(db->CompactRange(all, handle, nullptr, nullptr).ok());
    }
    for (auto* handle : handles) ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
    delete db;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.ledger();
};

TEST_F(OlderStore, IsCheckedByTheSumsThatItHas) {
  const Store::Options options{path_, path_ + ".log", false};
  {
    const auto store = Store::open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    StoreBatch batch;
    batch.put(Family::payloads, "key", std::string(1000, 'v'));
    ASSERT_EQ((*store)->write(batch), absl::OkStatus());
    ASSERT_EQ((*store)->flush(), absl::OkStatus());
  }
  rewrite_with_crc();
  const auto store = Store::open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->verify_checksums(), absl::OkStatus());
  std::vector<Store::TableFile> older;
  for (const Store::TableFile& file : (*store)->table_files())
    if (file.checksum_kind == kCrc) older.push_back(file);
  ASSERT_FALSE(older.empty());
  const auto check = [&] { return (*store)->check_file(older.front(), [](std::uint64_t) { return true; }); };
  EXPECT_EQ(check(), absl::OkStatus());
  std::fstream(older.front().path, std::ios::in | std::ios::out | std::ios::binary).seekp(300).put('!');
  EXPECT_EQ(check().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace bukubesar
