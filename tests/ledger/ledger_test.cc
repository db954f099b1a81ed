#include "ledger/ledger.h"

#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "base/file.h"
#include "config/definition.h"
#include "ledger/chunk.h"
#include "ledger/proof.h"
#include "ledger/signer.h"
#include "ledger/tlog_path.h"
#include "ledger/verify.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

SourceStatement statement_of(const Ledger& ledger, PartitionId partition, std::uint32_t epoch, std::int64_t first_offset) {
  SourceStatement source;
  source.epoch = Epoch(epoch);
  source.partition = partition;
  source.cluster = "c";
  source.topic = "t";
  source.first_offset = Offset(first_offset);
  source.size = ledger.head(partition).size;
  source.root = std::string(as_view(ledger.head(partition).root));
  source.reason = "test";
  source.decided_by = "test";
  source.line = to_line(source);
  return source;
}

void expect_verified(const Ledger& ledger, const Definition& definition) {
  const VerifyReport report = verify_ledger(ledger, definition, "", {}, {});
  for (const auto& finding : report.findings) ADD_FAILURE() << finding.place << ": " << finding.what;
  EXPECT_EQ(report.cut, ledger.cut());
}

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
    EXPECT_EQ(head.ledger_time_ms, 8000);
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
    EXPECT_EQ(ledger->read(kP0, Sequence(6), 1).status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_TRUE(ledger->read(kP0, Sequence(5), 1)->entries.empty());
    EXPECT_EQ(*ledger->sequence_of(kP0, Epoch(0), Offset(6)), Sequence(3));
    EXPECT_EQ(ledger->sequence_of(kP0, Epoch(0), Offset(4)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ledger->sequence_of(kP0, Epoch(0), Offset(8)).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(*ledger->gaps(kP0, Epoch(0), Offset(0), 10), (std::vector<Gap>{{Epoch(0), Offset(3), Offset(6)}}));
    EXPECT_EQ(ledger->head(PartitionId::reference()).size, 0U);
    EXPECT_EQ(ledger->root(PartitionId(7), 0).status().code(), absl::StatusCode::kInvalidArgument);
    expect_verified(*ledger, definition);
  }
}

TEST(Ledger, I1DenseABatchThatLeavesAHoleOrOverlapsIsRefused) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_EQ(commit_events(*ledger, kP0, 3), absl::OkStatus());
  for (const std::uint64_t first : {0, 2, 4, 1000}) {
    BatchMaker maker(kP0, ledger->head(kP0));
    PartitionBatch batch = maker.accepted("x").take();
    batch.first = Sequence(first);
    EXPECT_EQ(ledger->commit(commit_of(std::move(batch))).status().code(), absl::StatusCode::kInvalidArgument) << first;
  }
  EXPECT_EQ(ledger->head(kP0).size, 3U);
  ASSERT_EQ(commit_events(*ledger, kP0, 1), absl::OkStatus()) << "a refused batch leaves no trace";
}

TEST(Ledger, I5RulesLinesHoldForEntriesToComeAndForVersionsThatThereAre) {
  TemporaryDirectory directory;
  const auto with = [](const std::vector<std::string>& lines) {
    std::string text = R"({"ledger":{"name":"test","format":1,"partitions":1,"partitioner":"murmur2","clock":"kafka","zone":"+08:00"}})"
                       "\n"
                       R"({"rules":{"version":1,"from":"1970-01-01T00:00:00Z"}})"
                       "\n";
    for (const std::string& line : lines) text += line + "\n";
    return *parse_definition(text, "d.jsonl");
  };
  {
    auto ledger = open_ledger(directory.ledger(), with({}));
    BatchMaker maker(kP0, ledger->head(kP0));
    ASSERT_TRUE(ledger->commit(commit_of(maker.accepted("a", 1'700'000'000'000).take())).ok());
  }
  const auto refusal = [&](const std::string& line) {
    return std::string(Ledger::open({directory.ledger(), false, {}}, with({line})).status().message());
  };
  EXPECT_NE(refusal(R"({"rules":{"version":2,"from":"2100-01-01T00:00:00Z"}})").find("this program knows 1 … 1"), std::string::npos);
  EXPECT_EQ(refusal(R"({"authority":{"source":"/feed/x"}})"), "");
}

