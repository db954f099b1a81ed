// StableVector: a vector that never moves its items, so that a reader may hold a published count and read below it while the
// owner appends.
//
// Threads  one writer. A reader that learnt a size through a lock may read items below that size without one.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace bukubesar {

template <class T>
class StableVector {
 public:
  StableVector() = default;
  StableVector(const StableVector&) = delete;
  StableVector& operator=(const StableVector&) = delete;
  ~StableVector() {
    for (std::size_t i = 0; i < size_; ++i) (*this)[i].~T();
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      if (buckets_[bucket] != nullptr) std::allocator<T>().deallocate(buckets_[bucket], capacity_of(bucket));
    }
  }

  template <class... Args>
  T& emplace_back(Args&&... args) {
    const auto [bucket, at] = place_of(size_);
    if (buckets_[bucket] == nullptr) {
      buckets_[bucket] = std::allocator<T>().allocate(capacity_of(bucket));
      capacity_ += capacity_of(bucket);
    }
    T* item = new (buckets_[bucket] + at) T(std::forward<Args>(args)...);
    ++size_;
    return *item;
  }
  T& operator[](std::size_t index) {
    const auto [bucket, at] = place_of(index);
    return buckets_[bucket][at];
  }
  const T& operator[](std::size_t index) const {
    const auto [bucket, at] = place_of(index);
    return buckets_[bucket][at];
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t memory_bytes() const { return capacity_ * sizeof(T); }

 private:
  // Bucket 0 holds kFirst items, each later one twice as many as the one before it.
  static constexpr std::size_t kFirstBits = 6;
  static constexpr std::size_t kFirst = std::size_t{1} << kFirstBits;
  static constexpr std::size_t kBuckets = 40;
  static constexpr std::size_t capacity_of(std::size_t bucket) { return kFirst << bucket; }
  static constexpr std::pair<std::size_t, std::size_t> place_of(std::size_t index) {
    const std::size_t shifted = index + kFirst;
    const auto bucket = static_cast<std::size_t>(std::bit_width(shifted)) - 1 - kFirstBits;
    return {bucket, shifted - capacity_of(bucket)};
  }

  std::array<T*, kBuckets> buckets_{};
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace bukubesar
