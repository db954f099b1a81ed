// The ledger's parts: what a commit of 5,000 events of 500 bytes costs, and the pieces of it.
#include <benchmark/benchmark.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/sha256_many.h"
#include "ledger/chunk.h"
#include "ledger/id_table.h"
#include "ledger/ledger.h"
#include "ledger/merkle.h"

namespace {

using namespace bukubesar;

constexpr std::size_t kCommitEntries = 5'000;

Definition definition() {
  Definition made;
  made.name = "bench";
  return made;
}

class Directory {
 public:
  Directory() : path_(std::filesystem::temp_directory_path() / ("bukubesar-ledger-bench-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
    spdlog::set_level(spdlog::level::warn);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string ledger() const { return (path_ / "ledger").string(); }

 private:
  std::filesystem::path path_;
};

std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// About 500 bytes, with the share of random hex that real events have (id, salt).
std::string payload_of(std::uint64_t n) {
  const std::uint64_t r = mix(n);
  const std::string key = fmt::format("e-katalog-6/P{:010}", n);
  return encode_payload(
      key, {},
      fmt::format(
          R"({{"specversion":"1.0","type":"id.bukubesar.purchase.ordered.v1","source":"/feed/load","id":"{:016x}{:016x}","subject":"{}",)"
          R"("time":"2023-05-11T09:12:00+08:00","datacontenttype":"application/json","data":{{"salt":"{:016x}{:016x}","document":)"
          R"({{"revision":1,"fiscal_year":2023,"order_date":"2023-05-11","stage":"contracted","institution":"D{}","work_unit":"{}",)"
          R"("vendor":"p-{}","catalogue_kind":"local","amounts":{{"total":"{}.00"}}}}}}}})",
          r, n, key, mix(r), mix(r + 1), 200 + r % 60, 100000 + r % 900, r % 20000, 100'000 + r % 90'000'000));
}

Fingerprint fingerprint(std::uint64_t n) {
  Fingerprint bytes;
  store_be(bytes.data(), mix(n));
  store_be(bytes.data() + 8, mix(~n));
  return bytes;
}

struct Payloads {
  std::vector<std::string> texts;
  std::vector<Hash256> hashes;
  Payloads() {
    for (std::uint64_t n = 0; n < kCommitEntries; ++n) {
      texts.push_back(payload_of(n));
      hashes.push_back(sha256(texts.back()));
    }
  }
};

void commit_batches(benchmark::State& state) {
  static const Payloads payloads;
  const Directory directory;
  auto ledger = Ledger::open({directory.ledger(), false, {}}, definition());
  if (!ledger.ok()) return state.SkipWithError(ledger.status().ToString().c_str());
  std::uint64_t n = 0;
  std::uint64_t build_us = 0;
  std::uint64_t write_us = 0;
  std::uint64_t stored = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const PartitionHead head = (*ledger)->head(PartitionId(0));
    Commit commit;
    commit.parts.resize(1);
    PartitionBatch& batch = commit.parts[0];
    batch.partition = PartitionId(0);
    batch.first = Sequence(head.size);
    batch.next_offset = head.next_offset + static_cast<std::int64_t>(kCommitEntries);
    for (std::size_t i = 0; i < kCommitEntries; ++i, ++n) {
      Entry entry;
      entry.rules_version = 1;
      entry.verdict = Verdict::accepted;
      entry.timestamp_present = entry.log_append_time = true;
      entry.timestamp_ms = 1'700'000'000'000 + static_cast<std::int64_t>(n / 10);
      entry.offset = Offset(static_cast<std::int64_t>(n));
      entry.fingerprint = fingerprint(n);
      entry.payload_size = static_cast<std::uint32_t>(payloads.texts[i].size());
      entry.payload_hash = payloads.hashes[i];
      batch.entries.push_back(entry);
      batch.payloads.emplace_back(payloads.texts[i]);
    }
    state.ResumeTiming();
    const auto cost = (*ledger)->commit(commit);
    if (!cost.ok()) return state.SkipWithError(cost.status().ToString().c_str());
    build_us += static_cast<std::uint64_t>(cost->build_us);
    write_us += static_cast<std::uint64_t>(cost->write_us);
    stored += cost->stored_bytes;
  }
  const auto events = static_cast<double>(n);
  state.SetItemsProcessed(static_cast<std::int64_t>(n));
  state.counters["build_ns_per_event"] = static_cast<double>(build_us) * 1000 / events;
  state.counters["write_ns_per_event"] = static_cast<double>(write_us) * 1000 / events;
  state.counters["stored_bytes_per_event"] = static_cast<double>(stored) / events;
}
BENCHMARK(commit_batches)->Unit(benchmark::kMillisecond)->UseRealTime();

void leaf_and_tree(benchmark::State& state) {
  Frontier frontier;
  std::vector<Subtree> completed;
  EntryBytes entry{};
  for (auto _ : state) {
    store_be(entry.data() + 16, frontier.size());
    frontier.append(leaf_hash(as_view(entry)), completed);
    completed.clear();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(leaf_and_tree);

// As a commit does it, a chunk at a time.
void leaf_and_tree_by_chunks(benchmark::State& state) {
  Frontier frontier;
  std::vector<Subtree> completed;
  std::string entries(kChunkEntriesMax * kEntryBytes, '\0');
  for (auto _ : state) {
    store_be(entries.data() + 16, frontier.size());
    frontier.append_all(leaf_hashes(entries, kEntryBytes), completed);
    completed.clear();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kChunkEntriesMax));
}
BENCHMARK(leaf_and_tree_by_chunks);

std::vector<std::string> some_payloads() {
  std::vector<std::string> payloads(32);
  for (std::size_t i = 0; i < payloads.size(); ++i) payloads[i] = std::string(350 + 37 * i % 270, static_cast<char>(i));
  return payloads;
}

void payload_hashes(benchmark::State& state) {
  const std::vector<std::string> payloads = some_payloads();
  for (auto _ : state)
    for (const std::string& payload : payloads) benchmark::DoNotOptimize(sha256(payload));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(payloads.size()));
}
BENCHMARK(payload_hashes);

void payload_hashes_together(benchmark::State& state) {
  const std::vector<std::string> payloads = some_payloads();
  const std::vector<std::string_view> messages(payloads.begin(), payloads.end());
  std::vector<Hash256> hashes(messages.size());
  for (auto _ : state) {
    sha256_many(messages, hashes);
    benchmark::DoNotOptimize(hashes);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(payloads.size()));
}
BENCHMARK(payload_hashes_together);

void entry_chunk(benchmark::State& state) {
  std::string entries;
  for (std::uint64_t n = 0; n < kChunkEntriesMax; ++n) {
    Entry entry;
    entry.rules_version = 1;
    entry.verdict = Verdict::accepted;
    entry.offset = Offset(static_cast<std::int64_t>(n));
    entry.fingerprint = fingerprint(n);
    entry.payload_hash = sha256(as_view(entry.fingerprint));
    entries += as_view(encode_entry(entry));
  }
  for (auto _ : state) benchmark::DoNotOptimize(encode_entry_chunk(entries, 0));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kChunkEntriesMax));
}
BENCHMARK(entry_chunk);

void payload_chunk(benchmark::State& state) {
  static const Payloads payloads;
  std::vector<std::string_view> views(payloads.texts.begin(), payloads.texts.begin() + kChunkEntriesMax);
  for (auto _ : state) benchmark::DoNotOptimize(encode_payload_chunk(views.data(), views.size()));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kChunkEntriesMax));
}
BENCHMARK(payload_chunk);