TEST(Ledger, I2ImmutableWhatWasReadReadsTheSameAfterLaterCommits) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  std::vector<Entry> first;
  std::vector<Hash256> roots = {ledger->head(kP0).root};
  for (int commit = 0; commit < 12; ++commit) {
    ASSERT_EQ(commit_events(*ledger, kP0, 70), absl::OkStatus());
    if (commit == 0) first = *ledger->read_entries(kP0, Sequence(0), 70);
    roots.push_back(ledger->head(kP0).root);
  }
  ledger.reset();
  ledger = open_ledger(directory.ledger(), make_definition());
  EXPECT_EQ(*ledger->read_entries(kP0, Sequence(0), 70), first);
  for (std::size_t i = 0; i < roots.size(); ++i) EXPECT_EQ(*ledger->root(kP0, 70 * i), roots[i]);
}

TEST(Ledger, I3CompleteEveryOffsetIsARecordOrAGap) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_EQ(commit_events(*ledger, kP0, 3), absl::OkStatus());
  const PartitionHead head = ledger->head(kP0);
  const auto refused = [&](const std::function<void(PartitionBatch&)>& spoil, const char* why) {
    BatchMaker maker(kP0, head);
    PartitionBatch batch = maker.accepted("x").gap(2).accepted("y").take();
    spoil(batch);
    EXPECT_EQ(ledger->commit(commit_of(std::move(batch))).status().code(), absl::StatusCode::kInvalidArgument) << why;
  };
  refused([](PartitionBatch& b) { b.gaps.clear(); }, "a jump without a gap");
  refused([](PartitionBatch& b) { b.gaps[0].limit = Offset(5); }, "a gap that ends too early");
  refused([](PartitionBatch& b) { b.gaps.push_back({Epoch(0), Offset(7), Offset(9)}); }, "a gap after the last record");
  refused([](PartitionBatch& b) { b.gaps[0].epoch = Epoch(1); }, "a gap of another epoch");
  refused([](PartitionBatch& b) { b.next_offset = Offset(8); }, "next_offset beyond the last record");
  refused([](PartitionBatch& b) { b.entries[0].offset = Offset(2); }, "an offset that was consumed");
  refused([](PartitionBatch& b) { b.entries[1].epoch = Epoch(1); }, "a record of an epoch that nobody declared");
  refused([](PartitionBatch& b) { b.epoch = Epoch(1); }, "an epoch without its statement");
  refused([](PartitionBatch& b) { b.payloads.pop_back(); }, "a payload too few");
  refused([](PartitionBatch& b) { b.payloads[0] = {}; }, "a payload that is not given");
  refused([](PartitionBatch& b) { b.entries[0].payload_size += 1; }, "a payload of another size");
  refused([](PartitionBatch& b) { b.entries[0].verdict = Verdict::none; }, "a record without a verdict");
  refused(
      [](PartitionBatch& b) {
        b.entries.clear();
        b.payloads.clear();
      },
      "nothing");
  EXPECT_EQ(ledger->head(kP0).size, 3U);
  BatchMaker maker(kP0, head);
  ASSERT_TRUE(ledger->commit(commit_of(maker.accepted("x").gap(2).accepted("y").take())).ok());
  const PartitionHead after = ledger->head(kP0);
  EXPECT_EQ(static_cast<std::uint64_t>(after.next_offset.value()), after.records + after.gap_offsets);
  EXPECT_EQ(after.size, after.counts.accepted + after.counts.duplicate + after.counts.rejected + after.counts.statements);
}

