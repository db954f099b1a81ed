// IdTable: fingerprint → sequence of the accepted entry, in memory: what "accepted once, for ever" (I4) is asked of.
//
// Open addressing in shards that grow one by one, so that no single insert pays for rehashing everything. A slot is 8 bytes:
// 24 bits of the fingerprint's hash, and the sequence. The shard of a large table is 12 bits more. Two fingerprints may share those bits:
// the answers are candidates, and the caller confirms them against the entry. With n ids a look-up has n / 2^36 strangers among them on
// average, so a table of fifty million ids has one in a thousand look-ups read an entry in vain; with one shard, n / 2^24.
//
// The hash has a secret of the process: whoever makes ids can't make them share their bits.
//
// Threads  none of its own: the owner locks.
// Limits   sequences below kSequenceMax. About 11 bytes an id on average.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/ids.h"
#include "events/event.h"

namespace bukubesar {

class IdTable {
 public:
  using Candidates = absl::InlinedVector<Sequence, 2>;
  static constexpr std::uint64_t kSequenceMax = (std::uint64_t{1} << 40U) - 1;

  IdTable();
  // For tests: a table whose strangers are the same in each run.
  explicit IdTable(std::uint64_t secret);
  // For thousands of ids that come and go: one shard.
  [[nodiscard]] static IdTable of_few();

  void insert(const Fingerprint& fingerprint, Sequence sequence);
  // Removes exactly this pair; nothing where it is not there.
  void erase(const Fingerprint& fingerprint, Sequence sequence);
  [[nodiscard]] Candidates candidates(const Fingerprint& fingerprint) const;
  // Asks memory for what candidates() and insert() will look at. Worth it for ids that come some steps later: each look-up
  // touches a place of its own, and waiting for it is most of what it costs.
  static constexpr std::size_t kPrefetchAhead = 12;  // where one id is one step: a memory access is about as long as so many
  void prefetch(const Fingerprint& fingerprint) const;
  // Makes room for `count` ids in all, so that a rebuild does not grow step by step.
  void reserve(std::uint64_t count);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t memory_bytes() const;

 private:
  // The tag above, the sequence in the lower 40 bits; all of those set: free.
  using Slot = std::uint64_t;
  struct Shard {
    std::unique_ptr<Slot[]> slots;
    std::uint32_t count = 0;
    std::uint32_t used = 0;
  };
  struct Place {
    std::size_t shard;
    std::uint64_t tag;
  };
  static constexpr std::size_t kShards = 4096;

  IdTable(std::uint64_t secret, std::size_t shards) : secret_(secret), shards_(shards) {}
  static std::size_t home(std::uint64_t tag, const Shard& shard);
  static std::size_t after(std::size_t at, const Shard& shard) { return at + 1 == shard.count ? 0 : at + 1; }
  static void put(Shard& shard, Slot slot);
  static void grow(Shard& shard, std::size_t count);
  [[nodiscard]] Place place_of(const Fingerprint& fingerprint) const;

  std::uint64_t secret_;
  std::vector<Shard> shards_;  // a power of two of them
  std::uint64_t size_ = 0;
};

}  // namespace bukubesar
