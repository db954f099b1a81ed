// A segment file taken apart: header, then each section with its bytes not compressed. So a mutation meets the values behind compression,
// checksums and the file's hash, which a plain change of the file would never get past.
//
//   parts    = header (128 bytes) section…
//   section  = id u8, width u8, count u32, base u64, limit u64, size u32, that many bytes
#pragma once

#include <zstd.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/sha256.h"
#include "projections/segment.h"

namespace bukubesar::fuzz {

inline constexpr std::size_t kSectionCountAt = 44;  // in the header

// `bytes`: a segment that decodes.
inline std::string take_segment_apart(std::string_view bytes) {
  std::string parts(bytes.substr(0, kSegmentHeaderBytes));
  const std::uint32_t count = load_be<std::uint32_t>(bytes.data() + kSectionCountAt);
  ByteReader table(bytes.substr(kSegmentHeaderBytes, count * kSectionBytes));
  std::size_t at = kSegmentHeaderBytes + count * kSectionBytes;
  for (std::uint32_t i = 0; i < count; ++i) {
    parts += table.take(2);
    table.take(2);
    parts += table.take(20);
    const auto raw_size = table.be<std::uint32_t>();
    const auto stored = table.be<std::uint32_t>();
    std::string raw(raw_size, '\0');
    if (raw_size > 0) ZSTD_decompress(raw.data(), raw.size(), bytes.data() + at, stored);
    at += stored;
    append_be(parts, raw_size);
    parts += raw;
  }
  return parts;
}

// Nothing where there is no whole header.
inline std::optional<std::string> put_segment_together(std::string_view parts) {
  if (parts.size() < kSegmentHeaderBytes) return std::nullopt;
  std::string bytes(parts.substr(0, kSegmentHeaderBytes));
  std::string table;
  std::string data;
  std::uint32_t count = 0;
  for (ByteReader reader(parts.substr(kSegmentHeaderBytes)); !reader.at_end(); ++count) {
    const std::string_view id_and_width = reader.take(2);
    const std::string_view numbers = reader.take(20);
    const auto size = reader.be<std::uint32_t>();
    if (!reader.ok()) break;
    const std::string_view raw = reader.take(std::min<std::size_t>(size, reader.rest().size()));
    std::string stored(ZSTD_compressBound(raw.size()), '\0');
    stored.resize(raw.empty() ? 0 : ZSTD_compress(stored.data(), stored.size(), raw.data(), raw.size(), 1));
    table += id_and_width;
    append_be(table, std::uint16_t{0});
    table += numbers;
    append_be(table, static_cast<std::uint32_t>(raw.size()));
    append_be(table, static_cast<std::uint32_t>(stored.size()));
    data += stored;
  }
  store_be(bytes.data() + kSectionCountAt, count);
  bytes += table + data;
  const Hash256 hash = sha256(bytes);
  bytes += as_view(hash);
  return bytes;
}

}  // namespace bukubesar::fuzz