TEST(Ledger, I4ExactlyOnceAnAcceptedIdIsFoundForeverAndNeverAcceptedAgain) {
  TemporaryDirectory directory;
  for (int round = 0; round < 2; ++round) {
    auto ledger = open_ledger(directory.ledger(), make_definition(2));
    if (round == 0) {
      ASSERT_EQ(commit_events(*ledger, kP0, 600), absl::OkStatus());
    }
    for (std::uint64_t i = 0; i < 600; i += 37)
      EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/test", "e" + std::to_string(i))), Sequence(i));
    EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/test", "e600")), std::nullopt);
    EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/other", "e0")), std::nullopt);
    EXPECT_EQ(*ledger->find_accepted(PartitionId(1), fingerprint_of("/feed/test", "e0")), std::nullopt);
    const PartitionHead head = ledger->head(kP0);
    EXPECT_FALSE(ledger->commit(commit_of(BatchMaker(kP0, head).accepted("new").accepted("e5").take())).ok()) << "accepted before";
    EXPECT_FALSE(ledger->commit(commit_of(BatchMaker(kP0, head).accepted("z").accepted("z").take())).ok()) << "twice in one batch";
    EXPECT_FALSE(ledger->commit(commit_of(BatchMaker(kP0, head).duplicate("e5", Sequence(6)).take())).ok()) << "not the first";
    EXPECT_FALSE(ledger->commit(commit_of(BatchMaker(kP0, head).duplicate("nowhere", Sequence(6)).take())).ok());
    EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/test", "new")), std::nullopt) << "of a refused batch";
    EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/test", "z")), std::nullopt);
    ASSERT_TRUE(ledger->commit(commit_of(BatchMaker(kP0, head).duplicate("e5", Sequence(5)).rejected("z").take())).ok());
    const std::string again = "z" + std::to_string(round);
    ASSERT_TRUE(ledger->commit(commit_of(BatchMaker(kP0, ledger->head(kP0)).accepted(again).take())).ok())
        << "a rejected event may be sent again";
    expect_verified(*ledger, make_definition(2));
  }
}

TEST(Ledger, I5TheSameRecordsInOtherBatchesHaveTheSameRoots) {
  Hash256 root{};
  for (const std::size_t batch : {1000U, 256U, 77U, 1U}) {
    TemporaryDirectory directory;
    auto ledger = open_ledger(directory.ledger(), make_definition());
    for (std::size_t done = 0; done < 1000;) {
      const std::size_t count = std::min<std::size_t>(batch, 1000 - done);
      ASSERT_EQ(commit_events(*ledger, kP0, count), absl::OkStatus());
      done += count;
    }
    if (batch == 1000) root = ledger->head(kP0).root;
    EXPECT_EQ(ledger->head(kP0).root, root) << batch;
    EXPECT_EQ(ledger->recheck(kP0, 300, 1000, root), absl::OkStatus());
    expect_verified(*ledger, make_definition());
  }
}

