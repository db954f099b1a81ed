#include <gtest/gtest.h>

#include "events/rules.h"

namespace bukubesar {
namespace {

// The vectors of Kafka's own UtilsTest.testMurmur2, before toPositive.
TEST(Partitioner, Murmur2IsWhatJavaClientsCompute) {
  const std::vector<std::pair<std::string_view, std::int32_t>> vectors = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const auto& [key, hash] : vectors) {
    const auto positive = static_cast<std::uint32_t>(hash) & 0x7FFFFFFFU;
    EXPECT_EQ(partition_of(Partitioner::murmur2, key, 0x7FFFFFFF), positive) << key;
    EXPECT_EQ(partition_of(Partitioner::murmur2, key, 12), positive % 12) << key;
  }
}

TEST(Partitioner, Crc32IsWhatLibrdkafkaComputes) {
  EXPECT_EQ(partition_of(Partitioner::crc32, "123456789", 0xFFFFFFFF), 0xCBF43926U);  // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(partition_of(Partitioner::crc32, "123456789", 10), 0xCBF43926U % 10);
  EXPECT_EQ(partition_of(Partitioner::crc32, "", 7), 0U);
}

TEST(Partitioner, NamesParseBack) {
  for (const Partitioner partitioner : {Partitioner::murmur2, Partitioner::crc32, Partitioner::any})
    EXPECT_EQ(parse_partitioner(name_of(partitioner)), partitioner);
  EXPECT_FALSE(parse_partitioner("random").has_value());
  EXPECT_EQ(partition_of(Partitioner::murmur2, "x", 1), 0U);
}

}  // namespace
}  // namespace bukubesar
