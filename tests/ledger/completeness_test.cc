#include "ledger/completeness.h"

#include "base/cancellation.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

constexpr std::int64_t kNoonMs = 1'683'777'600'000;  // 2023-05-11T12:00:00+08:00
constexpr std::int64_t kDayMs = 86'400'000;

TEST(Completeness, I3CountsEveryOffsetByEpochAndDay) {
  TemporaryDirectory directory;
  Definition definition = make_definition();
  auto ledger = open_ledger(directory.ledger(), definition);
  BatchMaker maker(kP0, ledger->head(kP0));
  maker.accepted("a", kNoonMs).accepted("b", kNoonMs).duplicate("a", Sequence(0), kNoonMs).gap(3).rejected("x", kNoonMs + kDayMs);
  ASSERT_EQ(ledger->commit(commit_of(maker.take())).status(), absl::OkStatus());
  SourceStatement source;
  source.epoch = Epoch(1);
  source.partition = kP0;
  source.topic = "t";
  source.cluster = "c";
  source.size = ledger->head(kP0).size;
  source.root = std::string(as_view(ledger->head(kP0).root));
  source.first_offset = Offset(40);
  source.reason = "recreated";
  source.decided_by = "bureau";
  source.line = to_line(source);
  definition.sources.push_back(source);
  maker.follow(ledger->head(kP0));
  maker.statement(source).gap(2).accepted("c", kNoonMs + kDayMs);
  ASSERT_EQ(ledger->commit(commit_of(maker.take())).status(), absl::OkStatus());

  const auto found = count_completeness(*ledger, definition);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->contradictions, std::vector<std::string>());
  ASSERT_EQ(found->rows.size(), 3U);
  EXPECT_EQ(format_date(*found->rows[0].day), "2023-05-11");
  EXPECT_EQ(found->rows[0].entries, 3U);
  EXPECT_EQ(found->rows[0].offsets(), 3U);
  EXPECT_EQ(format_date(*found->rows[1].day), "2023-05-12");
  EXPECT_EQ(found->rows[1].offsets(), 4U);
  EXPECT_EQ(found->rows[1].gap_offsets, 3U);
  EXPECT_EQ(found->rows[1].counts.rejected, 1U);
  EXPECT_EQ(found->rows[2].epoch, Epoch(1));
  EXPECT_EQ(found->rows[2].first_offset, Offset(40));
  EXPECT_EQ(found->rows[2].offsets(), 3U);
  EXPECT_EQ(found->rows[2].entries, 2U);
  EXPECT_EQ(found->rows[2].counts.statements, 1U);
  ASSERT_EQ(found->gaps.size(), 2U);
  EXPECT_EQ(found->gaps_total, 2U);
  EXPECT_EQ(found->gaps[0].before, Sequence(3));
  EXPECT_EQ(found->gaps[1].gap.first, Offset(40));
}

// As a transactional source has them: one for each of its markers.
TEST(Completeness, CountsMoreGapsThanItHoldsOrLists) {
  constexpr std::uint64_t kMany = 20'000;
  TemporaryDirectory directory;
  const Definition definition = make_definition();
  const auto ledger = open_ledger(directory.ledger(), definition);
  BatchMaker maker(kP0, ledger->head(kP0));
  for (std::uint64_t i = 0; i < kMany; ++i) maker.gap(1).accepted(std::to_string(i), kNoonMs);
  ASSERT_EQ(ledger->commit(commit_of(maker.take())).status(), absl::OkStatus());

  const auto found = count_completeness(*ledger, definition);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->contradictions, std::vector<std::string>());
  EXPECT_EQ(found->gaps_total, kMany);
  ASSERT_EQ(found->gaps.size(), kGapReportsMax);
  EXPECT_EQ(found->gaps.back().gap.first, Offset(2 * static_cast<std::int64_t>(kGapReportsMax) - 2));

  std::vector<Gap> paged;
  for (;;) {
    const Gap last = paged.empty() ? Gap{} : paged.back();
    const auto page = ledger->gaps(kP0, last.epoch, last.limit, 6'000);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_LE(page->size(), 6'000U);
    if (page->empty()) break;
    paged.insert(paged.end(), page->begin(), page->end());
  }
  ASSERT_EQ(paged.size(), kMany);
  EXPECT_EQ(paged.back(), (Gap{Epoch(0), Offset(2 * kMany - 2), Offset(2 * kMany - 1)}));
  const ComputesFor asker(std::make_shared<std::atomic<bool>>(true));
  EXPECT_TRUE(absl::IsCancelled(ledger->gaps(kP0, Epoch(0), Offset(0), 1).status()));
}

TEST(Completeness, StopsWhereNobodyWaitsAnyMore) {
  TemporaryDirectory directory;
  const Definition definition = make_definition();
  const auto ledger = open_ledger(directory.ledger(), definition);
  ASSERT_EQ(commit_events(*ledger, kP0, 5), absl::OkStatus());
  const ComputesFor asker(std::make_shared<std::atomic<bool>>(true));
  EXPECT_TRUE(absl::IsCancelled(count_completeness(*ledger, definition).status()));
}

TEST(Completeness, SaysWhereTheDefinitionAndTheEntriesDiffer) {
  TemporaryDirectory directory;
  Definition definition = make_definition();
  const auto ledger = open_ledger(directory.ledger(), definition);
  ASSERT_EQ(commit_events(*ledger, kP0, 5), absl::OkStatus());
  SourceStatement source;
  source.partition = kP0;
  source.first_offset = Offset(2);  // it began at 0
  definition.sources.push_back(source);
  const auto found = count_completeness(*ledger, definition);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->contradictions.empty());
}

}  // namespace
}  // namespace bukubesar
