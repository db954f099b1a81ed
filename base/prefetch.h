// Asking memory ahead: worth it for bytes that another thread wrote or that lie anywhere in a large table, some steps before they are
// read. Never needed for what it does: a hint.
#pragma once

#include <cstdint>

namespace bukubesar {

inline constexpr std::uintptr_t kCacheLineBytes = 64;

// All cache lines that it touches.
template <class T>
void prefetch_object(const T* object) {
  const auto first = reinterpret_cast<std::uintptr_t>(object);
  for (std::uintptr_t line = first / kCacheLineBytes * kCacheLineBytes; line < first + sizeof(T); line += kCacheLineBytes)
    __builtin_prefetch(reinterpret_cast<const void*>(line));
}

}  // namespace bukubesar
