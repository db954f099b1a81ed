// Arena: bump allocation for what lives and dies with one batch of records. Nothing in it is destroyed one by one,
// so only trivially destructible types go in.
//
// Threads  filled by one thread; once filled, read by any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace bukubesar {

class Arena {
 public:
  explicit Arena(std::size_t block_bytes = 64 * 1024) : block_bytes_(block_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* allocate(std::size_t bytes, std::size_t alignment) {
    std::size_t at = (used_ + alignment - 1) & ~(alignment - 1);
    if (blocks_.empty() || at + bytes > size_) {
      size_ = std::max(block_bytes_, bytes);
      blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(size_));
      total_ += size_;
      at = 0;
    }
    used_ = at + bytes;
    return blocks_.back().get() + at;
  }
  template <class T, class... Args>
  T* make(Args&&... args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (allocate(sizeof(T), alignof(T))) T{std::forward<Args>(args)...};
  }
  template <class T>
  std::span<const T> copy(std::span<const T> items) {
    static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);
    if (items.empty()) return {};
    auto* to = static_cast<T*>(allocate(items.size_bytes(), alignof(T)));
    std::memcpy(static_cast<void*>(to), items.data(), items.size_bytes());
    return {to, items.size()};
  }
  std::string_view copy(std::string_view text) {
    if (text.empty()) return "";
    auto* to = static_cast<char*>(allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }
  // Room for `bytes` bytes that the caller fills at once.
  char* raw(std::size_t bytes) { return static_cast<char*>(allocate(bytes, 1)); }
  // Bytes of all blocks.
  [[nodiscard]] std::size_t total_bytes() const { return total_; }

 private:
  std::size_t block_bytes_;
  std::size_t used_ = 0;
  std::size_t size_ = 0;
  std::size_t total_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

}  // namespace bukubesar
