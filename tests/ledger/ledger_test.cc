#include "ledger/ledger.h"

#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

TEST(Ledger, GivesBackWhatWasCommittedAndAgainAfterReopening) {
  TemporaryDirectory directory;
  const Definition definition = make_definition();
  PartitionHead before;
  for (int round = 0; round < 2; ++round) {
    auto ledger = open_ledger(directory.ledger(), definition);
    ASSERT_NE(ledger, nullptr);
    if (round == 0) {
      BatchMaker maker(kP0);
      maker.accepted("a", 5000)
          .rejected("nonsense", 4000)
          .duplicate("a", Sequence(0), 7000)
          .gap(3)
          .accepted("b", 8000)
          .oversize(kPayloadBytesMax + 1);
      const auto cost = ledger->commit(commit_of(maker.take()));
      ASSERT_TRUE(cost.ok()) << cost.status();
      EXPECT_EQ(cost->entries, 5U);
      before = ledger->head(kP0);
    }
    const PartitionHead head = ledger->head(kP0);
    EXPECT_EQ(head.size, 5U);
    EXPECT_EQ(head.root, before.root);
    EXPECT_EQ(head.next_offset, Offset(8));
    EXPECT_EQ(head.gap_offsets, 3U);
    EXPECT_EQ(head.counts.accepted, 2U);
    EXPECT_EQ(head.counts.duplicate, 1U);
    EXPECT_EQ(head.counts.rejected, 2U);
    const auto run = ledger->read(kP0, Sequence(0), 100);
    ASSERT_TRUE(run.ok()) << run.status();
    ASSERT_EQ(run->entries.size(), 5U);
    EXPECT_EQ(run->entries[1].payload, payload_of("k", "nonsense"));
    EXPECT_EQ(run->entries[4].payload, std::nullopt);
    EXPECT_EQ(ledger->read_payload(kP0, Sequence(4)).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ledger->read_payload(kP0, Sequence(5)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(*ledger->sequence_of(kP0, Epoch(0), Offset(6)), Sequence(3));
    EXPECT_EQ(ledger->sequence_of(kP0, Epoch(0), Offset(4)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(*ledger->gaps(kP0), (std::vector<Gap>{{Epoch(0), Offset(3), Offset(6)}}));
    EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/test", "b")), Sequence(3));
    EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/test", "c")), std::nullopt);
    EXPECT_EQ(ledger->head(PartitionId::reference()).size, 0U);
  }
}

}  // namespace
}  // namespace bukubesar