void id_table_probe(benchmark::State& state) {
  IdTable table;
  const std::uint64_t count = 1'000'000;
  for (std::uint64_t n = 0; n < count; ++n) table.insert(fingerprint(n), Sequence(n));
  std::uint64_t n = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.candidates(fingerprint(count + n++)));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(id_table_probe);

void inclusion_proof(benchmark::State& state) {
  const Directory directory;
  auto ledger = Ledger::open({directory.ledger(), false, {}}, definition());
  if (!ledger.ok()) return state.SkipWithError(ledger.status().ToString().c_str());
  constexpr std::uint64_t kEntries = 20'000;
  std::vector<std::string> payloads(kEntries);
  Commit commit;
  commit.parts.resize(1);
  PartitionBatch& batch = commit.parts[0];
  batch.next_offset = Offset(kEntries);
  for (std::uint64_t n = 0; n < kEntries; ++n) {
    payloads[n] = encode_payload(std::nullopt, {}, std::to_string(n));
    Entry entry;
    entry.rules_version = 1;
    entry.verdict = Verdict::rejected;
    entry.reason = Reason::null_value;
    entry.offset = Offset(static_cast<std::int64_t>(n));
    entry.payload_size = static_cast<std::uint32_t>(payloads[n].size());
    entry.payload_hash = sha256(payloads[n]);
    batch.entries.push_back(entry);
    batch.payloads.emplace_back(payloads[n]);
  }
  if (const auto cost = (*ledger)->commit(commit); !cost.ok()) return state.SkipWithError(cost.status().ToString().c_str());
  std::uint64_t n = 0;
  for (auto _ : state) benchmark::DoNotOptimize((*ledger)->inclusion_proof(PartitionId(0), Sequence(mix(n++) % kEntries), kEntries));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(inclusion_proof);

}  // namespace

BENCHMARK_MAIN();
