// What the fold costs for each event, and what writing and reading back a segment cost for each row.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "projections/partition_fold.h"

namespace bukubesar {
namespace {

// Decoded events, as the intake hands them on: each purchase is ordered, shipped, completed, paid.
class Events {
 public:
  explicit Events(std::size_t purchases) {
    for (std::size_t i = 0; i < purchases; ++i) order(i);
    for (const Stage stage : {Stage::shipping, Stage::completed}) {
      for (std::size_t i = 0; i < purchases; ++i) advance(i, stage);
    }
    for (std::size_t i = 0; i < purchases; ++i) pay(i);
  }
  [[nodiscard]] const std::vector<const Event*>& all() const { return all_; }

 private:
  std::string_view text(std::string_view prefix, std::size_t number) {
    return arena_.copy(std::string_view(std::string(prefix) + std::to_string(number)));
  }
  Event* event(std::size_t i, EventType type) {
    auto* made = arena_.make<Event>();
    made->type = type;
    made->source = "/feed/bench";
    made->subject = text("e-katalog-6/", i);
    made->purchase = *parse_purchase_id(made->subject);
    made->time_ms = 1'680'000'000'000 + static_cast<std::int64_t>(all_.size()) * 1000;
    all_.push_back(made);
    return made;
  }
  static std::size_t mix(std::size_t i) {
    i = (i + 1) * 0x9E3779B97F4A7C15U;
    i = (i ^ i >> 30) * 0xBF58476D1CE4E5B9U;
    i = (i ^ i >> 27) * 0x94D049BB133111EBU;
    return (i ^ i >> 31) >> 8;
  }
  void order(std::size_t i) {
    auto* document = arena_.make<Document>();
    const std::size_t mixed = mix(i);  // as uneven as real codes and amounts
    document->fiscal_year = 2023;
    document->order_date = Date{19'400 + static_cast<std::int32_t>(mixed % 365)};
    document->stage = Stage::contracted;
    document->method = "e-purchasing";
    document->institution = text("D", mixed % 14);
    document->work_unit = text("w", mixed % 601);
    document->vendor = text("v", mixed % 5003);
    document->stated_region = "63.09";
    document->stated_scale = Scale::small;
    document->commodity = text("k", mixed % 53);
    document->catalogue_kind = CatalogueKind::local;
    document->total = Money{static_cast<std::int64_t>(2'500'000'000 + mixed % 1'000'000'007)};
    document->shipping = Money{1'500'000};
    event(i, EventType::ordered)->document = document;
  }
  void advance(std::size_t i, Stage stage) { event(i, EventType::advanced)->stage = stage; }
  void pay(std::size_t i) {
    Event* made = event(i, EventType::paid);
    made->amount = Money{1'000'000};
    made->reference = text("SP2D-", i);
  }
  Arena arena_{1 << 20};
  std::vector<const Event*> all_;
};

const Events& events() {
  static const Events made(50'000);
  return made;
}

std::unique_ptr<PartitionFold> folded(std::uint64_t segment_rows) {
  Definition definition;
  auto fold = std::make_unique<PartitionFold>(PartitionId(0), FoldSettings::of(definition), segment_rows);
  Entry entry;
  entry.verdict = Verdict::accepted;
  for (const Event* event : events().all()) fold->apply(Sequence(fold->next_sequence()), entry, std::nullopt, event);
  return fold;
}

void BM_Fold(benchmark::State& state) {
  events();
  for (auto _ : state) benchmark::DoNotOptimize(folded(kSegmentRows));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * events().all().size()));
}
BENCHMARK(BM_Fold)->Unit(benchmark::kMillisecond);

void BM_EncodeSegment(benchmark::State& state) {
  const auto fold = folded(kSegmentRows);
  const SegmentContent content = fold->content_of(*fold->segments().front());
  std::size_t bytes = 0;
  for (auto _ : state) bytes = encode_segment(content).size();
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * content.header.rows));
  state.counters["bytes_per_row"] = static_cast<double>(bytes) / content.header.rows;
}
BENCHMARK(BM_EncodeSegment)->Unit(benchmark::kMillisecond);

void BM_RestoreSegment(benchmark::State& state) {
  const auto fold = folded(kSegmentRows);
  const std::string bytes = encode_segment(fold->content_of(*fold->segments().front()));
  std::uint64_t rows = 0;
  for (auto _ : state) {
    const auto content = decode_segment(bytes, "bench");
    PartitionFold fresh(PartitionId(0), FoldSettings::of(Definition()), kSegmentRows);
    if (!content.ok() || !fresh.restore(*content).ok()) state.SkipWithError("the segment was refused");
    rows = fresh.rows();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * rows));
}
BENCHMARK(BM_RestoreSegment)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace bukubesar

BENCHMARK_MAIN();