TEST(Ledger, ACommitOfSeveralPartitionsIsOne) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition(2));
  Commit commit;
  BatchMaker a(kP0);
  BatchMaker r(PartitionId::reference());
  commit.parts.push_back(a.accepted("a").take());
  commit.parts.push_back(r.accepted("a").take());
  ASSERT_TRUE(ledger->commit(commit).ok());
  EXPECT_EQ(ledger->cut().text(), "0=1,1=0,reference=1");
  Commit twice;
  BatchMaker b(kP0, ledger->head(kP0));
  BatchMaker c(kP0, ledger->head(kP0));
  twice.parts.push_back(b.accepted("b").take());
  twice.parts.push_back(c.accepted("c").take());
  EXPECT_EQ(ledger->commit(twice).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Ledger, ASourceStatementBeginsAnEpochOnlyWhereItSays) {
  TemporaryDirectory directory;
  Definition definition = make_definition();
  auto ledger = open_ledger(directory.ledger(), definition);
  ASSERT_EQ(commit_events(*ledger, kP0, 300), absl::OkStatus());
  const PartitionHead head = ledger->head(kP0);
  const SourceStatement right = statement_of(*ledger, kP0, 1, 40);
  const auto refused = [&](const std::function<void(SourceStatement&)>& spoil) {
    SourceStatement wrong = right;
    spoil(wrong);
    wrong.line = to_line(wrong);
    return ledger->commit(commit_of(BatchMaker(kP0, head).statement(wrong).take())).status().code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](SourceStatement& s) { s.size = 299; }));
  EXPECT_TRUE(refused([](SourceStatement& s) { s.root[0] = static_cast<char>(s.root[0] ^ 1); }));
  EXPECT_TRUE(refused([](SourceStatement& s) { s.epoch = Epoch(2); }));
  EXPECT_TRUE(refused([](SourceStatement& s) { s.partition = PartitionId::reference(); }));
  ASSERT_TRUE(ledger->commit(commit_of(BatchMaker(kP0, head).statement(right).accepted("first of epoch 1").take())).ok());
  EXPECT_EQ(ledger->head(kP0).epoch, Epoch(1));
  EXPECT_EQ(ledger->head(kP0).next_offset, Offset(41));
  EXPECT_EQ(*ledger->sequence_of(kP0, Epoch(1), Offset(40)), Sequence(301));
  EXPECT_EQ(*ledger->sequence_of(kP0, Epoch(0), Offset(40)), Sequence(40));
  EXPECT_FALSE(verify_ledger(*ledger, definition, "", {}, {}).ok()) << "the definition does not have the line";
  definition.sources.push_back(right);
  expect_verified(*ledger, definition);
}

TEST(Ledger, TheFirstOffsetIsTheDefinitions) {
  TemporaryDirectory directory;
  Definition definition = make_definition();
  SourceStatement source;
  source.partition = kP0;
  source.first_offset = Offset(812);
  definition.sources.push_back(source);
  auto ledger = open_ledger(directory.ledger(), definition);
  EXPECT_EQ(ledger->head(kP0).next_offset, Offset(812));
  ASSERT_EQ(commit_events(*ledger, kP0, 2), absl::OkStatus());
  EXPECT_EQ(*ledger->sequence_of(kP0, Epoch(0), Offset(813)), Sequence(1));
  expect_verified(*ledger, definition);
}

TEST(Ledger, SizeAtIsThePrefixUpToTheInstant) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  std::vector<std::int64_t> times;  // running maxima
  BatchMaker maker(kP0);
  for (int commit = 0; commit < 7; ++commit) {
    maker.follow(ledger->head(kP0));
    for (int i = 0; i < 100; ++i) {
      const int n = commit * 100 + i;
      // Every seventh stamp goes back; runs of three share one.
      const std::int64_t stamp = n % 7 == 0 ? 500 : 1000 + n / 3 * 10;
      maker.accepted("e" + std::to_string(n), stamp);
      times.push_back(times.empty() ? stamp : std::max(times.back(), stamp));
    }
    ASSERT_TRUE(ledger->commit(commit_of(maker.take())).ok());
  }
  for (std::int64_t instant = 490; instant < 3500; instant += 5) {
    const auto want = static_cast<std::uint64_t>(std::upper_bound(times.begin(), times.end(), instant) - times.begin());
    ASSERT_EQ(*ledger->size_at(kP0, instant), want) << instant;
  }
  EXPECT_EQ(*ledger->size_at(kP0, -5), 0U);
  for (std::uint64_t n = 0; n < 700; n += 13) EXPECT_EQ(*ledger->ledger_time_ms(kP0, Sequence(n)), times[n]);
  EXPECT_EQ(*ledger->size_at(PartitionId::reference(), 1), 0U);
}

