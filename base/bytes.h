// Byte helpers: big-endian integers, hex, base64.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace bukubesar {

template <std::unsigned_integral T>
constexpr T to_big_endian(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <std::unsigned_integral T>
void store_be(void* to, T value) {
  const T swapped = to_big_endian(value);
  std::memcpy(to, &swapped, sizeof swapped);
}

template <std::unsigned_integral T>
[[nodiscard]] T load_be(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return to_big_endian(value);
}

template <std::unsigned_integral T>
void append_be(std::string& to, T value) {
  char bytes[sizeof(T)];
  store_be(bytes, value);
  to.append(bytes, sizeof bytes);
}

// Reads big-endian integers and byte runs from a string; every read past the end fails, and keeps failing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  template <std::unsigned_integral T>
  T be() {
    const std::string_view bytes = take(sizeof(T));
    return ok_ ? load_be<T>(bytes.data()) : T{};
  }
  std::string_view take(std::size_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// Lower-case hex.
[[nodiscard]] std::string hex(std::string_view bytes);
[[nodiscard]] std::optional<std::string> unhex(std::string_view text);
// RFC 4648 §4, padded. Decoding is strict: padding required, unused trailing bits zero, nothing else in the text.
[[nodiscard]] std::string base64(std::string_view bytes);
[[nodiscard]] std::optional<std::string> unbase64(std::string_view text);

template <std::size_t N>
[[nodiscard]] std::string_view as_view(const std::array<std::uint8_t, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

}  // namespace bukubesar
