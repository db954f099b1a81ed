// Sums that were made in pieces, by several scans, are those of one scan that saw every row; and those from files those from memory.
#include "projections/scan_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/cancellation.h"
#include "base/file.h"
#include "projections/facts.h"
#include "tests/projections/fixture.h"
#include "tests/projections/fold_harness.h"

namespace bukubesar {
namespace {

constexpr std::uint64_t kRangesSeed = 20230615;

// Two partitions that meet the same vendors in another order, with purchases that change vendor, stage and cells.
class Scans : public ::testing::Test {
 protected:
  Scans() {
    std::mt19937_64 random(kRangesSeed);
    for (std::size_t p = 0; p < 2; ++p) {
      folds_.push_back(std::make_unique<FoldHarness>(FoldHarness::default_settings(), /*segment_rows=*/128));
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
      seal(fold, p);
    }
  }

  // The same rows from files, but for the newest, which stand in memory still.
  void seal(const PartitionFold& fold, std::size_t number) {
    PartitionSnapshot to = snapshot_.partitions[number];
    const auto files = std::make_shared<FileSegments>();
    to.memory = {to.memory.back()};
    for (const auto& segment : fold.segments()) {
      if (segment == fold.segments().back()) break;
      const std::string bytes = encode_segment(fold.content_of(*segment));
      const std::string path = directory_ / fmt::format("{}-{}", number, segment_file_name(segment->header.number));
      EXPECT_TRUE(write_file_durably(path, bytes).ok());
      files->push_back(std::make_shared<FileSegment>(path, bytes, decode_segment(bytes, path)->header));
    }
    EXPECT_GT(files->size(), 5U);
    to.sealed = files;
    sealed_.partitions.push_back(std::move(to));
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
    e.time = fmt::format("2023-{:02}-11T09:00:00+08:00", 1 + pick(12));
    e.total = "1000";
    if (pick(2) == 0)
      e.lines = {{"600", "domestic", fmt::format("k{}", pick(4)), "local", "", ""}, {"400", "", fmt::format("k{}", pick(4)), "", "", ""}};
    if (e.type == "paid") e.amount = "250", e.reference = fmt::format("r{}", random());
    return e;
  }

  std::unique_ptr<TotalsScan> make(const TotalsQuery& query) {
    return std::make_unique<TotalsScan>(query, FactsView{&facts_, &facts_mutex_, {}, 480, {}}, vendors_);
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

  // Any two of what can be grouped by, any of what can be filtered by.
  static TotalsQuery random_query(std::mt19937_64& random) {
    static const std::vector<Dimension> groups = {
        Dimension::vendor,    Dimension::stage,       Dimension::region,      Dimension::commodity,   Dimension::scale,
        Dimension::component, Dimension::order_month, Dimension::institution, Dimension::event_month, Dimension::origin};
    static const std::vector<std::pair<Dimension, std::vector<std::string>>> filters = {
        {Dimension::vendor, {"v3", "v7"}},     {Dimension::commodity, {"k1", "k2"}}, {Dimension::region, {"63.01"}},
        {Dimension::order_month, {"2023-04"}}, {Dimension::institution, {"D1"}},     {Dimension::catalogue_kind, {"local"}},
        {Dimension::stage, {"completed"}}};
    TotalsQuery query;
    for (std::size_t count = random() % 3; query.by.size() < count;) {
      const Dimension one = groups[random() % groups.size()];
      if (std::find(query.by.begin(), query.by.end(), one) == query.by.end()) query.by.push_back(one);
    }
    for (std::size_t count = random() % 3; count > 0; --count) {
      const auto& [dimension, values] = filters[random() % filters.size()];
      query.where[dimension] = {values[random() % values.size()]};
    }
    if (random() % 4 == 0) query.until_ms = 1'690'000'000'000;
    return query;
  }

  std::unique_ptr<TotalsScan> scanned(const TotalsQuery& query, const Snapshot& snapshot, const std::vector<std::uint64_t>& limits) {
    auto scan = make(query);
    for (std::size_t p = 0; p < limits.size(); ++p) EXPECT_TRUE(scan->add(p, snapshot.partitions[p], 0, limits[p]).ok());
    return scan;
  }

  TestDirectory directory_;
  std::vector<std::unique_ptr<FoldHarness>> folds_;
  Snapshot snapshot_, sealed_;
  std::vector<ScanRange> ranges_;
  Facts facts_;
  absl::Mutex facts_mutex_;
  const std::shared_ptr<VendorNumbers> vendors_ = std::make_shared<VendorNumbers>(2);
};

TEST_F(Scans, AddUpToWhatOneScanSeesWhoeverTakesWhichPiece) {
  std::mt19937_64 random(kRangesSeed);
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

TEST_F(Scans, GiveTheSameFromFilesAsFromMemoryWhateverIsAsked) {
  std::mt19937_64 random(kRangesSeed);
  for (int round = 0; round < 200; ++round) {
    const TotalsQuery query = random_query(random);
    std::vector<std::uint64_t> limits;
    for (const ScanRange& range : ranges_) limits.push_back(random() % (range.limit + 1));
    EXPECT_EQ(text_of(*scanned(query, sealed_, limits)), text_of(*scanned(query, snapshot_, limits))) << query_key(query);
  }
}

// A view is kept by adding what came since; an answer as of a cut is made at once.
TEST_F(Scans, GiveTheSameRowByRowAsAtOnce) {
  std::mt19937_64 random(kRangesSeed + 1);
  for (int round = 0; round < 60; ++round) {
    const TotalsQuery query = random_query(random);
    const auto kept = make(query);
    std::vector<std::uint64_t> limits(ranges_.size());
    for (int step = 0; step < 8; ++step) {
      for (std::size_t p = 0; p < limits.size(); ++p) {
        const std::uint64_t limit = std::min(ranges_[p].limit, limits[p] + random() % 200);
        ASSERT_TRUE(kept->add(p, sealed_.partitions[p], limits[p], limit).ok());
        limits[p] = limit;
      }
      ASSERT_EQ(text_of(*kept), text_of(*scanned(query, snapshot_, limits))) << query_key(query) << " step " << step;
    }
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
