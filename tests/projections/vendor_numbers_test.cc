#include "projections/vendor_numbers.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace bukubesar {
namespace {

using Numbers = std::vector<std::uint32_t>;

void fill(Dictionary& to, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) to.intern(text);
}

TEST(VendorNumbers, AVendorHasOneNumberInAllPartitions) {
  Dictionary first, second;
  fill(first, {"", "v1", "v2", "none", "v3"});
  fill(second, {"", "v3", "unknown", "v4", "v1"});
  VendorNumbers vendors(2);
  Numbers of_first, of_second;
  vendors.extend(0, first, 2, of_first);
  EXPECT_EQ(of_first, (Numbers{0, 1, 2}));
  vendors.extend(1, second, 4, of_second);
  EXPECT_EQ(of_second, (Numbers{0, 3, 0, 4, 1}));
  vendors.extend(0, first, 4, of_first);
  EXPECT_EQ(of_first, (Numbers{0, 1, 2, 0, 3}));
}

TEST(VendorNumbers, WhoComesLaterIsToldAllThatIsKnown) {
  Dictionary dictionary;
  fill(dictionary, {""});
  for (int i = 1; i < 10'000; ++i) dictionary.intern("v" + std::to_string(i));
  VendorNumbers vendors(1);
  Numbers all, few;
  vendors.extend(0, dictionary, 1, few);
  vendors.extend(0, dictionary, 9'999, all);
  ASSERT_EQ(all.size(), 10'000U);
  for (std::uint32_t code = 0; code < all.size(); ++code) EXPECT_EQ(all[code], code);
  vendors.extend(0, dictionary, 2, few);
  EXPECT_EQ(few, all);
  EXPECT_GE(vendors.memory_bytes(), 10'000 * sizeof(std::uint32_t));
}

// While the owner goes on interning what is not published yet.
TEST(VendorNumbers, ScansAgreeOnThem) {
  constexpr std::uint32_t kPublished = 5'000;
  Dictionary dictionary;
  fill(dictionary, {""});
  while (dictionary.size() < kPublished) dictionary.intern("v" + std::to_string(dictionary.size()));
  VendorNumbers vendors(2);
  std::vector<Numbers> told(4);
  {
    std::vector<std::jthread> scans;
    for (std::size_t i = 0; i < told.size(); ++i)
      scans.emplace_back([&, i] {
        for (std::uint32_t code = 0; code < kPublished; code += 7 + static_cast<std::uint32_t>(i))
          if (code >= told[i].size()) vendors.extend(i % 2, dictionary, code, told[i]);
        vendors.extend(i % 2, dictionary, kPublished - 1, told[i]);
      });
    while (dictionary.size() < 2 * kPublished) dictionary.intern("v" + std::to_string(dictionary.size()));
  }
  for (const Numbers& numbers : told) EXPECT_EQ(numbers, told[0]);
}

}  // namespace
}  // namespace bukubesar
