// ChunkPipeline: the chunks of one partition for the verifier: read by one thread, decompressed, hashed and judged by several, the taker
// among them while it would wait, handed out in the order of their keys. What depends on what stands before an entry is the taker's to
// check.
//
// Threads  next() from one thread. The destructor ends the others, wherever they are.
// Limits   kPipelineDepth chunks are under way.
// Errors   whatever the bytes are, they are handed out with what is wrong with them.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/arena.h"
#include "base/bounded_queue.h"
#include "events/rules.h"
#include "ledger/chunk.h"
#include "ledger/rows.h"
#include "ledger/store.h"

namespace bukubesar {

inline constexpr std::size_t kPipelineDepth = 32;

// What can be said of an entry by itself.
struct CheckedEntry {
  std::optional<Entry> entry;  // nothing: the bytes are no entry of version 1
  Hash256 leaf{};
  // Null: there is no row of payloads, or it ends before this entry. Nothing in it: kept as hash only.
  const std::optional<std::string_view>* payload = nullptr;
  Hash256 payload_hash{};              // of the payload, where it is kept
  std::optional<Judgement> judgement;  // by the rules version that the entry names, where the payload is kept
  std::shared_ptr<const Redaction> redaction =
      nullptr;  // set by the taker, where the payload was erased; the judgement is of its substitute
};

// A row of entries and the row of payloads with the same key.
struct CheckedChunk {
  std::string key;
  std::string entries_row;
  std::vector<std::string> strays;                // keys of rows of payloads that stand before it, without a row of entries
  absl::StatusOr<std::string> payloads_row = "";  // why there is none
  absl::StatusOr<EntryChunk> entries = EntryChunk{};
  absl::StatusOr<std::shared_ptr<const PayloadChunk>> payloads = nullptr;
  std::vector<CheckedEntry> checked;  // one for each entry, where `entries` is OK
  Arena arena;                        // events of the judgements
  std::atomic_flag done;
};

class ChunkPipeline {
 public:
  // Reads until the partition's rows end, or through the first row that begins at or beyond `limit`. workers: at least one, beside the
  // taker.
  ChunkPipeline(const Store& store, PartitionId partition, std::uint64_t limit, const Routing& routing, unsigned workers);
  ~ChunkPipeline();
  ChunkPipeline(const ChunkPipeline&) = delete;
  ChunkPipeline& operator=(const ChunkPipeline&) = delete;

  // The next chunk; null at the end. What was handed out before stays whole as long as somebody holds it.
  [[nodiscard]] std::shared_ptr<CheckedChunk> next();
  // After next() gave null: why the rows of entries or payloads ended early, and the payload rows left over at the end.
  [[nodiscard]] const absl::Status& entries_status() const { return entries_status_; }
  [[nodiscard]] const std::vector<std::string>& strays() const { return strays_; }

 private:
  void read();
  void work();
  void check(CheckedChunk& chunk, Judge& judge) const;
  void pair(CheckedChunk& chunk, StoreCursor& payloads) const;
  void read_strays(StoreCursor& payloads);

  const Store& store_;
  const PartitionId partition_;
  const std::uint64_t limit_;
  const Routing routing_;
  Judge judge_;  // the taker's
  BoundedQueue<std::shared_ptr<CheckedChunk>> in_order_{kPipelineDepth};
  BoundedQueue<std::shared_ptr<CheckedChunk>> to_check_{kPipelineDepth};
  absl::Status entries_status_;      // written by the reader before in_order_ is closed
  std::vector<std::string> strays_;  // likewise
  std::vector<std::jthread> threads_;
};

}  // namespace bukubesar
