#include "ledger/log_tail.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr std::size_t kBlockBytes = 32'768;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::size_t kSectorBytes = 512;
constexpr std::uint32_t kMaskDelta = 0xA282EAD8U;
enum PieceType : std::uint8_t { full = 1, first = 2, middle = 3, last = 4 };

// Of a record: all of it, or its part in one block.
struct Piece {
  std::uint8_t type = 0;
  std::size_t size = 0;  // header included
};

std::uint32_t byte_at(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

// As the piece's header has it, which must be there.
std::size_t length_at(std::string_view log, std::size_t at) { return byte_at(log, at + 4) | byte_at(log, at + 5) << 8; }

std::optional<Piece> piece_at(std::string_view log, std::size_t at) {
  const std::size_t block_left = kBlockBytes - at % kBlockBytes;
  if (at + kHeaderBytes > log.size() || block_left < kHeaderBytes) return std::nullopt;
  const std::size_t length = length_at(log, at);
  const Piece piece{static_cast<std::uint8_t>(log[at + 6]), kHeaderBytes + length};
  if (piece.type < full || piece.type > last || piece.size > block_left || at + piece.size > log.size()) return std::nullopt;
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;  // CRC-32C
  crc.process_bytes(log.data() + at + 6, 1 + length);
  const std::uint32_t sum = crc.checksum();
  const std::uint32_t masked = (sum >> 15 | sum << 17) + kMaskDelta;
  const std::uint32_t stored = byte_at(log, at) | byte_at(log, at + 1) << 8 | byte_at(log, at + 2) << 16 | byte_at(log, at + 3) << 24;
  return masked == stored ? std::optional<Piece>(piece) : std::nullopt;
}

std::size_t next_block(std::size_t at) { return (at / kBlockBytes + 1) * kBlockBytes; }

// The end of the last whole record from `at` on, up to the first thing that is none; `at` where there is none at all.
std::size_t end_of_whole(std::string_view log, std::size_t at) {
  std::size_t end = at;
  bool inside = false;
  while (at < log.size()) {
    if (kBlockBytes - at % kBlockBytes < kHeaderBytes) {
      at = next_block(at);  // a trailer
      continue;
    }
    const auto piece = piece_at(log, at);
    if (!piece || inside != (piece->type == middle || piece->type == last)) break;
    at += piece->size;
    inside = piece->type == first || piece->type == middle;
    if (!inside) end = at;
  }
  return end;
}

bool whole_after(std::string_view log, std::size_t at) {
  for (std::size_t block = next_block(at); block < log.size(); block = next_block(block)) {
    std::size_t from = block;
    // What is left of the torn record stands before.
    for (auto piece = piece_at(log, from); piece && (piece->type == middle || piece->type == last); piece = piece_at(log, from))
      from += piece->size;
    if (end_of_whole(log, from) > from) return true;
  }
  // In the same block, wherever it begins: the damaged piece's own length may be part of the damage.
  for (std::size_t from = at + 1; from < std::min(log.size(), next_block(at)); ++from)
    if (end_of_whole(log, from) > from) return true;
  return false;
}

// The first place from `at` on where no whole piece stands; a torn record may have whole ones before it.
std::size_t end_of_pieces(std::string_view log, std::size_t at) {
  for (;;) {
    if (kBlockBytes - at % kBlockBytes < kHeaderBytes) at = next_block(at);  // a trailer
    const auto piece = piece_at(log, at);
    if (!piece) return at;
    at += piece->size;
  }
}

std::size_t sector_end(std::string_view log, std::size_t at) { return std::min(log.size(), (at / kSectorBytes + 1) * kSectorBytes); }

// From `at` to the sector's end; nothing at all is not empty.
bool is_empty(std::string_view log, std::size_t at) {
  return at < log.size() && log.substr(at, sector_end(log, at) - at).find_first_not_of('\0') == std::string_view::npos;
}

bool has_empty_sector(std::string_view log, std::size_t from, std::size_t limit) {
  for (; from < limit; from = sector_end(log, from))
    if (is_empty(log, from)) return true;
  return false;
}

// Whether the piece at `at` lacks a sector; false where it only ends early. The first sector may hold what stood before the piece, and its
// header too, where that was written by itself (RocksDB's buffer was full).
bool lacks_sector(std::string_view log, std::size_t at) {
  const std::size_t data = at + kHeaderBytes;
  if (data > log.size()) return false;
  if (has_empty_sector(log, at, data)) return true;
  const std::size_t end = data + length_at(log, at);
  return end <= log.size() && has_empty_sector(log, data, end);
}

// Whether the file ends within the piece at `at`.
bool is_cut_short(std::string_view log, std::size_t at) {
  return at + kHeaderBytes > log.size() || at + kHeaderBytes + length_at(log, at) > log.size();
}

}  // namespace

std::uint64_t end_of_records(std::string_view bytes) { return end_of_whole(bytes, 0); }

bool ends_early(std::string_view bytes) {
  const std::size_t end = end_of_whole(bytes, 0);
  const bool only_zeros = bytes.substr(end).find_first_not_of('\0') == std::string_view::npos;
  return only_zeros || is_cut_short(bytes, end_of_pieces(bytes, end));
}

std::optional<std::uint64_t> torn_tail(std::string_view bytes, RecordFile file) {
  const std::size_t end = end_of_whole(bytes, 0);
  const std::size_t damaged = end_of_pieces(bytes, end);
  if (end == bytes.size() || !lacks_sector(bytes, damaged)) return std::nullopt;
  const bool unsynced = file == RecordFile::log ? !whole_after(bytes, damaged) : bytes.size() - end <= kUnsyncedManifestBytes;
  return unsynced ? std::optional<std::uint64_t>(end) : std::nullopt;
}

absl::StatusOr<bool> cut_torn_tail(const std::string& directory) {
  std::string newest;
  std::error_code error;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, names_in(directory));
  for (const std::string& name : names) {
    const std::string path = fmt::format("{}/{}", directory, name);
    if (name.ends_with(".log") && std::filesystem::file_size(path, error) > 0) newest = path;
    if (error) return unavailable("size of {}: {}", path, error.message());
  }
  if (newest.empty()) return false;
  ASSIGN_OR_RETURN(const std::string log, read_file(newest));
  const auto end = torn_tail(log, RecordFile::log);
  if (!end) return false;
  spdlog::warn("{}: its last record, {} bytes, was torn by a power loss while it was written: it is cut off, nobody was told of it", newest,
               log.size() - *end);
  const int fd = ::open(newest.c_str(), O_WRONLY | O_CLOEXEC);
  const bool cut = fd >= 0 && ::ftruncate(fd, static_cast<off_t>(*end)) == 0 && ::fsync(fd) == 0;
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  if (!cut) return unavailable("cut {}: {}", newest, std::strerror(reason));
  return true;
}

}  // namespace bukubesar
