// IdTable: fingerprint → sequence of the accepted entry, in memory: what "accepted once, for ever" (I4) is asked of.
//
// Open addressing in shards that grow one by one, so that no single insert pays for rehashing everything. A slot is 16 bytes:
// 64 bits of the fingerprint and the sequence. Two fingerprints may share those bits: the answers are candidates, and the
// caller confirms them against the entry.
//
// Threads  none of its own: the owner locks.
// Limits   sequences below 2^64 − 1. About 23 bytes an id on average.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/ids.h"
#include "events/event.h"

namespace bukubesar {

class IdTable {
 public:
  using Candidates = absl::InlinedVector<Sequence, 2>;
  void insert(const Fingerprint& fingerprint, Sequence sequence);
  // Removes exactly this pair; nothing where it is not there.
  void erase(const Fingerprint& fingerprint, Sequence sequence);
  [[nodiscard]] Candidates candidates(const Fingerprint& fingerprint) const;
  // Asks memory for what candidates() and insert() will look at. Worth it for ids that come some steps later: each look-up
  // touches a place of its own, and waiting for it is most of what it costs.
  void prefetch(const Fingerprint& fingerprint) const;
  // Makes room for `count` ids in all, so that a rebuild does not grow step by step.
  void reserve(std::uint64_t count);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t memory_bytes() const;

 private:
  struct Slot {
    std::uint64_t tag = 0;
    std::uint64_t sequence = kNoSequence.value();  // kNoSequence: free
  };
  struct Shard {
    std::vector<Slot> slots;
    std::uint64_t used = 0;
  };
  static constexpr std::size_t kShards = 64;

  static std::size_t home(std::uint64_t tag, std::size_t slots);
  static void place(std::vector<Slot>& slots, Slot slot);
  static void grow(Shard& shard, std::size_t slots);

  std::array<Shard, kShards> shards_;
  std::uint64_t size_ = 0;
};

}  // namespace bukubesar
