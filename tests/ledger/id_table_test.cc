#include "ledger/id_table.h"

#include <gtest/gtest.h>

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

TEST(IdTable, AnswersLikeAMapThroughInsertsAndErases) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  IdTable table;
  std::multimap<std::pair<std::uint64_t, std::uint8_t>, Sequence> model;
  std::vector<std::pair<Fingerprint, Sequence>> present;
  for (std::uint64_t step = 0; step < 50'000; ++step) {
    if (present.empty() || random() % 4 != 0) {
      // Few tags at the ends of the range, so that runs form, collide and wrap around.
      const std::uint64_t tag = random() % 3 == 0 ? ~std::uint64_t{0} - random() % 64 : random();
      const Fingerprint id = fingerprint(tag, (random() % 256) << 56);
      table.insert(id, Sequence(step));
      model.emplace(std::pair(tag, id[8] & 63U), Sequence(step));
      present.emplace_back(id, Sequence(step));
    } else {
      const std::size_t which = random() % present.size();
      const auto [id, sequence] = present[which];
      present[which] = present.back();
      present.pop_back();
      table.erase(id, sequence);
      table.erase(id, sequence);
      auto [begin, end] = model.equal_range({load_be<std::uint64_t>(id.data()), id[8] & 63U});
      for (auto at = begin; at != end; ++at)
        if (at->second == sequence) {
          model.erase(at);
          break;
        }
    }
  }
  ASSERT_EQ(table.size(), present.size());
  for (const auto& [id, sequence] : present) {
    const auto found = table.candidates(id);
    EXPECT_EQ(found.size(), model.count({load_be<std::uint64_t>(id.data()), id[8] & 63U}));
    EXPECT_NE(std::find(found.begin(), found.end(), sequence), found.end());
  }
}

TEST(IdTable, SharedTagsGiveEveryCandidate) {
  IdTable table;
  table.insert(fingerprint(7, 1), Sequence(1));
  table.insert(fingerprint(7, 2), Sequence(2));
  EXPECT_EQ(table.candidates(fingerprint(7, 1)).size(), 2U);
  EXPECT_TRUE(table.candidates(fingerprint(8, 1)).empty());
}

TEST(IdTable, TakesAtMostThirtyFourBytesAnId) {
  IdTable table;
  std::mt19937_64 random(1);
  for (std::uint64_t i = 0; i < 300'000; ++i) {
    table.insert(fingerprint(random(), random()), Sequence(i));
    if (i % 50'000 != 49'999) continue;
    EXPECT_LT(table.memory_bytes(), (i + 1) * 34) << i;
  }
}

}  // namespace
}  // namespace bukubesar
