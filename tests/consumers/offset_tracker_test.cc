#include "consumers/offset_tracker.h"

#include "gtest/gtest.h"

namespace bukubesar {
namespace {

using Action = OffsetTracker::Action;

Anchor anchor_at(std::int64_t offset) {
  Anchor anchor;
  anchor.offset = Offset(offset);
  return anchor;
}

TEST(OffsetTracker, TakesConsecutiveOffsetsFromTheFirstOne) {
  OffsetTracker tracker(Offset(5), std::nullopt, false);
  EXPECT_EQ(tracker.restart(), Offset(5));
  EXPECT_EQ(tracker.on_record(Offset(4)), Action::skip);
  EXPECT_EQ(tracker.on_record(Offset(5)), Action::take);
  EXPECT_EQ(tracker.on_record(Offset(5)), Action::skip);
  EXPECT_EQ(tracker.on_record(Offset(6)), Action::take);
  EXPECT_EQ(tracker.next_offset(), Offset(7));
}

TEST(OffsetTracker, StartsAtTheAnchorAndTakesNothingBeforeItMatched) {
  OffsetTracker tracker(Offset(8), anchor_at(7), false);
  EXPECT_EQ(tracker.restart(), Offset(7));
  EXPECT_EQ(tracker.on_record(Offset(7)), Action::check_anchor);
  EXPECT_TRUE(tracker.awaiting_anchor());
  tracker.anchor_matched();
  EXPECT_EQ(tracker.on_record(Offset(8)), Action::take);
}

TEST(OffsetTracker, SaysThatTheAnchorIsMissing) {
  OffsetTracker tracker(Offset(8), anchor_at(7), true);
  EXPECT_EQ(tracker.restart(), Offset(7));
  EXPECT_EQ(tracker.on_record(Offset(8)), Action::anchor_missing);
}

TEST(OffsetTracker, AJumpCountsOnlyWhenAFreshConsumerSeesItToo) {
  OffsetTracker tracker(Offset(0), std::nullopt, false);
  EXPECT_EQ(tracker.restart(), Offset(0));
  EXPECT_EQ(tracker.on_record(Offset(0)), Action::take);
  EXPECT_EQ(tracker.on_record(Offset(3)), Action::skip);
  EXPECT_TRUE(tracker.wants_refetch());
  tracker.remember(anchor_at(0));
  EXPECT_EQ(tracker.restart(), Offset(0));
  EXPECT_EQ(tracker.on_record(Offset(0)), Action::check_anchor);
  tracker.anchor_matched();
  EXPECT_EQ(tracker.on_record(Offset(3)), Action::take_after_gap);
  EXPECT_EQ(tracker.gap(), std::make_pair(Offset(1), Offset(3)));
  EXPECT_EQ(tracker.gaps_refetched(), 1U);
}

TEST(OffsetTracker, RecordsThatAConsumerHadSkippedAreTaken) {
  OffsetTracker tracker(Offset(0), std::nullopt, false);
  EXPECT_EQ(tracker.restart(), Offset(0));
  EXPECT_EQ(tracker.on_record(Offset(2)), Action::skip);
  EXPECT_EQ(tracker.restart(), Offset(0));
  for (int offset = 0; offset < 4; ++offset) EXPECT_EQ(tracker.on_record(Offset(offset)), Action::take) << offset;
}

TEST(OffsetTracker, ADifferentJumpIsLookedAtAgain) {
  OffsetTracker tracker(Offset(0), std::nullopt, false);
  EXPECT_EQ(tracker.restart(), Offset(0));
  EXPECT_EQ(tracker.on_record(Offset(5)), Action::skip);
  EXPECT_EQ(tracker.restart(), Offset(0));
  EXPECT_EQ(tracker.on_record(Offset(4)), Action::skip);
  EXPECT_TRUE(tracker.wants_refetch());
}

TEST(OffsetTracker, OnePassConfirmsSeveralJumps) {
  OffsetTracker tracker(Offset(0), std::nullopt, false);
  EXPECT_EQ(tracker.restart(), Offset(0));
  for (const int offset : {0, 2, 3, 5, 9}) EXPECT_EQ(tracker.on_record(Offset(offset)), offset == 0 ? Action::take : Action::skip);
  EXPECT_EQ(tracker.restart(), Offset(1));
  EXPECT_EQ(tracker.on_record(Offset(2)), Action::take_after_gap);
  EXPECT_EQ(tracker.on_record(Offset(3)), Action::take);
  EXPECT_EQ(tracker.on_record(Offset(5)), Action::take_after_gap);
  EXPECT_EQ(tracker.on_record(Offset(9)), Action::take_after_gap);
  EXPECT_FALSE(tracker.wants_refetch());
  EXPECT_EQ(tracker.gaps_refetched(), 3U);
}

TEST(OffsetTracker, ATransactionalSourceJumpsAtOnce) {
  OffsetTracker tracker(Offset(0), std::nullopt, true);
  EXPECT_EQ(tracker.restart(), Offset(0));
  EXPECT_EQ(tracker.on_record(Offset(0)), Action::take);
  EXPECT_EQ(tracker.on_record(Offset(2)), Action::take_after_gap);
  EXPECT_EQ(tracker.gaps_refetched(), 0U);
}

}  // namespace
}  // namespace bukubesar