TEST(Ledger, ACreateTimeTopicOffersNoAsOfByTime) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  BatchMaker maker(kP0);
  PartitionBatch batch = maker.accepted("a", 4'070'908'800'000).take();
  batch.entries[0].log_append_time = false;
  ASSERT_TRUE(ledger->commit(commit_of(std::move(batch))).ok());
  EXPECT_EQ(ledger->head(kP0).ledger_time_ms, 0);
  EXPECT_EQ(ledger->size_at(kP0, 5).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Ledger, TheIntakesClockTrustsEveryStamp) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition(1, LedgerClock::intake));
  PartitionBatch batch = BatchMaker(kP0).accepted("a", 7000).take();
  batch.entries[0].log_append_time = false;
  ASSERT_TRUE(ledger->commit(commit_of(std::move(batch))).ok());
  EXPECT_EQ(*ledger->size_at(kP0, 6999), 0U);
  EXPECT_EQ(*ledger->size_at(kP0, 7000), 1U);
}

TEST(Ledger, ServesTilesAndBundlesOfEveryWidthTheTreeHas) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  EXPECT_EQ(ledger->tile(kP0, 0, 0, 1).status().code(), absl::StatusCode::kNotFound) << "an empty tile is never served";
  ASSERT_EQ(commit_events(*ledger, kP0, 200), absl::OkStatus());
  ASSERT_EQ(commit_events(*ledger, kP0, 400), absl::OkStatus());
  std::vector<std::string> leaves;
  const auto entries = *ledger->read_entries(kP0, Sequence(0), 600);
  for (const Entry& entry : entries) leaves.emplace_back(as_view(encode_entry(entry)));
  std::string level0;
  std::string bundle;
  for (unsigned width = 1; width <= 256; ++width) {
    level0 += as_view(leaf_hash(leaves[width - 1]));
    bundle += std::string("\0\x58", 2) + leaves[width - 1];
    ASSERT_EQ(*ledger->tile(kP0, 0, 0, width), level0) << width;
    ASSERT_EQ(*ledger->entry_bundle(kP0, 0, width), bundle) << width;
  }
  EXPECT_EQ(ledger->tile(kP0, 0, 2, 88)->size(), 88U * 32);
  EXPECT_EQ(ledger->tile(kP0, 0, 2, 89).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ledger->entry_bundle(kP0, 2, 89).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*ledger->tile(kP0, 1, 0, 2),
            std::string(as_view(naive_root(leaves, 0, 256))) + std::string(as_view(naive_root(leaves, 256, 512))));
  EXPECT_EQ(*ledger->tile(kP0, 1, 0, 1), std::string(as_view(naive_root(leaves, 0, 256))));
  for (const auto& [level, index, width] : {std::tuple<unsigned, std::uint64_t, unsigned>{1, 0, 3},
                                            {2, 0, 1},
                                            {0, 3, 1},
                                            {0, 0, 0},
                                            {0, 0, 257},
                                            {1, ~std::uint64_t{0}, 256},
                                            {63, 0, 1}})
    EXPECT_EQ(ledger->tile(kP0, level, index, width).status().code(), absl::StatusCode::kNotFound) << level << ' ' << index;
}

TEST(Ledger, ProofsFromTilesHoldAcrossTileBorders) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  for (int i = 0; i < 4; ++i) ASSERT_EQ(commit_events(*ledger, kP0, 333), absl::OkStatus());
  const auto entries = *ledger->read_entries(kP0, Sequence(0), 2000);
  for (const std::uint64_t size : {1, 2, 255, 256, 257, 511, 512, 513, 1024, 1025, 1332}) {
    const Hash256 root = *ledger->root(kP0, size);
    for (std::uint64_t at = 0; at<size; at += size> 20 ? size / 11 : 1) {
      const auto proof = ledger->inclusion_proof(kP0, Sequence(at), size);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_EQ(check_inclusion(*proof, at, size, leaf_hash(as_view(encode_entry(entries[at]))), root), absl::OkStatus());
      const auto consistency = ledger->consistency_proof(kP0, at, size);
      ASSERT_TRUE(consistency.ok()) << consistency.status();
      EXPECT_EQ(check_consistency(*consistency, at, size, *ledger->root(kP0, at), root), absl::OkStatus()) << at << " to " << size;
    }
  }
  EXPECT_EQ(ledger->inclusion_proof(kP0, Sequence(0), 1333).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ledger->inclusion_proof(kP0, Sequence(5), 5).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ledger->consistency_proof(kP0, 6, 5).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(Ledger, LargePayloadsGetChunksOfTheirOwn) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  BatchMaker maker(kP0);
  const std::string large(kChunkPayloadBytesMax / 2, 'x');
  const std::string full(kPayloadBytesMax - payload_of("k", "").size(), 'y');
  maker.rejected("small").rejected(large).rejected(large).rejected(full).rejected("after");
  ASSERT_TRUE(ledger->commit(commit_of(maker.take())).ok());
  EXPECT_EQ(*ledger->read_payload(kP0, Sequence(3)), payload_of("k", full));
  EXPECT_EQ(*ledger->read_payload(kP0, Sequence(4)), payload_of("k", "after"));
  expect_verified(*ledger, make_definition());
}

