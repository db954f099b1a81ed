#include "ledger/checked_files.h"

#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <xxhash.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace bukubesar {

namespace {

constexpr std::uint64_t kMagic = 0x88e241b785f4cff7;
constexpr std::size_t kFooterBytes = 53;  // checksum type, two handles padded to 40, version, magic
constexpr std::size_t kTrailerBytes = 5;  // compression type, checksum
constexpr std::uint8_t kChecksumXxh3 = 4;
constexpr std::uint32_t kVersion = 5;
constexpr std::uint32_t kLastBytePrime = 0x6b9083d9;
constexpr std::uint64_t kMetaBlockBytesMax = 64U << 20;

std::uint32_t little32(const char* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<std::uint8_t>(at[i]);
  return value;
}
std::uint64_t little64(const char* at) { return std::uint64_t{little32(at + 4)} << 32 | little32(at); }

std::optional<std::uint64_t> take_varint(std::string_view& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(from.front());
    from.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

struct Handle {
  std::uint64_t offset = 0, size = 0;
};
std::optional<Handle> take_handle(std::string_view& from) {
  const auto offset = take_varint(from);
  const auto size = take_varint(from);
  return offset && size ? std::optional<Handle>({*offset, *size}) : std::nullopt;
}

// RocksDB's own: the last byte, the compression type, is mixed in by itself.
std::uint32_t block_checksum(std::string_view block) {
  const auto hash = static_cast<std::uint32_t>(XXH3_64bits(block.data(), block.size() - 1));
  return hash ^ static_cast<std::uint8_t>(block.back()) * kLastBytePrime;
}

class TableCheck {
 public:
  TableCheck(std::string path, const rocksdb::FSRandomAccessFile& file, std::uint64_t file_bytes)
      : path_(std::move(path)), file_(file), file_bytes_(file_bytes) {}

  rocksdb::IOStatus run() {
    std::string footer;
    if (file_bytes_ < kFooterBytes) return rocksdb::IOStatus::OK();  // RocksDB says so itself
    rocksdb::IOStatus status = read({file_bytes_ - kFooterBytes, kFooterBytes}, footer);
    if (!status.ok()) return status;
    const bool known = little64(footer.data() + 45) == kMagic && little32(footer.data() + 41) == kVersion &&
                       static_cast<std::uint8_t>(footer[0]) == kChecksumXxh3;
    if (!known) return damaged("footer", file_bytes_ - kFooterBytes, "it is not one of a table of ours");
    std::string_view handles = std::string_view(footer).substr(1, 40);
    const auto metaindex = take_handle(handles);
    if (!metaindex) return damaged("footer", file_bytes_ - kFooterBytes, "its handles are none");
    std::string rows;
    status = check_block("metaindex", *metaindex, rows);
    return status.ok() ? check_listed(rows) : status;
  }

 private:
  rocksdb::IOStatus damaged(std::string_view block, std::uint64_t offset, std::string_view why) const {
    return rocksdb::IOStatus::Corruption(fmt::format("{}: block '{}' at byte {}: {}", path_, block, offset, why));
  }

  rocksdb::IOStatus read(const Handle& at, std::string& to) const {
    to.resize(at.size);
    rocksdb::Slice got;
    rocksdb::IOStatus status = file_.Read(at.offset, at.size, rocksdb::IOOptions(), &got, to.data(), nullptr);
    if (!status.ok()) return status;
    if (got.size() != at.size) return rocksdb::IOStatus::Corruption(fmt::format("{}: ends before byte {}", path_, at.offset + at.size));
    if (got.data() != to.data()) std::memcpy(to.data(), got.data(), got.size());
    return status;
  }

  // `contents`: the block without its trailer.
  rocksdb::IOStatus check_block(std::string_view name, const Handle& handle, std::string& contents) const {
    if (handle.size > kMetaBlockBytesMax || handle.offset > file_bytes_ || handle.size + kTrailerBytes > file_bytes_ - handle.offset)
      return damaged(name, handle.offset, fmt::format("{} bytes do not fit into the file", handle.size));
    rocksdb::IOStatus status = read({handle.offset, handle.size + kTrailerBytes}, contents);
    if (!status.ok()) return status;
    const std::uint32_t want = little32(contents.data() + handle.size + 1);
    const std::uint32_t got = block_checksum(std::string_view(contents).substr(0, handle.size + 1));
    if (want != got) return damaged(name, handle.offset, fmt::format("checksum want {:08x} got {:08x}", want, got));
    contents.resize(handle.size);
    return status;
  }

  // Rows of the metaindex: shared, own and value length, own part of the key, value. The restart points stand behind them.
  rocksdb::IOStatus check_listed(std::string_view rows) const {
    if (rows.size() < 4) return damaged("metaindex", 0, "it is too short");
    const std::uint64_t tail = 4 + std::uint64_t{little32(rows.data() + rows.size() - 4)} * 4;
    if (tail > rows.size()) return damaged("metaindex", 0, "its restart points are none");
    rows.remove_suffix(tail);
    std::string name;
    std::string contents;
    while (!rows.empty()) {
      const auto shared = take_varint(rows);
      const auto own = take_varint(rows);
      const auto value_size = take_varint(rows);
      if (!shared || !own || !value_size || *shared > name.size() || *own > rows.size() || *value_size > rows.size() - *own)
        return damaged("metaindex", 0, "a row of it is none");
      name.resize(*shared);
      name += rows.substr(0, *own);
      std::string_view value = rows.substr(*own, *value_size);
      rows.remove_prefix(*own + *value_size);
      const auto handle = take_handle(value);
      if (!handle) return damaged("metaindex", 0, fmt::format("'{}' has no handle", name));
      if (rocksdb::IOStatus status = check_block(name, *handle, contents); !status.ok()) return status;
    }
    return rocksdb::IOStatus::OK();
  }

  const std::string path_;
  const rocksdb::FSRandomAccessFile& file_;
  const std::uint64_t file_bytes_;
};

class CheckedFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using rocksdb::FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "bukubesar.checked"; }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* to, rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus status = target()->NewRandomAccessFile(path, options, to, context);
    if (!status.ok() || !path.ends_with(".sst")) return status;
    std::uint64_t bytes = 0;
    status = target()->GetFileSize(path, rocksdb::IOOptions(), &bytes, context);
    if (!status.ok()) return status;
    return TableCheck(path, **to, bytes).run();
  }
};

}  // namespace

rocksdb::Env* checked_files() {
  static rocksdb::Env* const env = rocksdb::NewCompositeEnv(std::make_shared<CheckedFileSystem>(rocksdb::FileSystem::Default())).release();
  return env;
}

}  // namespace bukubesar
