// BoundedQueue: the only queue between threads; every one has a named maximum.
//
// Threads  any number of producers and consumers.
// close()  wakes everybody; what is inside can still be taken, nothing more goes in.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace bukubesar {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t items_max) : items_max_(items_max) {}

  // Waits for room. False: the queue is closed and the item was not taken.
  bool push(T item) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &BoundedQueue::has_room_or_closed));
    if (closed_) return false;
    items_.push_back(std::move(item));
    return true;
  }
  // False: full or closed, and the item was not taken.
  bool try_push(T& item) {
    absl::MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= items_max_) return false;
    items_.push_back(std::move(item));
    return true;
  }
  // Waits up to `timeout`. Nothing: the time is over, or the queue is closed and empty.
  std::optional<T> pop(absl::Duration timeout = absl::InfiniteDuration()) {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &BoundedQueue::has_item_or_closed), timeout);
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }
  void close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  [[nodiscard]] bool closed() const {
    absl::MutexLock lock(&mutex_);
    return closed_;
  }
  [[nodiscard]] std::size_t depth() const {
    absl::MutexLock lock(&mutex_);
    return items_.size();
  }
  [[nodiscard]] std::size_t items_max() const { return items_max_; }

 private:
  bool has_room_or_closed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || items_.size() < items_max_; }
  bool has_item_or_closed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || !items_.empty(); }

  const std::size_t items_max_;
  mutable absl::Mutex mutex_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace bukubesar
