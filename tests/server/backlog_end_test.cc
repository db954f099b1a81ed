#include "server/backlog_end.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace bukubesar {
namespace {

constexpr std::int64_t kFar = BacklogEnd::kFarRecords;
constexpr std::int64_t kNear = BacklogEnd::kNearRecords;

// At which looks it said so.
std::vector<int> ends_of(const std::vector<std::optional<std::int64_t>>& lags) {
  BacklogEnd end;
  std::vector<int> at;
  for (int i = 0; i < static_cast<int>(lags.size()); ++i)
    if (end.look(lags[static_cast<std::size_t>(i)])) at.push_back(i);
  return at;
}

TEST(BacklogEnd, IsToldOnceForEachBacklog) {
  EXPECT_EQ(ends_of({kFar, kNear + 1, 0, 0, 0, 0, 0, kFar, kNear, kNear, kNear, 0}), (std::vector<int>{4, 10}));
}

TEST(BacklogEnd, IsNoneWhereNobodyWasFarBehind) { EXPECT_TRUE(ends_of({0, 0, kFar - 1, 0, 0, 0, 0, 0}).empty()); }

TEST(BacklogEnd, IsNoneBeforeTheServerHasStayedNear) {
  EXPECT_TRUE(ends_of({kFar, 0, 0, kNear + 1, 0, 0, kFar, 0, 0}).empty());
  // What is not known says nothing.
  EXPECT_EQ(ends_of({kFar, 0, std::nullopt, 0, std::nullopt, 0}), (std::vector<int>{5}));
}

}  // namespace
}  // namespace bukubesar
