#include "ledger/file_sums.h"

#include <rocksdb/file_checksum.h>
#include <xxhash.h>

#include "base/check.h"

namespace bukubesar {

namespace {

class Xxh3Sum final : public rocksdb::FileChecksumGenerator {
 public:
  static constexpr const char* kName = "bukubesar.XXH3-64";

  Xxh3Sum() : state_(XXH3_createState()) { BB_CHECK(state_ != nullptr && XXH3_64bits_reset(state_.get()) == XXH_OK, "XXH3 has memory"); }
  void Update(const char* data, std::size_t size) override { XXH3_64bits_update(state_.get(), data, size); }
  void Finalize() override {
    XXH64_canonical_t sum;
    XXH64_canonicalFromHash(&sum, XXH3_64bits_digest(state_.get()));
    sum_.assign(reinterpret_cast<const char*>(sum.digest), sizeof sum.digest);
  }
  std::string GetChecksum() const override { return sum_; }
  const char* Name() const override { return kName; }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
  std::string sum_;
};

class FileSums final : public rocksdb::FileChecksumGenFactory {
 public:
  std::unique_ptr<rocksdb::FileChecksumGenerator> CreateFileChecksumGenerator(const rocksdb::FileChecksumGenContext& context) override {
    const std::string& asked = context.requested_checksum_func_name;
    if (asked.empty() || asked == Xxh3Sum::kName) return std::make_unique<Xxh3Sum>();
    return rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator(context);
  }
  const char* Name() const override { return "bukubesar.FileSums"; }
};

}  // namespace

std::shared_ptr<rocksdb::FileChecksumGenFactory> file_sums() {
  static const auto factory = std::make_shared<FileSums>();
  return factory;
}

std::unique_ptr<rocksdb::FileChecksumGenerator> file_sum(const std::string& kind) {
  rocksdb::FileChecksumGenContext context;
  context.requested_checksum_func_name = kind;
  return kind.empty() ? nullptr : file_sums()->CreateFileChecksumGenerator(context);
}

}  // namespace bukubesar
