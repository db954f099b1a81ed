#include "projections/projections.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <random>
#include <set>
#include <thread>

#include "base/file.h"
#include "base/status.h"
#include "base/thread.h"
#include "projections/segment.h"
#include "tests/logged.h"
#include "tests/projections/answers.h"
#include "tests/projections/event_spec.h"
#include "tests/projections/fixture.h"
#include "tests/wait_until.h"

namespace bukubesar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_support::Logged;
using testing_support::wait_until;

constexpr auto kPatience = std::chrono::seconds(60);

std::vector<EventSpec> random_events(unsigned seed, int purchases) {
  RandomEvents random(seed);
  std::vector<std::vector<EventSpec>> streams;
  for (int i = 0; i < purchases; ++i) streams.push_back(random.purchase(i));
  std::vector<EventSpec> all;
  std::vector<std::size_t> at(streams.size());
  for (std::size_t left = streams.size(); left > 0;) {
    const std::size_t i = random.pick(streams.size());
    if (at[i] == streams[i].size()) continue;
    all.push_back(streams[i][at[i]++]);
    if (at[i] == streams[i].size()) --left;
  }
  return all;
}

// Random purchases with facts in between, a few duplicates that differ and a few bad records.
void fill(Node& node, unsigned seed, int purchases, std::size_t commit_size,
          const std::function<void(std::shared_ptr<const Commit>)>& then = {}) {
  std::size_t count = 0;
  RandomEvents random(seed + 7);
  const auto flush = [&] {
    const auto commit = node.commit();
    if (then) then(commit);
  };
  for (const EventSpec& e : random_events(seed, purchases)) {
    node.add(e.subject, event_json(e));
    if (count % 23 == 5) {
      EventSpec again = e;
      again.total = "77";
      again.amount = "78";
      again.stage = "delivered";
      node.add(e.subject, event_json(again));
    }
    if (count % 31 == 3) node.add(e.subject, "no event");
    if (count % 17 == 1) {
      node.add(fmt::format("vendor/v{}", 1 + random.pick(4)),
               fact_json("vendor", fmt::format("v{}", 1 + random.pick(4)), fmt::format("f{}", count), ""), true);
    }
    if (count % 11 == 2) {
      const std::string vendor = fmt::format("v{}", 1 + random.pick(4));
      node.add("vendor/" + vendor,
               fact_json("vendor", vendor, fmt::format("g{}", count),
                         fmt::format(R"("valid_from":"2023-{:02}","scale":"{}","domicile":"{}","name":"PT {}")", 1 + random.pick(12),
                                     random.choose({"micro", "small", "medium"}), random.choose({"63.09", "63.71", "31.71"}), vendor)),
               true);
    }
    if (count == 20) {
      node.add("institution/D1", fact_json("institution", "D1", "i1", R"("valid_from":"2023-01","name":"Dinas 1","region":"63.09")"), true);
    }
    if (++count % commit_size == 0) flush();
  }
  flush();
}

