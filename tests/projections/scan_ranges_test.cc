// Sums that were made in pieces, by several scans, are those of one scan that saw every row.
#include "projections/scan_ranges.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "base/cancellation.h"
#include "projections/facts.h"
#include "tests/projections/fold_harness.h"

namespace bukubesar {
namespace {

constexpr std::uint64_t kSeed = 20230615;

// Two partitions that meet the same vendors in another order, with purchases that change vendor, stage and cells.
class Scans : public ::testing::Test {
 protected:
  Scans() {
    std::mt19937_64 random(kSeed);
    for (std::size_t p = 0; p < 2; ++p) {
      folds_.push_back(std::make_unique<FoldHarness>());
      for (int i = 0; i < 700; ++i) folds_.back()->add(event(random, p));
      const PartitionFold& fold = folds_.back()->fold;
      PartitionSnapshot& to = snapshot_.partitions.emplace_back();
      to.id = PartitionId(static_cast<std::uint32_t>(p));
      to.size = fold.next_sequence();
      to.rows = fold.rows();
      to.dictionaries = &fold.dictionaries();
      to.sealed = std::make_shared<FileSegments>();
      for (const auto& segment : fold.segments())
        to.memory.push_back({segment->header.first_row, segment->rows, {segment->chunks.begin(), segment->chunks.end()}});
      ranges_.push_back({p, 0, to.rows});
    }
  }

  static EventSpec event(std::mt19937_64& random, std::size_t partition) {
    const auto pick = [&](std::size_t below) { return random() % below; };
    EventSpec e;
    e.subject = fmt::format("e-katalog-6/{}-{}", partition, pick(120));
    e.type = std::vector<std::string>{"ordered", "amended", "advanced", "paid"}[pick(4)];
    e.vendor = fmt::format("v{}", pick(9));
    e.institution = fmt::format("D{}", pick(3));
    e.stage = std::vector<std::string>{"contracted", "shipping", "completed", "cancelled"}[pick(4)];
    e.scale = std::vector<std::string>{"micro", "large", ""}[pick(3)];
    e.region = fmt::format("63.0{}", 1 + pick(3));
    e.order_date = fmt::format("2023-0{}-1{}", 1 + pick(9), pick(9));
    e.total = "1000";
    if (pick(2) == 0)
      e.lines = {{"600", "domestic", fmt::format("k{}", pick(4)), "local", "", ""}, {"400", "", fmt::format("k{}", pick(4)), "", "", ""}};
    if (e.type == "paid") e.amount = "250", e.reference = fmt::format("r{}", random());
    return e;
  }

  std::unique_ptr<TotalsScan> make(const TotalsQuery& query) {
    return std::make_unique<TotalsScan>(query, FactsView{&facts_, &facts_mutex_, {}, 480, {}}, snapshot_.partitions.size());
  }

  static std::string text_of(const Measures& m) {
    return fmt::format("{} {} {} {} {} {} {}", m.packages, m.vendors, format_rupiah(m.committed), format_rupiah(m.strict),
                       format_rupiah(m.broad), format_rupiah(m.stage_unknown), m.paid ? format_rupiah(*m.paid) : "-");
  }
  static std::string text_of(const TotalsScan& scan) {
    const TotalsAnswer answer = scan.finish(Cut());
    std::string text;
    for (const TotalsRow& row : answer.rows) text += fmt::format("{}: {}\n", fmt::join(row.key, ","), text_of(row.measures));
    for (const auto& [dimension, measures] : answer.unknown) text += fmt::format("unknown {}: {}\n", dimension, text_of(measures));
    return text + "total: " + text_of(answer.total);
  }

  static std::vector<TotalsQuery> queries() {
    std::vector<TotalsQuery> to(7);
    to[1].by = {Dimension::vendor};
    to[2].by = {Dimension::stage, Dimension::region};
    to[3].by = {Dimension::commodity, Dimension::vendor};
    to[4].by = {Dimension::scale, Dimension::order_month};
    to[4].where = {{Dimension::catalogue_kind, {"local"}}};
    to[5].by = {Dimension::institution, Dimension::vendor};
    to[5].where = {{Dimension::vendor, {"v3", "v4"}}, {Dimension::stage, {"completed", "shipping"}}};
    to[6].by = {Dimension::region};
    to[6].from_ms = 0;
    return to;
  }

  std::vector<std::unique_ptr<FoldHarness>> folds_;
  Snapshot snapshot_;
  std::vector<ScanRange> ranges_;
  Facts facts_;
  absl::Mutex facts_mutex_;
};

TEST_F(Scans, AddUpToWhatOneScanSeesWhoeverTakesWhichPiece) {
  std::mt19937_64 random(kSeed);
  for (const TotalsQuery& query : queries()) {
    const auto whole = make(query);
    for (const ScanRange& range : ranges_)
      ASSERT_TRUE(whole->add(range.partition_index, snapshot_.partitions[range.partition_index], range.first, range.limit).ok());
    std::vector<std::unique_ptr<TotalsScan>> parts;
    for (int i = 0; i < 3; ++i) parts.push_back(make(query));
    for (const ScanRange& range : ranges_) {
      for (std::uint64_t first = range.first; first < range.limit;) {
        const std::uint64_t limit = std::min(range.limit, first + 1 + random() % 200);
        ASSERT_TRUE(parts[random() % 3]->add(range.partition_index, snapshot_.partitions[range.partition_index], first, limit).ok());
        first = limit;
      }
    }
    ASSERT_TRUE(parts[0]->add_all(*parts[1], snapshot_.partitions).ok());
    ASSERT_TRUE(parts[0]->add_all(*parts[2], snapshot_.partitions).ok());
    EXPECT_EQ(text_of(*parts[0]), text_of(*whole)) << query_key(query);
    EXPECT_EQ(parts[0]->rows_scanned(), whole->rows_scanned());
  }
}

TEST_F(Scans, GiveTheSameOnAllCoresAsOnOne) {
  for (const TotalsQuery& query : queries()) {
    const auto alone = make(query);
    const auto together = make(query);
    ScanRangesOptions one, many;
    one.helpers_max = 0;
    many.piece_rows = 64;
    std::uint64_t told = 0;
    many.progress = [&](std::uint64_t done) { told = std::max(told, done); };
    ASSERT_TRUE(scan_ranges(
                    *alone, [&] { return make(query); }, snapshot_, ranges_, one)
                    .ok());
    ASSERT_TRUE(scan_ranges(
                    *together, [&] { return make(query); }, snapshot_, ranges_, many)
                    .ok());
    EXPECT_EQ(text_of(*together), text_of(*alone)) << query_key(query);
    EXPECT_GT(told, 0U);
  }
}

TEST_F(Scans, EndWhenNobodyWaitsAnyMore) {
  const auto abandoned = std::make_shared<std::atomic<bool>>(true);
  const ComputesFor computing(abandoned);
  const auto scan = make({});
  EXPECT_TRUE(absl::IsCancelled(scan_ranges(
      *scan, [&] { return make({}); }, snapshot_, ranges_)));
}

}  // namespace
}  // namespace bukubesar
