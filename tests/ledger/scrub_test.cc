#include "ledger/scrub.h"

#include <thread>

#include "ledger/chunk.h"
#include "ledger/rows.h"
#include "ledger/signer.h"
#include "ledger/store.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

// A ledger of 1,000 entries, signed; its rows can be changed behind its back, with every checksum of RocksDB's right.
class ScrubTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ledger = open_ledger(directory_.ledger(), make_definition());
    for (int i = 0; i < 4; ++i) ASSERT_EQ(commit_events(*ledger, kP0, 250), absl::OkStatus());
    ASSERT_EQ(CheckpointSigner(*ledger, make_definition(), keys()).sign(), absl::OkStatus());
  }
  static SigningKeys keys() { return SigningKeys::of_seed(std::string(32, 's')); }
  void overwrite(Family family, const std::string& key, std::string (*change)(std::string)) {
    auto store = Store::open({directory_.ledger(), directory_.ledger() + ".log", false, {}});
    ASSERT_TRUE(store.ok()) << store.status();
    const auto row = (*store)->get(family, key);
    ASSERT_TRUE(row.ok() && row->has_value());
    StoreBatch batch;
    batch.put(family, key, change(**row));
    ASSERT_EQ((*store)->write(batch), absl::OkStatus());
  }
  // What one pass finds.
  ScrubStatus scrub(Ledger& ledger) {
    ScrubOptions options;
    options.ledger = &ledger;
    options.bytes_per_s_max = 1U << 30;
    Scrub scrub(std::move(options));
    EXPECT_TRUE(scrub.pass());
    return scrub.status();
  }
  // Another payload of the same length, in a row that decompresses without complaint.
  static std::string change_payload(std::string row) {
    const auto chunk = decode_payload_chunk(Sequence(250), row);
    std::vector<std::string> payloads;
    for (const auto& payload : (*chunk)->payloads) payloads.emplace_back(*payload);
    payloads[7].back() = '!';
    const std::vector<std::string_view> views(payloads.begin(), payloads.end());
    return encode_payload_chunk(views.data(), views.size());
  }
  // As a redaction leaves the row.
  static std::string drop_payload(std::string row) {
    const auto chunk = decode_payload_chunk(Sequence(250), row);
    std::vector<std::string_view> payloads;
    for (const auto& payload : (*chunk)->payloads) payloads.push_back(*payload);
    payloads[7] = {};
    return encode_payload_chunk(payloads.data(), payloads.size());
  }

  TemporaryDirectory directory_;
};

TEST_F(ScrubTest, ReadsEverythingAndFindsNothingInWhatIsWhole) {
  auto ledger = open_ledger(directory_.ledger(), make_definition());
  const ScrubStatus status = scrub(*ledger);
  EXPECT_EQ(status.errors, 0U);
  EXPECT_EQ(status.passes, 1U);
  EXPECT_EQ(status.entries, 1000U);
  EXPECT_GT(status.read_bytes, 0U);
  EXPECT_EQ(status.partitions.at(kP0).next, 1000U);
  EXPECT_TRUE(ledger->damage().empty());
}

TEST_F(ScrubTest, NamesAChangedPayloadAndThePartitionIsNotSignedAnyMore) {
  overwrite(Family::payloads, chunk_key(kP0, Sequence(250)), change_payload);
  auto ledger = open_ledger(directory_.ledger(), make_definition());
  const ScrubStatus status = scrub(*ledger);
  EXPECT_EQ(status.errors, 1U);
  ASSERT_EQ(status.findings.size(), 1U);
  EXPECT_EQ(status.findings[0].place, "0:257");
  EXPECT_EQ(status.entries, 1000U) << "it goes on behind the damage";
  ASSERT_TRUE(ledger->damage().contains(kP0));

  ASSERT_EQ(commit_events(*ledger, kP0, 10), absl::OkStatus());
  ASSERT_EQ(commit_events(*ledger, PartitionId::reference(), 5), absl::OkStatus());
  ASSERT_EQ(CheckpointSigner(*ledger, make_definition(), keys()).sign(), absl::OkStatus());
  EXPECT_EQ(parse_checkpoint(**ledger->newest_checkpoint(kP0))->size, 1000U) << "what was signed before stays";
  EXPECT_EQ(parse_checkpoint(**ledger->newest_checkpoint(PartitionId::reference()))->size, 5U) << "other partitions go on";
  const auto note = parse_cut_note(**ledger->newest_cut_note());
  ASSERT_TRUE(note.ok());
  EXPECT_EQ(note->parts[0].size, 1000U);
}