TEST(Projections, HandOffsAndTheLedgerGiveTheSame) {
  Node node;
  auto live = open_projections(node.options());
  live->start();
  fill(node, 11, 60, 37, [&](const auto& commit) { live->hand_off(commit); });
  ASSERT_TRUE(live->wait_for(node.ledger().cut(), kPatience).ok());
  const auto reread = open_projections(node.options(65'536, "segments-2"));
  EXPECT_EQ(everything(*live), everything(*reread));
  EXPECT_GT(live->status().transfers, 100U);
  EXPECT_GT(live->status().findings, 20U);
  EXPECT_EQ(live->status().failed, "");
}

TEST(Projections, DroppedHandOffsAreReadFromTheLedger) {
  Node node;
  ProjectionsOptions options = node.options();
  options.hand_offs_max = 1;
  auto live = open_projections(options);
  std::vector<std::shared_ptr<const Commit>> commits;
  fill(node, 12, 30, 5, [&](const auto& commit) { commits.push_back(commit); });
  for (const auto& commit : commits) live->hand_off(commit);  // nobody takes them: all but the first are dropped
  EXPECT_EQ(live->status().hand_offs_dropped, commits.size() - 1);
  live->start();
  ASSERT_TRUE(live->wait_for(node.ledger().cut(), kPatience).ok());
  EXPECT_EQ(everything(*live), everything(*open_projections(node.options(65'536, "segments-2"))));
  // And what is dropped in the middle: the next hand-off shows the hole.
  node.add("e-katalog-6/Z1", event_json({.subject = "e-katalog-6/Z1", .id = "z1"}));
  node.commit();
  node.add("e-katalog-6/Z2", event_json({.subject = "e-katalog-6/Z2", .id = "z2"}));
  live->hand_off(node.commit());
  ASSERT_TRUE(live->wait_for(node.ledger().cut(), kPatience).ok());
  EXPECT_TRUE(live->purchase("e-katalog-6/Z1", std::nullopt).ok());
}

class Restart : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Restart, FromSegmentsEqualsLiveAndAFreshFold) {
  Node node;
  std::string live_text;
  {
    auto live = open_projections(node.options(GetParam()));
    live->start();
    fill(node, 13, 60, 41, [&](const auto& commit) { live->hand_off(commit); });
    ASSERT_TRUE(live->wait_for(node.ledger().cut(), kPatience).ok());
    live_text = everything(*live);
    live->stop();
    EXPECT_GT(live->status().segments, 1U);
    EXPECT_GT(live->disk_bytes(), 0U);
  }
  auto restarted = open_projections(node.options(GetParam()));
  EXPECT_EQ(restarted->status().segments_remade, 0U);
  EXPECT_EQ(everything(*restarted), live_text);
  EXPECT_EQ(everything(*open_projections(node.options(65'536, "segments-2"))), live_text);
  // It goes on from there as if it had never stopped.
  restarted->start();
  fill(node, 14, 20, 9, [&](const auto& commit) { restarted->hand_off(commit); });
  ASSERT_TRUE(restarted->wait_for(node.ledger().cut(), kPatience).ok());
  EXPECT_EQ(everything(*restarted), everything(*open_projections(node.options(65'536, "segments-3"))));
}
INSTANTIATE_TEST_SUITE_P(SegmentRows, Restart, testing::Values(16, 50, 200));

std::map<std::string, std::string> files_of(const std::string& directory) {
  std::map<std::string, std::string> to;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) to[std::filesystem::relative(entry.path(), directory).string()] = *read_file(entry.path().string());
  }
  return to;
}

TEST(I5Deterministic, SegmentsAreEqualBytesWhateverBatchesAndRestarts) {
  Node node(test_definition(2));
  {
    auto live = open_projections(node.options(40));
    live->start();
    fill(node, 15, 40, 13, [&](const auto& commit) { live->hand_off(commit); });
    ASSERT_TRUE(live->wait_for(node.ledger().cut(), kPatience).ok());
    live->stop();
  }
  { auto again = open_projections(node.options(40)); }
  { auto elsewhere = open_projections(node.options(40, "segments-2")); }
  const auto one = files_of(node.segments());
  EXPECT_GT(one.size(), 4U);
  EXPECT_EQ(one, files_of(node.directory() / "segments-2"));
}

// A fresh ledger that really ends at the cut, not one that is asked as of it.
TEST(Projections, AsOfACutEqualsAFreshLedgerCutThere) {
  const auto events = random_events(17, 40);
  Node whole;
  std::vector<std::pair<std::size_t, Cut>> cuts;
  for (std::size_t i = 0; i < events.size(); ++i) {
    whole.add(events[i].subject, event_json(events[i]));
    if (i % 5 == 4) {
      whole.commit();
      cuts.emplace_back(i + 1, whole.ledger().cut());
    }
  }
  whole.commit();
  const auto all = open_projections(whole.options(25));
  for (std::size_t c = 2; c < cuts.size(); c += 7) {
    Node part;
    for (std::size_t i = 0; i < cuts[c].first; ++i) part.add(events[i].subject, event_json(events[i]));
    part.commit();
    const auto fresh = open_projections(part.options(25));
    std::string want, got;
    for (const Dimension by : {Dimension::region, Dimension::scale, Dimension::stage, Dimension::commodity, Dimension::vendor}) {
      want += totals_text(*fresh, {by});
      got += totals_text(*all, {by}, cuts[c].second);
    }
    const auto page = fresh->purchases({}, "", 1000);
    ASSERT_TRUE(page.ok());
    for (const auto& summary : page->purchases) {
      want += purchase_text(*fresh->purchase(summary.id, std::nullopt));
      got += purchase_text(*all->purchase(summary.id, cuts[c].second));
    }
    EXPECT_EQ(got, want) << cuts[c].second.text();
    EXPECT_EQ(fresh->findings("", "", "", 10'000, std::nullopt)->findings.size(),
              all->findings("", "", "", 10'000, cuts[c].second)->findings.size());
  }
}

TEST(Projections, ADamagedSegmentIsMadeAgainWithEqualBytes) {
  Node node;
  fill(node, 18, 40, 50);
  std::string want;
  {
    const auto first = open_projections(node.options(40));
    want = everything(*first);
  }
  const auto before = files_of(node.segments());
  ASSERT_GT(before.size(), 3U);
  const std::string second = node.segments() + "/0/000001.seg";
  std::mt19937 random(18);
  for (int round = 0; round < 12; ++round) {
    std::string bytes = *read_file(second);
    if (round == 0) {
      std::filesystem::remove(second);  // missing
    } else if (round == 1) {
      std::filesystem::resize_file(second, bytes.size() / 2);  // cut
    } else {
      const std::size_t at = random() % bytes.size();
      SCOPED_TRACE(fmt::format("byte {}", at));
      bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
      std::ofstream(second, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    const auto again = open_projections(node.options(40));
    EXPECT_EQ(again->status().segments_remade, before.size() - 1 - (round == 0 ? 1 : 0));
    EXPECT_EQ(everything(*again), want);
    EXPECT_EQ(files_of(node.segments()), before);
  }
}

TEST(Projections, SegmentsOfAnotherLedgerAreNotBelieved) {
  Node a, b;
  fill(a, 19, 30, 50);
  fill(b, 20, 60, 50);
  { const auto made = open_projections(a.options(40)); }
  std::filesystem::copy(a.segments(), b.segments(), std::filesystem::copy_options::recursive);
  const auto opened = open_projections(b.options(40));
  EXPECT_GT(opened->status().segments_remade, 0U);
  EXPECT_EQ(everything(*opened), everything(*open_projections(b.options(40, "segments-2"))));
}

TEST(Projections, ChangedFeedsMakeSegmentsAgain) {
  Node node;
  fill(node, 21, 30, 50);
  { const auto made = open_projections(node.options(40)); }
  Definition other = node.definition();
  other.feeds = {{"e-katalog-6", "*", "/feed/nobody"}};
  ProjectionsOptions options = node.options(40);
  options.definition = &other;
  const auto opened = open_projections(options);
  EXPECT_GT(opened->status().segments_remade, 0U);
  EXPECT_EQ(opened->status().transfers, 0U);
}

// ---- The check that `verify` runs.

std::unique_ptr<SegmentCheck> checked(Node& node, const Definition& definition, std::uint64_t segment_rows) {
  Judge judge({Partitioner::murmur2, definition.partitions});
  auto check = SegmentCheck::open(node.segments(), definition, segment_rows);
  EXPECT_TRUE(check.ok()) << check.status();
  const Cut cut = node.ledger().cut();
  for (const auto& [id, size] : cut.sizes()) {
    for (std::uint64_t at = 0; at < size;) {
      const auto run = node.ledger().read(id, Sequence(at), 100);
      EXPECT_TRUE(run.ok()) << run.status();
      Arena arena;
      std::vector<const Event*> events;
      for (const StoredEntry& stored : run->entries)
        events.push_back(stored.entry.verdict == Verdict::accepted ? judge.judge(1, id, *stored.payload, arena).event : nullptr);
      (*check)->visit(id, *run, events);
      at += run->entries.size();
    }
  }
  return std::move(*check);
}

std::vector<std::string> check(Node& node, std::uint64_t segment_rows) {
  const auto done = checked(node, node.definition(), segment_rows);
  EXPECT_EQ(done->of_another_fold(), 0U);
  return done->finish();
}

TEST(SegmentCheck, FindsNothingInWhatWasMadeAndNamesWhatWasChanged) {
  Node node;
  fill(node, 22, 40, 50);
  { const auto made = open_projections(node.options(40)); }
  EXPECT_THAT(check(node, 40), IsEmpty());
  const std::string path = node.segments() + "/0/000001.seg";
  const std::string bytes = *read_file(path);
  // A flipped byte.
  std::string flipped = bytes;
  flipped[flipped.size() / 2] ^= 1;
  ASSERT_TRUE(write_file_durably(path, flipped).ok());
  EXPECT_THAT(check(node, 40), ElementsAre(HasSubstr("0/000001")));
  // A value changed by someone who knows the format and makes the hashes fit.
  auto content = decode_segment(bytes, "0/000001");
  ASSERT_TRUE(content.ok());
  auto* amounts = reinterpret_cast<std::int64_t*>(content->columns[static_cast<std::size_t>(Column::amount)].data());
  const std::int64_t want = amounts[17];
  amounts[17] += 100;
  ASSERT_TRUE(write_file_durably(path, encode_segment(*content)).ok());
  EXPECT_THAT(check(node, 40), ElementsAre(fmt::format("segment 0/000001: row 17 amount want {} got {}", want, want + 100)));
  // A hole.
  std::filesystem::remove(path);
  EXPECT_THAT(check(node, 40), ElementsAre(HasSubstr("segment 0/000001: missing")));
}

// An operator appends to the definition; until the next start the segments are those of the definition before.
TEST(SegmentCheck, SegmentsOfAnEarlierDefinitionAreNoDamage) {
  Node node;
  fill(node, 23, 40, 50);
  { const auto made = open_projections(node.options(40)); }
  Definition later = node.definition();
  later.authorities = {"/office"};
  const auto done = checked(node, later, 40);
  EXPECT_THAT(done->finish(), IsEmpty());
  EXPECT_GT(done->of_another_fold(), 1U);
}

// ---- Waiting.

TEST(I7HonestReads, WaitsForACutAndGivesUp) {
  Node node;
  auto live = open_projections(node.options());
  live->start();
  node.add("e-katalog-6/A", event_json({.id = "1"}));
  const auto commit = node.commit();
  const Cut cut = node.ledger().cut();
  EXPECT_TRUE(absl::IsDeadlineExceeded(live->wait_for(
      [&] {
        Cut beyond = cut;
        beyond.set(PartitionId(0), 99);
        return beyond;
      }(),
      std::chrono::milliseconds(1))));
  std::atomic<bool> called{false};
  EXPECT_TRUE(live->when_read(cut, Waits::reader, [&] { called = true; }));
  live->hand_off(commit);
  ASSERT_TRUE(live->wait_for(cut, kPatience).ok());
  while (!called) std::this_thread::yield();
  EXPECT_EQ(live->totals({})->cut, cut);
  TotalsQuery beyond;
  beyond.cut = cut;
  beyond.cut->set(PartitionId(0), 99);
  EXPECT_TRUE(absl::IsOutOfRange(live->totals(beyond).status()));
}

TEST(Projections, BoundsHowManyWait) {
  Node node;
  auto live = open_projections(node.options());
  Cut beyond;
  beyond.set(PartitionId(0), 1);
  std::vector<WaitId> waiting;
  while (const auto wait = live->when_read(beyond, Waits::reader, [] {})) waiting.push_back(*wait);
  EXPECT_EQ(waiting.size(), kWaitsMax);
  EXPECT_EQ(live->status().readers_waiting, kWaitsMax);
  EXPECT_TRUE(absl::IsResourceExhausted(live->wait_for(beyond, std::chrono::milliseconds(1))));
  EXPECT_TRUE(live->when_read(beyond, Waits::commit, [] {})) << "readers leave room for commits";
  for (const WaitId wait : waiting) live->stop_waiting(wait);
  EXPECT_EQ(live->status().readers_waiting, 0U);
  EXPECT_TRUE(absl::IsDeadlineExceeded(live->wait_for(beyond, std::chrono::milliseconds(1))));
}

// Readers see whole prefixes: an ungrouped and a grouped answer of one cut agree while the worker goes on. One of them stands behind the
// others, and brings the question up in steps.
TEST(I7HonestReads, ReadersAreRightWhileTheWorkerWrites) {
  Node node;
  auto live = open_projections(node.options(40));
  live->start();
  std::atomic<bool> done{false};
  std::atomic<int> answers{0};
  const auto read = [&] {
    while (!done || answers < 3) {
      const auto grouped = live->view("regions", {});
      ASSERT_TRUE(grouped.ok()) << grouped.status();
      TotalsQuery then;
      then.cut = grouped->cut;
      const auto whole = live->totals(then);
      ASSERT_TRUE(whole.ok()) << whole.status();
      ASSERT_EQ(text(grouped->total), text(whole->total));
      const auto page = live->purchases({}, "", 50);
      ASSERT_TRUE(page.ok());
      for (const auto& summary : page->purchases) ASSERT_TRUE(live->purchase(summary.id, std::nullopt).ok());
      ASSERT_TRUE(live->findings("", "", "", 100, std::nullopt).ok());
      ASSERT_EQ(live->views().size(), 3U);
      ASSERT_FALSE(live->memory_bytes().empty());
      ASSERT_EQ(live->status().failed, "");
      ++answers;
    }
  };
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back(read);
  readers.emplace_back([&] {
    lower_own_priority(kBehindOthers, "a reader");
    read();
  });
  fill(node, 25, 60, 7, [&](const auto& commit) { live->hand_off(commit); });
  EXPECT_TRUE(live->wait_for(node.ledger().cut(), kPatience).ok());
  done = true;
  readers.clear();
  EXPECT_EQ(live->status().failed, "");
}

// ---- Purchases and findings.

TEST(Projections, ShowsAPurchaseWithItsHistory) {
  Node node;
  node.add("vendor/v1", fact_json("vendor", "v1", "f1", R"("valid_from":"2023-01","name":"CV Maju","scale":"small")"), true);
  node.add("institution/D1", fact_json("institution", "D1", "f2", R"("valid_from":"2023-01","name":"Dinas","region":"63.09")"), true);
  EventSpec e;
  e.id = "1";
  e.revision = 3;
  e.funding = {"APBD", "APBN"};
  e.lines = {{.amount = "600", .origin = "domestic", .commodity = "k1"}, {.amount = "400", .origin = "other"}};
  node.add(e.subject, event_json(e));
  e.type = "amended";
  e.id = "2";
  e.revision = 1;
  node.add(e.subject, event_json(e));
  e.type = "advanced";
  e.id = "3";
  e.stage = "completed";
  node.add(e.subject, event_json(e));
  e.type = "paid";
  e.id = "4";
  e.amount = "250.5";
  node.add(e.subject, event_json(e));
  node.commit();
  const auto p = open_projections(node.options());
  const auto answer = p->purchase("e-katalog-6/A", std::nullopt);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->stage, "completed");
  EXPECT_EQ(answer->vendor_name, "CV Maju");
  EXPECT_EQ(answer->institution_name, "Dinas");
  EXPECT_EQ(answer->region, "63.09");
  EXPECT_EQ(answer->scale, "small");
  EXPECT_EQ(answer->stated_scale, "unknown");
  EXPECT_EQ(answer->revision, 3U);
  EXPECT_THAT(answer->funding, ElementsAre("APBD", "APBN"));
  EXPECT_EQ(format_rupiah(answer->value), "1000.00");
  EXPECT_EQ(format_rupiah(answer->paid), "250.50");
  EXPECT_EQ(answer->cells.size(), 2U);
  ASSERT_EQ(answer->history.size(), 4U);
  EXPECT_EQ(answer->history[1].type, "purchase.amended");
  EXPECT_THAT(answer->history[1].transfers, IsEmpty());
  EXPECT_EQ(answer->history[3].transfers.front().to_account, "paid");
  ASSERT_EQ(answer->findings.size(), 1U);
  EXPECT_EQ(answer->findings[0].kind, "stale");
  EXPECT_EQ(answer->findings[0].detail, "revision 1, in force is 3");
  EXPECT_TRUE(absl::IsNotFound(p->purchase("e-katalog-6/nobody", std::nullopt).status()));
  // As of before it was completed.
  Cut cut = node.ledger().cut();
  cut.set(PartitionId(0), 2);
  EXPECT_EQ(p->purchase("e-katalog-6/A", cut)->stage, "contracted");
  EXPECT_TRUE(absl::IsNotFound(p->purchase("e-katalog-6/A", Cut()).status()));
}

TEST(Projections, PagesFindingsAndPurchases) {
  Node node;
  fill(node, 23, 50, 1000);
  const auto p = open_projections(node.options());
  const auto all = p->findings("", "", "", 10'000, std::nullopt);
  ASSERT_TRUE(all.ok());
  std::uint64_t counted = 0;
  for (const auto& [kind, count] : all->counts) counted += count;
  EXPECT_EQ(counted, all->findings.size());
  std::vector<std::string> paged, direct;
  std::string cursor;
  for (;;) {
    const auto page = p->findings("", "", cursor, 3, std::nullopt);
    ASSERT_TRUE(page.ok());
    EXPECT_EQ(page->counts, all->counts);
    for (const Finding& f : page->findings) paged.push_back(fmt::format("{} {}", f.sequence.value(), f.kind));
    if (!page->next_cursor) break;
    cursor = *page->next_cursor;
  }
  for (const Finding& f : all->findings) direct.push_back(fmt::format("{} {}", f.sequence.value(), f.kind));
  EXPECT_EQ(paged, direct);
  const auto one = p->findings("duplicate_different", "", "", 100, std::nullopt);
  ASSERT_FALSE(one->findings.empty());
  EXPECT_FALSE(one->findings[0].purchase.empty());
  const auto of_one = p->findings("", one->findings[0].purchase, "", 100, std::nullopt);
  for (const Finding& f : of_one->findings) {
    EXPECT_EQ(f.purchase, one->findings[0].purchase);
  }
  EXPECT_TRUE(absl::IsInvalidArgument(p->findings("nonsense", "", "", 1, std::nullopt).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(p->findings("", "", "x", 1, std::nullopt).status()));

  const auto everyone = p->purchases({}, "", 10'000);
  ASSERT_TRUE(everyone.ok());
  EXPECT_EQ(everyone->purchases.size(), 50U);
  EXPECT_TRUE(
      std::is_sorted(everyone->purchases.begin(), everyone->purchases.end(), [](const auto& a, const auto& b) { return a.id < b.id; }));
  std::size_t in_d2 = 0;
  for (const auto& s : everyone->purchases) in_d2 += s.institution == "D2" && s.fiscal_year == 2023 ? 1 : 0;
  Projections::PurchaseFilter filter;
  filter.institution = "D2";
  filter.fiscal_year = 2023;
  EXPECT_EQ(p->purchases(filter, "", 10'000)->purchases.size(), in_d2);
  filter.system = "tender";
  EXPECT_THAT(p->purchases(filter, "", 10)->purchases, IsEmpty());
}

// More purchases than are looked at under one lock.
TEST(Projections, ListsTheFewAmongMany) {
  Node node;
  std::vector<std::string> wanted;
  for (int i = 0; i < 1200; ++i) {
    EventSpec e;
    e.subject = e.id = fmt::format("e-katalog-6/P{:04}", (i * 7) % 1200);
    e.institution = i % 400 == 0 ? "D2" : "D1";
    if (i % 400 == 0) wanted.push_back(e.subject);
    node.add(e.subject, event_json(e));
  }
  node.commit();
  std::sort(wanted.begin(), wanted.end());
  const auto p = open_projections(node.options());
  Projections::PurchaseFilter filter;
  filter.institution = "D2";
  const auto paged = [&](const auto& read) {
    std::vector<std::string> ids;
    std::string cursor;
    do {
      const absl::StatusOr<Projections::PurchasePage> page = read(cursor);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      for (const auto& summary : page->purchases) ids.push_back(summary.id);
      cursor = page->next_cursor.value_or("");
    } while (!cursor.empty());
    return ids;
  };
  const Cut cut = node.ledger().cut();
  for (const std::size_t limit : {1U, 2U, 1000U}) {
    EXPECT_EQ(paged([&](const std::string& cursor) { return p->purchases(filter, cursor, limit); }), wanted);
    EXPECT_EQ(paged([&](const std::string& cursor) { return p->purchases_at(cut, filter, cursor, limit); }), wanted);
  }
  EXPECT_EQ(paged([&](const std::string& cursor) { return p->purchases({}, cursor, 700); }).size(), 1200U);
}

TEST(Projections, GivesFindingsNewestFirst) {
  Node node(test_definition(3));
  fill(node, 23, 50, 1000);
  const auto p = open_projections(node.options());
  for (const char* kind : {"", "duplicate_different"}) {
    const auto all = p->findings(kind, "", "", 10'000, std::nullopt);
    ASSERT_TRUE(all.ok()) << all.status();
    std::vector<Finding> wanted = all->findings;
    ASSERT_GT(wanted.size(), 3U);
    // Within an entry they were listed in the order in which they were raised, so the other way round now.
    std::reverse(wanted.begin(), wanted.end());
    std::stable_sort(wanted.begin(), wanted.end(), [](const Finding& a, const Finding& b) {
      return std::pair(b.sequence, a.partition) < std::pair(a.sequence, b.partition);
    });
    const auto texts = [](const std::vector<Finding>& findings) {
      std::vector<std::string> to;
      for (const Finding& f : findings) to.push_back(fmt::format("{}:{} {} {}", f.partition.name(), f.sequence.value(), f.kind, f.detail));
      return to;
    };
    for (const std::size_t limit : {1U, 3U, 10'000U}) {
      std::vector<Finding> paged;
      std::string cursor = "newest";
      for (bool more = true; more;) {
        const auto page = p->findings(kind, "", cursor, limit, std::nullopt);
        ASSERT_TRUE(page.ok()) << page.status();
        paged.insert(paged.end(), page->findings.begin(), page->findings.end());
        cursor = page->next_cursor.value_or("");
        more = page->next_cursor.has_value();
      }
      EXPECT_EQ(texts(paged), texts(wanted));
    }
  }
  const Cut whole = node.ledger().cut();
  Cut half = whole;
  for (const auto& [partition, size] : whole.sizes()) half.set(partition, size / 2);
  const auto then = p->findings("", "", "newest", 10, half);
  ASSERT_TRUE(then.ok()) << then.status();
  for (const Finding& f : then->findings) EXPECT_LT(f.sequence.value(), half.size(f.partition));
  for (const char* wrong : {"newestx", "newest:", "newest:0", "newest:0:99999", "newest:7:0"})
    EXPECT_TRUE(absl::IsInvalidArgument(p->findings("", "", wrong, 1, std::nullopt).status())) << wrong;
}

TEST(Projections, ListsPurchasesAsOfACut) {
  Node node;
  const auto p = open_projections(node.options(100));
  p->start();
  const auto hand_off = [&](const auto& commit) { p->hand_off(commit); };
  fill(node, 23, 40, 31, hand_off);
  ASSERT_TRUE(p->wait_for(node.ledger().cut(), kPatience).ok());
  const auto text_of = [](const std::vector<Projections::PurchaseSummary>& rows) {
    std::string text;
    for (const auto& s : rows)
      text += fmt::format("{} {} {} {} {} {} {} {} {} {}\n", s.id, s.feed, s.stage, s.institution, s.vendor, s.fiscal_year,
                          format_rupiah(s.value), s.revision.value_or(99), s.last_sequence.value(), s.document_sequence.value());
    return text;
  };
  Projections::PurchaseFilter some;
  some.fiscal_year = 2023;
  some.institution = "D2";
  const auto all = p->purchases({}, "", 1000);
  const auto few = p->purchases(some, "", 1000);
  ASSERT_FALSE(few->purchases.empty());
  fill(node, 24, 60, 31, hand_off);  // the same purchases go on, others begin
  ASSERT_TRUE(p->wait_for(node.ledger().cut(), kPatience).ok());
  EXPECT_NE(text_of(p->purchases({}, "", 1000)->purchases), text_of(all->purchases));
  for (const std::size_t limit : {std::size_t{7}, std::size_t{1000}}) {
    for (const auto& [filter, want] : {std::pair{Projections::PurchaseFilter{}, &all}, std::pair{some, &few}}) {
      std::vector<Projections::PurchaseSummary> got;
      std::string cursor;
      for (;;) {
        const auto page = p->purchases_at(all->cut, filter, cursor, limit);
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_EQ(page->cut, all->cut);
        EXPECT_LE(page->purchases.size(), limit);
        got.insert(got.end(), page->purchases.begin(), page->purchases.end());
        if (!page->next_cursor) break;
        cursor = *page->next_cursor;
      }
      EXPECT_EQ(text_of(got), text_of((*want)->purchases)) << limit;
    }
  }
  Cut beyond = node.ledger().cut();
  beyond.set(PartitionId(0), 1'000'000);
  EXPECT_TRUE(absl::IsOutOfRange(p->purchases_at(beyond, {}, "", 1).status()));
}

// ---- Views.

TEST(I6Balanced, EveryViewHasTheSameGrandTotalLiveAndAsOf) {
  Node node;
  ProjectionsOptions options = node.options(100);
  options.views_text = *read_file(BUKUBESAR_SOURCE_DIR "/config/views.json");
  auto p = open_projections(options);
  p->start();
  Cut last;
  fill(node, 24, 80, 31, [&](const auto& commit) {
    p->hand_off(commit);
    const auto wait = p->wait_for(node.ledger().cut(), kPatience);
    ASSERT_TRUE(wait.ok()) << wait;
    const auto whole = p->totals({});
    for (const ViewInfo& view : p->views()) {
      const auto now = p->view(view.name, {});
      ASSERT_TRUE(now.ok()) << now.status();
      EXPECT_TRUE(now->cut.covers(node.ledger().cut()));
      if (view.name == "local_catalogue") continue;  // only a part
      EXPECT_EQ(text(whole->total).substr(0, text(whole->total).find(" paid")), text(now->total).substr(0, text(now->total).find(" paid")))
          << view.name;
    }
  });
  // The kept and extended answer equals a scan from the beginning.
  for (const ViewInfo& view : p->views()) {
    TotalsQuery then;
    then.cut = node.ledger().cut();
    EXPECT_EQ(text(*p->view(view.name, {})), text(*p->view(view.name, then))) << view.name;
  }
  EXPECT_GE(p->views().size(), 15U);
  for (const ViewInfo& view : p->views()) EXPECT_EQ(view.build_progress, 1.0) << view.name;
  EXPECT_EQ(p->status().failed, "");
  EXPECT_THAT(message_of(p->view("nothing", {}).status()), HasSubstr("umkm_by_region"));
  TotalsQuery national;
  national.where[Dimension::catalogue_kind] = {"national"};
  EXPECT_TRUE(absl::IsInvalidArgument(p->view("local_catalogue", national).status()));
}

TEST(Views, AreBuiltOnceADiskAnswersAgain) {
  Node node;
  fill(node, 26, 40, 50);
  ProjectionsOptions options = node.options(40);
  options.views_text = *read_file(BUKUBESAR_SOURCE_DIR "/config/views.json");
  open_projections(options);
  const std::string segment = node.segments() + "/0/000001.seg", away = segment + ".away";
  const auto p = open_projections(options);
  std::filesystem::rename(segment, away);
  const Logged log;
  p->start();
  ASSERT_TRUE(wait_until([&] { return log.has("the views wait: segment 0/000001, column "); }, kPatience));
  EXPECT_TRUE(log.has("[warning] open " + segment)) << "whoever reads it, a file that cannot be is in the log";
  EXPECT_EQ(p->status().failed, "");
  std::filesystem::rename(away, segment);
  const auto built = [&] {
    const std::vector<ViewInfo> views = p->views();
    return std::all_of(views.begin(), views.end(), [](const ViewInfo& view) { return view.build_progress == 1.0; });
  };
  EXPECT_TRUE(wait_until(built, kPatience));
  EXPECT_EQ(p->status().failed, "");
}

// The builder is held in the middle of history: a segment's file is a pipe that nobody writes to.
TEST(Views, HowMuchMemoryTheyTakeIsSaidWhileTheyAreBuilt) {
  Node node;
  fill(node, 26, 40, 50);
  const ProjectionsOptions options = node.options(40);
  open_projections(options);
  const std::string segment = node.segments() + "/0/000001.seg", away = segment + ".away";
  const auto p = open_projections(options);
  std::filesystem::rename(segment, away);
  ASSERT_EQ(::mkfifo(segment.c_str(), 0600), 0);
  p->start();
  const bool half_built = wait_until([&] { return p->views().front().build_progress > 0; }, kPatience);
  auto bytes = std::async(std::launch::async, [&] { return p->memory_bytes(); });
  EXPECT_EQ(bytes.wait_for(kPatience), std::future_status::ready) << "it waits for the builder of views";
  EXPECT_TRUE(half_built) << "a reader of the view would wait for the whole of history";
  EXPECT_LT(p->views().front().build_progress, 1.0);
  // Whoever waits for the pipe finds that it can't be read at a place, and tries again.
  const int pipe = ::open(segment.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(pipe, 0);
  std::filesystem::rename(away, segment);
  EXPECT_TRUE(wait_until([&] { return p->views().back().build_progress == 1.0; }, kPatience));
  ::close(pipe);
  const auto parts = bytes.get();
  EXPECT_TRUE(std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.first == "standing_views" && part.second > 0; }));
}

TEST(Views, AreDeclaredWithNamesForEveryMistake) {
  Node node;
  for (const auto& [views, what] :
       std::vector<std::pair<std::string, std::string>>{{"{", "not JSON"},
                                                        {std::string(R"({"views":[]})") + '\0' + "x", "not JSON"},
                                                        {R"({"views":[{"name":"a","by":["nonsense"]}]})", "'nonsense' is no dimension"},
                                                        {R"({"views":[{"name":"a","by":["region","region"]}]})", "named twice"},
                                                        {R"({"views":[{"name":"a","by":[],"order":1}]})", "unknown member 'order'"},
                                                        {R"({"views":[{"name":"a","where":{"stage":["gone"]}}]})", "'gone' is not one of"},
                                                        {R"({"views":[{"name":"a"},{"name":"a"}]})", "declared twice"},
                                                        {R"({"views":[{"name":""}]})", "view '': a name has 1 to 64"},
                                                        {R"({"views":[{"name":"a b"}]})", "view 'a b': a name has 1 to 64"},
                                                        {R"({"views":[{"name":"a","measures":["profit"]}]})", "'profit' is no measure"}}) {
    ProjectionsOptions options = node.options();
    options.views_text = views;
    const auto opened = Projections::open(options);
    ASSERT_FALSE(opened.ok()) << views;
    EXPECT_THAT(message_of(opened.status()), HasSubstr(what));
  }
}

}  // namespace
}  // namespace bukubesar
