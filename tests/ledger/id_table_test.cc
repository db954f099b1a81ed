#include "ledger/id_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/bytes.h"

namespace bukubesar {
namespace {

Fingerprint fingerprint(std::uint64_t high, std::uint64_t low) {
  Fingerprint bytes;
  store_be(bytes.data(), high);
  store_be(bytes.data() + 8, low);
  return bytes;
}

// Strangers among the candidates are one in 2^36 for each other id, with one shard in 2^24; `strangers_max`: how many a look-up may have.
void expect_answers_like_a_map(IdTable table, std::size_t strangers_max) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::multimap<Fingerprint, Sequence> model;
  std::vector<std::pair<Fingerprint, Sequence>> present;
  for (std::uint64_t step = 0; step < 50'000; ++step) {
    if (present.empty() || random() % 4 != 0) {
      // A third are a few ids again and again, which fill one shard from its only home on: runs form, collide and wrap around.
      const Fingerprint id = random() % 3 == 0 ? fingerprint(random() % 8, 1) : fingerprint(random(), random());
      table.insert(id, Sequence(step));
      model.emplace(id, Sequence(step));
      present.emplace_back(id, Sequence(step));
    } else {
      const std::size_t which = random() % present.size();
      const auto [id, sequence] = present[which];
      present[which] = present.back();
      present.pop_back();
      table.erase(id, sequence);
      table.erase(id, sequence);
      auto [begin, end] = model.equal_range(id);
      model.erase(std::find_if(begin, end, [&, wanted = sequence](const auto& each) { return each.second == wanted; }));
    }
  }
  ASSERT_EQ(table.size(), present.size());
  for (const auto& [id, sequence] : present) {
    const auto found = table.candidates(id);
    EXPECT_GE(found.size(), model.count(id));
    EXPECT_LE(found.size(), model.count(id) + strangers_max);
    EXPECT_NE(std::find(found.begin(), found.end(), sequence), found.end());
  }
}

TEST(IdTable, AnswersLikeAMapThroughInsertsAndErases) { expect_answers_like_a_map(IdTable(), 1); }

// A third of its ids are eight again and again, each a thousand times: who shares their bits has all of them as strangers.
TEST(IdTable, OfFewDoesSo) { expect_answers_like_a_map(IdTable::of_few(), 3'000); }

TEST(IdTable, SharedBitsGiveEveryCandidate) {
  // A factor of zero hashes to zero: all of these share all bits.
  IdTable table(7);
  table.insert(fingerprint(7, 1), Sequence(1));
  table.insert(fingerprint(7, 2), Sequence(2));
  EXPECT_EQ(table.candidates(fingerprint(7, 3)).size(), 2U);
  EXPECT_TRUE(table.candidates(fingerprint(8, 1)).empty());
  table.erase(fingerprint(7, 3), Sequence(1));
  EXPECT_EQ(table.candidates(fingerprint(7, 3)), IdTable::Candidates{Sequence(2)});
}

TEST(IdTable, WhoKnowsNoSecretCannotMakeIdsThatShareBits) {
  IdTable table(8);
  table.insert(fingerprint(7, 1), Sequence(1));
  EXPECT_TRUE(table.candidates(fingerprint(7, 2)).empty());
}

TEST(IdTable, HoldsTheLargestSequence) {
  IdTable table;
  const Sequence last(IdTable::kSequenceMax - 1);
  table.insert(fingerprint(1, 1), last);
  EXPECT_EQ(table.candidates(fingerprint(1, 1)), IdTable::Candidates{last});
  table.erase(fingerprint(1, 1), last);
  EXPECT_TRUE(table.candidates(fingerprint(1, 1)).empty());
}

TEST(IdTable, TakesAtMostThirteenBytesAnId) {
  IdTable table;
  std::mt19937_64 random(1);
  const std::uint64_t empty = table.memory_bytes();
  for (std::uint64_t i = 0; i < 600'000; ++i) {
    table.insert(fingerprint(random(), random()), Sequence(i));
    if (i < 100'000 || i % 10'000 != 0) continue;
    EXPECT_LT(table.memory_bytes() - empty, i * 13) << i;
  }
}

TEST(IdTable, WhatWasReservedDoesNotGrow) {
  IdTable table(1);
  table.reserve(1'000'000);
  const std::uint64_t reserved = table.memory_bytes();
  std::mt19937_64 random(1);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) table.insert(fingerprint(random(), random()), Sequence(i));
  EXPECT_LT(table.memory_bytes(), reserved * 105 / 100);
}

}  // namespace
}  // namespace bukubesar
