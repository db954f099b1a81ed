#include <array>

#include "base/check.h"
#include "events/rules.h"

namespace bukubesar {

namespace {

// MurmurHash2 with the seed and signedness of org.apache.kafka.common.utils.Utils.murmur2.
std::uint32_t murmur2(std::string_view key) {
  constexpr std::uint32_t kSeed = 0x9747b28c;
  constexpr std::uint32_t kM = 0x5bd1e995;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(key[i])); };
  auto h = kSeed ^ static_cast<std::uint32_t>(key.size());
  std::size_t at = 0;
  for (; at + 4 <= key.size(); at += 4) {
    std::uint32_t k = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16 | byte(at + 3) << 24;
    k *= kM;
    k ^= k >> 24;
    k *= kM;
    h = h * kM ^ k;
  }
  const std::size_t rest = key.size() - at;
  if (rest >= 3) h ^= byte(at + 2) << 16;
  if (rest >= 2) h ^= byte(at + 1) << 8;
  if (rest >= 1) h = (h ^ byte(at)) * kM;
  h ^= h >> 13;
  h *= kM;
  return h ^ h >> 15;
}

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
    table[i] = crc;
  }
  return table;
}

// CRC-32 as in zlib: what librdkafka's `consistent` partitioner takes.
std::uint32_t crc32(std::string_view key) {
  static constexpr auto kTable = make_crc_table();
  std::uint32_t crc = 0xFFFFFFFF;
  for (char c : key) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return crc ^ 0xFFFFFFFF;
}

}  // namespace

std::string_view name_of(Partitioner partitioner) {
  switch (partitioner) {
    case Partitioner::murmur2:
      return "murmur2";
    case Partitioner::crc32:
      return "crc32";
    case Partitioner::any:
      return "any";
  }
  return "unknown";
}

std::optional<Partitioner> parse_partitioner(std::string_view name) {
  for (const Partitioner partitioner : {Partitioner::murmur2, Partitioner::crc32, Partitioner::any}) {
    if (name == name_of(partitioner)) return partitioner;
  }
  return std::nullopt;
}

std::uint32_t partition_of(Partitioner partitioner, std::string_view key, std::uint32_t partitions) {
  BB_CHECK(partitions > 0, "a ledger has partitions");
  switch (partitioner) {
    case Partitioner::murmur2:
      return (murmur2(key) & 0x7FFFFFFF) % partitions;  // Java's toPositive
    case Partitioner::crc32:
      return crc32(key) % partitions;
    case Partitioner::any:
      return 0;
  }
  return 0;
}

}  // namespace bukubesar
