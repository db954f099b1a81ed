// What a record costs before the ledger sees it: payload encoding, judgement, routing.
#include <benchmark/benchmark.h>

#include <string>

#include "events/json.h"
#include "events/payload.h"
#include "events/rules.h"

namespace bukubesar {
namespace {

constexpr std::string_view kKey = "e-katalog-5/8812345";
constexpr std::string_view kValue =
    R"({"specversion":"1.0","type":"id.bukubesar.purchase.ordered.v1","source":"/feed/e-katalog-5","id":"5e0c41d2a97f4b0f9a3be1c07d2f6a18",)"
    R"("subject":"e-katalog-5/8812345","time":"2023-05-11T09:12:00+08:00","data":{"salt":"9f2c7a10b3d84e5f86a1c2d3e4f50617","document":)"
    R"({"fiscal_year":2023,"order_date":"2023-05-11","stage":"contracted","institution":"D262","work_unit":"104233","vendor":"p-551209",)"
    R"("stated":{"region":"63.09","scale":"small"},"funding":["APBD"],"catalogue_kind":"local","amounts":{"total":"25000000.00"}}}})";
constexpr std::string_view kAdvanced =
    R"({"specversion":"1.0","type":"id.bukubesar.purchase.advanced.v1","source":"/feed/e-katalog-5","id":"5e0c41d2a97f4b0f9a3be1c07d2f6a19",)"
    R"("subject":"e-katalog-5/8812345","time":"2023-05-12T09:12:00+08:00","data":{"salt":"9f2c7a10b3d84e5f86a1c2d3e4f50617","stage":"shipping"}})";

std::string payload_of(std::string_view value) {
  const std::vector<Header> headers = {{"content-type", "application/cloudevents+json"}};
  return encode_payload(kKey, headers, value);
}

void judge(benchmark::State& state, const std::string& payload, JsonPath path) {
  Judge judge(Routing{Partitioner::murmur2, 1}, path);
  auto arena = std::make_unique<Arena>(64 << 10);
  for (auto _ : state) {
    const Judgement judgement = judge.judge(1, PartitionId(0), payload, *arena);

    benchmark::DoNotOptimize(judgement.event);
    if (arena->total_bytes() > (64 << 10)) arena = std::make_unique<Arena>(64 << 10);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(payload.size()));
}

void BM_JudgeOrdered(benchmark::State& state) { judge(state, payload_of(kValue), JsonPath::fast_first); }
BENCHMARK(BM_JudgeOrdered);
void BM_JudgeOrderedStrictPath(benchmark::State& state) { judge(state, payload_of(kValue), JsonPath::strict_only); }
BENCHMARK(BM_JudgeOrderedStrictPath);
void BM_JudgeAdvanced(benchmark::State& state) { judge(state, payload_of(kAdvanced), JsonPath::fast_first); }
BENCHMARK(BM_JudgeAdvanced);
void BM_JudgeMalformed(benchmark::State& state) { judge(state, payload_of(kValue.substr(0, kValue.size() - 1)), JsonPath::fast_first); }
BENCHMARK(BM_JudgeMalformed);

void BM_ReadJsonFast(benchmark::State& state) {
  FastJsonReader reader;
  JsonTree tree;
  Arena arena;
  for (auto _ : state) benchmark::DoNotOptimize(reader.read(kValue, arena, tree));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kValue.size()));
}
BENCHMARK(BM_ReadJsonFast);

void BM_EncodePayload(benchmark::State& state) {
  const std::vector<Header> headers = {{"content-type", "application/cloudevents+json"}};
  std::string to(payload_size(kKey, headers, kValue), '\0');
  for (auto _ : state) {
    encode_payload(kKey, headers, kValue, to.data());
    benchmark::DoNotOptimize(to.data());
  }
}
BENCHMARK(BM_EncodePayload);

void BM_Fingerprint(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(fingerprint_of("/feed/e-katalog-5", "5e0c41d2a97f4b0f9a3be1c07d2f6a18"));
}
BENCHMARK(BM_Fingerprint);

void BM_Partition(benchmark::State& state) {
  const auto partitioner = static_cast<Partitioner>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(partition_of(partitioner, kKey, 4));
}
BENCHMARK(BM_Partition)->Arg(static_cast<int>(Partitioner::murmur2))->Arg(static_cast<int>(Partitioner::crc32));

}  // namespace
}  // namespace bukubesar

BENCHMARK_MAIN();
