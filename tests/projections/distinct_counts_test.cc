// What is kept as rows come and go is what a count from the sums alone says, however the rows come: one by one, in any order, in parts.
#include "projections/distinct_counts.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

namespace bukubesar {
namespace {

constexpr std::uint64_t kSeed = 20230615;

struct Row {
  std::uint32_t set = 0, vendor = 0, partition = 0, purchase = 0;
  std::int64_t count = 0;
};

// How wide the numbers go decides what is kept in tables, in hashes, or in one and then the other.
struct Shape {
  const char* name;
  bool by_purchase;
  std::uint32_t sets, vendors, purchases;
  std::size_t rows;
};

class Counting : public ::testing::TestWithParam<Shape> {
 protected:
  // Rows whose purchases have a vendor each, now and then another or none, and that take away again what was added.
  std::vector<Row> rows(std::uint64_t seed) const {
    const Shape& shape = GetParam();
    std::mt19937_64 random(seed);
    const auto pick = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
    std::vector<Row> to;
    for (std::size_t i = 0; i < shape.rows; ++i) {
      if (!to.empty() && pick(3) == 0) {
        to.push_back(to[pick(static_cast<std::uint32_t>(to.size()))]);
        to.back().count = -to.back().count;
        continue;
      }
      Row row{pick(shape.sets), 0, pick(2), pick(shape.purchases), 1 + pick(2)};
      row.vendor = pick(10) == 0 ? pick(shape.vendors) : row.purchase % shape.vendors;
      if (pick(20) == 0) row.count = -1;
      to.push_back(row);
    }
    return to;
  }

  static void add(DistinctCounts& to, const Row& row) { to.add(row.set, row.vendor, row.partition, row.purchase, row.count); }

  void expect_counts_of(const std::vector<Row>& rows, DistinctCounts& counts) const {
    counts.settle();
    const Shape& shape = GetParam();
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, std::int64_t> purchases;             // set, partition, purchase
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>, std::int64_t> parts;  // and vendor
    for (const Row& row : rows) {
      purchases[{row.set, row.partition, row.purchase}] += row.count;
      if (row.vendor == 0) continue;
      shape.by_purchase ? parts[{row.set, row.vendor, row.partition, row.purchase}] += row.count
                        : parts[{row.set, row.vendor, 0, 0}] += row.count;
    }
    std::vector<DistinctCounts::Counted> want(shape.sets);
    std::map<std::pair<std::uint32_t, std::uint32_t>, bool> vendors;
    for (const auto& [key, sum] : purchases) want[std::get<0>(key)].packages += shape.by_purchase && sum > 0 ? 1 : 0;
    for (const auto& [key, sum] : parts)
      if (sum > 0 && !std::exchange(vendors[{std::get<0>(key), std::get<1>(key)}], true)) ++want[std::get<0>(key)].vendors;
    for (std::uint32_t set = 0; set < shape.sets; ++set) {
      ASSERT_EQ(counts.of(set).packages, want[set].packages) << "set " << set;
      ASSERT_EQ(counts.of(set).vendors, want[set].vendors) << "set " << set;
    }
  }
};

TEST_P(Counting, IsThatOfTheSumsAtEachStep) {
  const std::vector<Row> all = rows(kSeed);
  DistinctCounts counts(GetParam().by_purchase);
  std::vector<Row> seen;
  for (const Row& row : all) {
    add(counts, row);
    seen.push_back(row);
    if (seen.size() == 1 || seen.size() == all.size() / 3 || seen.size() == all.size()) expect_counts_of(seen, counts);
  }
}

TEST_P(Counting, AddsUpFromPartsThatNumberSetsInTheirOwnWay) {
  const std::vector<Row> all = rows(kSeed + 1);
  const Shape& shape = GetParam();
  std::mt19937_64 random(kSeed);
  DistinctCounts ours(shape.by_purchase), theirs(shape.by_purchase);
  // Theirs are numbered backwards.
  const auto set_of = [&](std::uint32_t set) { return shape.sets - 1 - set; };
  for (const Row& row : all) {
    Row other = row;
    other.set = set_of(row.set);
    random() % 2 == 0 ? add(ours, row) : add(theirs, other);
  }
  std::vector<std::uint32_t> sets;
  for (std::uint32_t set = 0; set < shape.sets; ++set) sets.push_back(set_of(set));
  theirs.settle();
  ours.add_all(theirs, sets);
  expect_counts_of(all, ours);
}

TEST_P(Counting, ComesToNothingWhereAllIsTakenAwayAgain) {
  DistinctCounts counts(GetParam().by_purchase);
  const std::vector<Row> all = rows(kSeed + 2);
  for (const Row& row : all) add(counts, row);
  for (Row row : all) {
    row.count = -row.count;
    add(counts, row);
  }
  expect_counts_of({}, counts);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Counting,
    ::testing::Values(Shape{"FewSets", false, 4, 50, 1000, 20'000}, Shape{"SparseVendors", false, 3000, 3000, 1000, 30'000},
                      Shape{"SparseThenDense", false, 150, 8000, 20'000, 500'000}, Shape{"FewPurchases", true, 5, 20, 30, 20'000},
                      Shape{"ManySetsOfAPurchase", true, 60, 20, 40, 40'000}, Shape{"ManyPurchases", true, 12, 3000, 20'000, 80'000}),
    [](const auto& shape) { return shape.param.name; });

TEST(VendorSums, TakeNoMoreRoomThanAHashWouldWhereTheyAreFew) {
  VendorSums sums;
  for (std::uint32_t i = 1; i <= 20'000; ++i) sums.add(i, i, 1);  // a set for each vendor: 400 M places
  EXPECT_LT(sums.memory_bytes(), 4U << 20);
}

TEST(VendorSums, StandInATableOnceTheyAreMany) {
  VendorSums sums;
  sums.add(399, 8000, 1);  // which alone is not worth one
  for (std::uint32_t vendor = 1; vendor <= 8000; ++vendor)
    for (std::uint32_t set = 0; set < 400; ++set) sums.add(set, vendor, 1);
  EXPECT_LT(sums.memory_bytes(), std::size_t{8000} * 400 * 10);  // a hash takes at least 17 / (7 / 8) bytes for each
}

}  // namespace
}  // namespace bukubesar
