// How SHA-256 pads a message (FIPS 180-4, 5.1.1): for base/sha256.cc and base/sha256_many.cc, and nobody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace bukubesar {

inline constexpr std::size_t kSha256BlockBytes = 64;

// Writes what follows a message behind its last, incomplete block; how many bytes there are then: one block or two. `room`: two blocks.
inline std::size_t sha256_pad(char* room, std::size_t last_block_bytes, std::uint64_t message_bytes) {
  constexpr std::size_t kLengthBytes = 8;
  const std::size_t end = last_block_bytes + 1 + kLengthBytes <= kSha256BlockBytes ? kSha256BlockBytes : 2 * kSha256BlockBytes;
  room[last_block_bytes] = '\x80';
  std::memset(room + last_block_bytes + 1, 0, end - last_block_bytes - 1 - kLengthBytes);
  store_be(room + end - kLengthBytes, message_bytes * 8);
  return end;
}

}  // namespace bukubesar
