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

std::optional<Piece> piece_at(std::string_view log, std::size_t at) {
  const std::size_t block_left = kBlockBytes - at % kBlockBytes;
  if (at + kHeaderBytes > log.size() || block_left < kHeaderBytes) return std::nullopt;
  const std::size_t length = byte_at(log, at + 4) | byte_at(log, at + 5) << 8;
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

bool has_empty_sector(std::string_view log, std::size_t from) {
  for (std::size_t at = from; at < log.size();) {
    const std::size_t limit = std::min(log.size(), (at / kSectorBytes + 1) * kSectorBytes);
    if (log.substr(at, limit - at).find_first_not_of('\0') == std::string_view::npos) return true;
    at = limit;
  }
  return false;
}

}  // namespace

std::optional<std::uint64_t> torn_tail(std::string_view log) {
  const std::size_t end = end_of_whole(log, 0);
  if (end == log.size() || !has_empty_sector(log, end)) return std::nullopt;
  // The first piece that is not whole; the record may have whole ones before it.
  std::size_t damaged = end;
  for (auto piece = piece_at(log, damaged); piece; piece = piece_at(log, damaged)) damaged += piece->size;
  if (whole_after(log, damaged)) return std::nullopt;
  return end;
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
  const auto end = torn_tail(log);
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