TEST(Ledger, AForeignDirectoryIsRefused) {
  TemporaryDirectory directory;
  open_ledger(directory.ledger(), make_definition());
  Definition other = make_definition(2);
  EXPECT_EQ(Ledger::open({directory.ledger(), false, {}}, other).status().code(), absl::StatusCode::kFailedPrecondition);
  other = make_definition();
  other.name = "other";
  EXPECT_FALSE(Ledger::open({directory.ledger(), false, {}}, other).ok());
  other = make_definition();
  other.partitioner = "crc32";
  EXPECT_EQ(Ledger::open({directory.ledger(), false, {}}, other).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Ledger, AReaderBesideAWriterSeesTheCommitsThatStood) {
  TemporaryDirectory directory;
  EXPECT_EQ(Ledger::open({directory.ledger(), true, {}}, make_definition()).status().code(), absl::StatusCode::kNotFound);
  auto writer = open_ledger(directory.ledger(), make_definition());
  ASSERT_EQ(commit_events(*writer, kP0, 300), absl::OkStatus());
  ASSERT_EQ(writer->flush(), absl::OkStatus());
  ASSERT_EQ(commit_events(*writer, kP0, 7), absl::OkStatus());
  auto reader = open_ledger(directory.ledger(), make_definition(), /*read_only=*/true);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->head(kP0).size, 307U);
  ASSERT_EQ(commit_events(*writer, kP0, 5), absl::OkStatus());
  EXPECT_EQ(reader->head(kP0).size, 307U);
  expect_verified(*reader, make_definition());
  EXPECT_EQ(commit_events(*reader, kP0, 1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Ledger::open({directory.ledger(), false, {}}, make_definition()).status().code(), absl::StatusCode::kUnavailable)
      << "one writer";
}

TEST(Ledger, ReadersSeeWholeCommitsWhileTheWriterWorks) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition(2));
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> looks = 0;
  std::thread reader([&] {
    while (!done) {
      const auto heads = ledger->heads();
      const PartitionHead a = heads.at(kP0);
      EXPECT_EQ(a.size, heads.at(PartitionId(1)).size) << "both parts of a commit or none";
      if (a.size > 0) {
        EXPECT_EQ(ledger->read(kP0, Sequence(a.size - 1), 10)->entries.front().sequence, Sequence(a.size - 1));
        EXPECT_EQ(*ledger->find_accepted(kP0, fingerprint_of("/feed/test", std::to_string(a.size - 1))), Sequence(a.size - 1));
        EXPECT_TRUE(ledger->inclusion_proof(kP0, Sequence(a.size / 2), a.size).ok());
      }
      ++looks;
    }
  });
  for (int round = 0; round < 30 || looks < 30; ++round) {
    Commit commit;
    std::vector<BatchMaker> makers;
    for (const std::uint32_t p : {0U, 1U}) {
      BatchMaker maker(PartitionId(p), ledger->head(PartitionId(p)));
      for (std::uint64_t i = 0; i < 50; ++i) maker.accepted(std::to_string(ledger->head(PartitionId(p)).size + i), 1);
      commit.parts.push_back(maker.take());
    }
    ASSERT_TRUE(ledger->commit(commit).ok());
  }
  done = true;
  reader.join();
}