TEST_F(ScrubTest, NamesAPayloadThatIsGoneWithoutARedaction) {
  overwrite(Family::payloads, chunk_key(kP0, Sequence(250)), drop_payload);
  auto ledger = open_ledger(directory_.ledger(), make_definition());
  const ScrubStatus status = scrub(*ledger);
  ASSERT_EQ(status.findings.size(), 1U);
  EXPECT_EQ(status.findings[0].place, "0:257");
  EXPECT_NE(status.findings[0].what.find("is not kept"), std::string::npos) << status.findings[0].what;
  EXPECT_TRUE(ledger->damage().contains(kP0));
}

TEST_F(ScrubTest, FindsNothingInPayloadsThatARedactionOrTheirSizeTook) {
  auto ledger = open_ledger(directory_.ledger(), make_definition());
  ASSERT_TRUE(ledger->commit(commit_of(BatchMaker(kP0, ledger->head(kP0)).oversize(kPayloadBytesMax + 1).take())).ok());
  ASSERT_EQ(ledger->redact(kP0, Sequence(257), Redaction{}), absl::OkStatus());
  ASSERT_FALSE(ledger->read_payload(kP0, Sequence(257)).ok());
  const ScrubStatus status = scrub(*ledger);
  EXPECT_EQ(status.entries, 1001U);
  EXPECT_TRUE(status.findings.empty()) << status.findings.front().place << ": " << status.findings.front().what;
}

TEST_F(ScrubTest, NamesAChangedTreeRow) {
  // Levels 1 and 2 of 66,000 entries: a start reads level 2 alone.
  {
    auto ledger = open_ledger(directory_.ledger(), make_definition());
    for (int i = 0; i < 13; ++i) ASSERT_EQ(commit_events(*ledger, kP0, 5000), absl::OkStatus());
  }
  overwrite(Family::tree, tree_key(kP0, 1, 1), [](std::string row) {
    row[0] = static_cast<char>(row[0] ^ 1);
    return row;
  });
  auto ledger = open_ledger(directory_.ledger(), make_definition());
  ASSERT_NE(ledger, nullptr);
  const ScrubStatus status = scrub(*ledger);
  ASSERT_FALSE(status.findings.empty());
  EXPECT_EQ(status.findings[0].place, "0 tree level 1 index 1");
}

TEST_F(ScrubTest, KeepsToItsPaceAndStopsInTheMiddle) {
  auto ledger = open_ledger(directory_.ledger(), make_definition());
  ScrubOptions options;
  options.ledger = ledger.get();
  options.bytes_per_s_max = 1;  // hours for a pass
  options.interval = std::chrono::seconds(0);
  Scrub scrub(std::move(options));
  scrub.start();
  while (scrub.status().read_bytes == 0) std::this_thread::yield();
  EXPECT_EQ(scrub.status().passes, 0U);
  scrub.stop();
  EXPECT_EQ(scrub.status().passes, 0U);
}

TEST_F(ScrubTest, LooksIntoGapsOfTransactionalSourcesOnce) {
  auto ledger = open_ledger(directory_.ledger(), make_definition());
  ASSERT_TRUE(ledger->commit(commit_of(BatchMaker(kP0, ledger->head(kP0)).gap(1).accepted("x").gap(2).accepted("y").take())).ok());
  std::vector<Gap> asked;
  ScrubOptions options;
  options.ledger = ledger.get();
  options.bytes_per_s_max = 1U << 30;
  options.commits_gaps_at_once = [](PartitionId partition, Epoch) { return partition == kP0; };
  options.record_in_gap = [&](PartitionId, const Gap& gap) -> absl::StatusOr<std::optional<Offset>> {
    asked.push_back(gap);
    return gap.first == Offset(1002) ? std::optional(Offset(1003)) : std::nullopt;
  };
  Scrub scrub(std::move(options));
  ASSERT_TRUE(scrub.pass());
  ASSERT_TRUE(scrub.pass());
  EXPECT_EQ(asked, (std::vector<Gap>{{Epoch(0), Offset(1000), Offset(1001)}, {Epoch(0), Offset(1002), Offset(1004)}}));
  const ScrubStatus status = scrub.status();
  ASSERT_EQ(status.findings.size(), 1U);
  EXPECT_EQ(status.findings[0].place, "0 epoch 0 offset 1003");
  EXPECT_TRUE(ledger->damage().empty()) << "what is stored is whole";
}

}  // namespace
}  // namespace bukubesar
