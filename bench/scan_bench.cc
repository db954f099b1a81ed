// The grouped sum over transfers: rows a second on one core, from memory and from sealed segments.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <random>
#include <string>
#include <utility>

#include "base/file.h"
#include "projections/scan.h"
#include "projections/segment.h"

namespace bukubesar {
namespace {

constexpr std::uint32_t kPurchases = 200'000;
constexpr std::uint64_t kRows = 16 * kSegmentRows;
// What becomes of a purchase, as bench/load.cc has it. From contracted to delivered no measure moves: those rows are looked at, not added.
constexpr std::array<std::pair<Account, Account>, 5> kPurchaseRows{{
    {Account::commitment, account_of(Stage::contracted)},
    {account_of(Stage::contracted), account_of(Stage::shipping)},
    {account_of(Stage::shipping), account_of(Stage::delivered)},
    {account_of(Stage::delivered), account_of(Stage::completed)},
    {Account::payable, Account::paid},
}};

// Transfers of many purchases that move from stage to stage, in segment files of a temporary directory.
class Data {
 public:
  Data() {
    directory_ = std::filesystem::temp_directory_path() / ("bukubesar-scan-bench-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    fill_dictionaries();
    auto sealed = std::make_shared<FileSegments>();
    for (std::uint32_t number = 0; number < kRows / kSegmentRows; ++number) sealed->push_back(segment(number));
    on_disk.size = kRows;
    on_disk.rows = kRows;
    on_disk.dictionaries = &dictionaries_;
    on_disk.sealed = sealed;
    in_memory = on_disk;
    in_memory.sealed = std::make_shared<FileSegments>();
    in_memory.memory.push_back({0, kRows, {chunks_.begin(), chunks_.end()}});
  }
  ~Data() { std::filesystem::remove_all(directory_); }
  PartitionSnapshot on_disk, in_memory;

 private:
  void fill_dictionaries() {
    const auto add = [&](DictionaryId id, std::string_view prefix, int count) {
      for (int i = 0; i < count; ++i) dictionaries_[id].intern(std::string(prefix) + std::to_string(i));
    };
    add(DictionaryId::institution, "D", 14);
    add(DictionaryId::work_unit, "w", 600);
    add(DictionaryId::vendor, "v", 5000);
    add(DictionaryId::commodity, "k", 50);
    add(DictionaryId::region, "63.", 14);
    add(DictionaryId::system, "s", 3);
    add(DictionaryId::funding, "f", 4);
  }
  Transfer transfer(std::uint64_t row) {
    Transfer t;
    t.sequence = row;
    t.purchase = static_cast<std::uint32_t>(random_() % kPurchases);
    const std::uint32_t p = t.purchase * 2654435761U;
    const auto [from, to] = kPurchaseRows[row % kPurchaseRows.size()];
    t.from = from;
    t.to = to;
    t.amount = static_cast<std::int64_t>(2'500'000'000 + p % 1'000'000'007);
    t.packages = from == Account::commitment ? 1 : 0;
    t.cells = t.packages;
    t.event_time_ms = 1'680'000'000'000 + static_cast<std::int64_t>(row) * 100;
    t.dimensions.institution = 1 + p % 14;
    t.dimensions.work_unit = 1 + p % 600;
    t.dimensions.vendor = 1 + p % 5000;
    t.dimensions.region = 1 + p % 14;
    t.dimensions.system = 1 + p % 3;
    t.dimensions.funding = 1 + p % 4;
    t.dimensions.order_date = 19'400 + static_cast<std::int32_t>(p % 365);
    t.dimensions.fiscal_year = 2023;
    t.dimensions.scale = static_cast<Scale>(p % 7);
    t.cell.component = Component::goods;
    t.cell.catalogue_kind = static_cast<CatalogueKind>(p % 4);
    t.cell.origin = static_cast<Origin>(p % 3);
    t.cell.commodity = 1 + p % 50;
    return t;
  }
  std::shared_ptr<const FileSegment> segment(std::uint32_t number) {
    SegmentContent content;
    content.header.number = number;
    content.header.first_row = content.header.first_sequence = number * kSegmentRows;
    content.header.next_sequence = content.header.first_sequence + kSegmentRows;
    content.header.rows = kSegmentRows;
    for (std::uint64_t i = 0; i < kSegmentRows; ++i) {
      if (i % kChunkRows == 0) chunks_.push_back(std::make_shared<RowChunk>());
      chunks_.back()->put(i % kChunkRows, transfer(content.header.first_row + i));
    }
    for (std::size_t c = 0; c < kColumnCount; ++c) {
      for (std::size_t chunk = chunks_.size() - kSegmentRows / kChunkRows; chunk < chunks_.size(); ++chunk) {
        const std::byte* from = chunks_[chunk]->column(static_cast<Column>(c));
        content.columns[c].insert(content.columns[c].end(), from, from + kChunkRows * kColumns[c].width);
      }
    }
    const std::string bytes = encode_segment(content);
    const std::string path = (directory_ / segment_file_name(number)).string();
    if (!write_file_durably(path, bytes).ok()) std::abort();
    return std::make_shared<FileSegment>(path, bytes, content.header);
  }
  std::filesystem::path directory_;
  Dictionaries dictionaries_;
  std::mt19937 random_{1};
  std::vector<std::shared_ptr<RowChunk>> chunks_;
};

const Data& data() {
  static const Data made;
  return made;
}

void scan(benchmark::State& state, const PartitionSnapshot& partition, const TotalsQuery& query) {
  Facts facts;
  absl::Mutex mutex;
  for (auto _ : state) {
    TotalsScan totals(query, {&facts, &mutex, {}, 480}, std::make_shared<VendorNumbers>(1));
    if (!totals.add(0, partition, 0, partition.rows).ok()) state.SkipWithError("the scan failed");
    benchmark::DoNotOptimize(totals.finish(Cut()));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * partition.rows));
}

TotalsQuery by(std::vector<Dimension> dimensions) {
  TotalsQuery query;
  query.by = std::move(dimensions);
  return query;
}

void BM_Scan(benchmark::State& state, const TotalsQuery& query, bool sealed) {
  scan(state, sealed ? data().on_disk : data().in_memory, query);
}
BENCHMARK_CAPTURE(BM_Scan, memory_whole, by({}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, memory_region, by({Dimension::region}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, memory_region_scale, by({Dimension::region, Dimension::scale}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, memory_vendor_month, by({Dimension::vendor, Dimension::order_month}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, memory_origin, by({Dimension::origin}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, memory_stage_region, by({Dimension::stage, Dimension::region}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, memory_commodity, by({Dimension::commodity}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, memory_vendor_commodity, by({Dimension::vendor, Dimension::commodity}), false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Scan, sealed_region_scale, by({Dimension::region, Dimension::scale}), true)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bukubesar

BENCHMARK_MAIN();