TEST(Signer, SignsEveryHeadOnceAndTheCutOfThem) {
  TemporaryDirectory directory;
  const std::string key_file = (directory.path() / "key").string();
  ASSERT_EQ(SigningKeys::create(key_file), absl::OkStatus());
  auto ledger = open_ledger(directory.ledger(), make_definition());
  CheckpointSigner signer(*ledger, make_definition(), *SigningKeys::load(key_file));
  ASSERT_EQ(signer.sign(), absl::OkStatus());
  EXPECT_EQ(parse_checkpoint(**ledger->newest_checkpoint(kP0))->root, empty_root());
  ASSERT_EQ(commit_events(*ledger, kP0, 300), absl::OkStatus());
  ASSERT_EQ(signer.sign(), absl::OkStatus());
  ASSERT_EQ(signer.sign(), absl::OkStatus()) << "nothing moved";
  ASSERT_EQ(commit_events(*ledger, PartitionId::reference(), 1), absl::OkStatus());
  ASSERT_EQ(signer.sign(), absl::OkStatus());
  const std::string note = **ledger->newest_checkpoint(kP0);
  EXPECT_EQ(verify_note(note, signer.keys().verifier_key("test/0")), absl::OkStatus());
  EXPECT_EQ(parse_checkpoint(note)->size, 300U);
  EXPECT_EQ(parse_checkpoint(note)->root, ledger->head(kP0).root);
  EXPECT_EQ(ledger->cut_of_checkpoint(kP0, 300)->text(), "0=300,reference=0") << "the first cut note that lists it";
  EXPECT_EQ(ledger->cut_of_checkpoint(PartitionId::reference(), 1)->text(), "0=300,reference=1");
  EXPECT_EQ(ledger->cut_of_checkpoint(kP0, 299).status().code(), absl::StatusCode::kNotFound);
  const auto proof = ledger->inclusion_proof(kP0, Sequence(17), 300);
  const auto parsed = parse_tlog_proof(tlog_proof(17, *proof, note, *ledger->read_payload(kP0, Sequence(17))));
  ASSERT_TRUE(parsed.ok());
  const auto entry = ledger->read_entries(kP0, Sequence(17), 1);
  EXPECT_EQ(verify_tlog_proof(*parsed, as_view(encode_entry(entry->front())), signer.keys().verifier_key("test/0")), absl::OkStatus());
  const VerifyReport report = verify_ledger(*ledger, make_definition(), key_file, {}, {});
  for (const auto& finding : report.findings) ADD_FAILURE() << finding.place << ": " << finding.what;
  EXPECT_EQ(report.checkpoints, 4U);
  EXPECT_EQ(report.entries, 301U);
  const std::string other_key = (directory.path() / "other").string();
  ASSERT_EQ(SigningKeys::create(other_key), absl::OkStatus());
  EXPECT_FALSE(verify_ledger(*ledger, make_definition(), other_key, {}, {}).ok());
}

TEST(Ledger, VerifyTellsItsVisitorEveryEntryInOrder) {
  TemporaryDirectory directory;
  auto ledger = open_ledger(directory.ledger(), make_definition());
  ASSERT_EQ(commit_events(*ledger, kP0, 700), absl::OkStatus());
  std::uint64_t next = 0;
  const VerifyReport report = verify_ledger(*ledger, make_definition(), "",
                                            [&](PartitionId partition, const StoredRun& run, std::span<const Event* const> events) {
                                              EXPECT_EQ(partition, kP0);
                                              ASSERT_EQ(events.size(), run.entries.size());
                                              for (const StoredEntry& entry : run.entries) EXPECT_EQ(entry.sequence, Sequence(next++));
                                              for (const Event* event : events) EXPECT_EQ(event->source, "/feed/test");
                                            },
                                            {});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(next, 700U);
}

}  // namespace
}  // namespace bukubesar
