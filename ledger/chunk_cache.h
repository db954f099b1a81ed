// ChunkCache: decoded chunks that were read last, bounded in bytes. Keys sort, so that "the chunk that holds sequence n" is found.
//
// Threads  any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/ids.h"

namespace bukubesar {

template <class Value>
class ChunkCache {
 public:
  explicit ChunkCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // The value with the greatest first <= at in the partition; null where there is none. It need not reach as far as `at`.
  std::shared_ptr<const Value> at_or_before(PartitionId partition, std::uint64_t at) {
    absl::MutexLock lock(&mutex_);
    auto found = by_key_.upper_bound({partition, at});
    if (found == by_key_.begin()) return nullptr;
    --found;
    if (found->first.first != partition) return nullptr;
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.value;
  }
  // bytes: what the value takes in memory. A value larger than the whole cache is not kept.
  void put(PartitionId partition, std::uint64_t first, std::shared_ptr<const Value> value, std::size_t bytes) {
    if (bytes > bytes_max_) return;
    absl::MutexLock lock(&mutex_);
    const Key key{partition, first};
    if (by_key_.count(key) != 0) return;
    recent_.push_front(key);
    by_key_.emplace(key, Slot{std::move(value), bytes, recent_.begin()});
    for (bytes_ += bytes; bytes_ > bytes_max_; recent_.pop_back()) {
      const auto oldest = by_key_.find(recent_.back());
      bytes_ -= oldest->second.bytes;
      by_key_.erase(oldest);
    }
  }
  void erase(PartitionId partition, std::uint64_t first) {
    absl::MutexLock lock(&mutex_);
    const auto found = by_key_.find({partition, first});
    if (found == by_key_.end()) return;
    bytes_ -= found->second.bytes;
    recent_.erase(found->second.place);
    by_key_.erase(found);
  }
  [[nodiscard]] std::size_t bytes() const {
    absl::MutexLock lock(&mutex_);
    return bytes_;
  }

 private:
  using Key = std::pair<PartitionId, std::uint64_t>;
  struct Slot {
    std::shared_ptr<const Value> value;
    std::size_t bytes;
    typename std::list<Key>::iterator place;
  };
  const std::size_t bytes_max_;
  mutable absl::Mutex mutex_;
  std::list<Key> recent_ ABSL_GUARDED_BY(mutex_);  // newest first
  std::map<Key, Slot> by_key_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace bukubesar
