// Asking memory ahead: worth it for bytes that another thread wrote or that lie anywhere in a large table, some steps before they are
// read. Never needed for what it does: a hint.
#pragma once

#include <cstddef>

namespace bukubesar {

inline constexpr std::size_t kCacheLineBytes = 64;

inline void prefetch_bytes(const void* first, std::size_t bytes) {
  const auto* at = static_cast<const char*>(first);
  for (const char* const limit = at + bytes; at < limit; at += kCacheLineBytes) __builtin_prefetch(at);
}

template <class T>
void prefetch_object(const T* object) {
  prefetch_bytes(object, sizeof(T));
}

}  // namespace bukubesar
