#include "ledger/verify_pipeline.h"

#include "base/status.h"
#include "ledger/merkle.h"

namespace bukubesar {

namespace {

void check_entry(CheckedEntry& to, std::string_view bytes, PartitionId partition, Judge& judge, Arena& arena) {
  to.entry = decode_entry(bytes);
  to.leaf = leaf_hash(bytes);
  if (to.payload == nullptr || !*to.payload) return;
  const std::string_view payload = **to.payload;
  to.payload_hash = sha256(payload);
  if (!to.entry || to.entry->kind != EntryKind::record) return;
  if (const std::uint16_t version = to.entry->rules_version; version >= 1 && version <= kRulesVersionNewest)
    to.judgement = judge.judge(version, partition, payload, arena);
}

void check_chunk(CheckedChunk& chunk, PartitionId partition, Judge& judge) {
  const auto key = parse_chunk_key(chunk.key);
  if (!key) return;
  chunk.entries = decode_entry_chunk(key->first, chunk.entries_row);
  if (chunk.payloads_row.ok())
    chunk.payloads = decode_payload_chunk(key->first, *chunk.payloads_row);
  else
    chunk.payloads = chunk.payloads_row.status();
  if (!chunk.entries.ok()) return;
  chunk.checked.resize(chunk.entries->count());
  for (std::size_t i = 0; i < chunk.checked.size(); ++i) {
    if (chunk.payloads.ok() && i < (*chunk.payloads)->payloads.size()) chunk.checked[i].payload = &(*chunk.payloads)->payloads[i];
    check_entry(chunk.checked[i], chunk.entries->entry(i), partition, judge, chunk.arena);
  }
}

}  // namespace

ChunkPipeline::ChunkPipeline(const Store& store, PartitionId partition, std::uint64_t limit, const Routing& routing, unsigned workers)
    : store_(store), partition_(partition), limit_(limit), routing_(routing), judge_(routing) {
  threads_.emplace_back([this] { read(); });
  for (unsigned i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

ChunkPipeline::~ChunkPipeline() {
  in_order_.close();
  to_check_.close();
}

std::shared_ptr<CheckedChunk> ChunkPipeline::next() {
  auto chunk = in_order_.pop();
  if (!chunk) return nullptr;
  // Works instead of waiting: each chunk would put a thread to sleep and wake it.
  while (!(*chunk)->done.test(std::memory_order_acquire)) {
    if (const auto other = to_check_.pop(absl::ZeroDuration()))
      check(**other, judge_);
    else
      (*chunk)->done.wait(false, std::memory_order_acquire);
  }
  return *std::move(chunk);
}

void ChunkPipeline::read() {
  const auto entries = store_.cursor(Family::entries, chunk_key(partition_, Sequence(0)), /*bulk=*/true);
  const auto payloads = store_.cursor(Family::payloads, chunk_key(partition_, Sequence(0)), /*bulk=*/true);
  bool last = false;
  for (; entries->valid() && !last; entries->next()) {
    const auto key = parse_chunk_key(entries->key());
    if (key && key->partition != partition_) break;
    auto chunk = std::make_shared<CheckedChunk>();
    chunk->key = entries->key();
    chunk->entries_row = entries->value();
    last = !key || key->first.value() >= limit_;
    if (!last) pair(*chunk, *payloads);
    if (!in_order_.push(chunk) || !to_check_.push(std::move(chunk))) return;  // nobody takes any more
  }
  entries_status_ = entries->status();
  if (entries_status_.ok()) read_strays(*payloads);
  in_order_.close();
  to_check_.close();
}

// The payload row with the same key; what stands before it belongs to no entries.
void ChunkPipeline::pair(CheckedChunk& chunk, StoreCursor& payloads) const {
  for (; payloads.valid() && payloads.key() < chunk.key; payloads.next()) chunk.strays.emplace_back(payloads.key());
  if (!payloads.status().ok()) {
    chunk.payloads_row = payloads.status();
  } else if (!payloads.valid() || payloads.key() != chunk.key) {
    chunk.payloads_row = data_loss("no row of payloads");
  } else {
    *chunk.payloads_row = payloads.value();
    payloads.next();
  }
}

void ChunkPipeline::read_strays(StoreCursor& payloads) {
  for (; payloads.valid(); payloads.next()) {
    const auto key = parse_chunk_key(payloads.key());
    if (key && (key->partition != partition_ || key->first.value() >= limit_)) return;
    strays_.emplace_back(payloads.key());
    if (!key) return;
  }
}

void ChunkPipeline::work() {
  Judge judge(routing_);
  while (const auto chunk = to_check_.pop()) check(**chunk, judge);
}

void ChunkPipeline::check(CheckedChunk& chunk, Judge& judge) const {
  check_chunk(chunk, partition_, judge);
  chunk.done.test_and_set(std::memory_order_release);
  chunk.done.notify_one();
}

}  // namespace bukubesar
