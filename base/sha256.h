// SHA-256 (FIPS 180-4) and HMAC, by OpenSSL, with a context that is reused: half the price of one-shot calls.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace bukubesar {

using Hash256 = std::array<std::uint8_t, 32>;

// Threads: one object belongs to one thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  Sha256& update(std::string_view bytes);
  // Returns the hash of all updates and is ready for the next message.
  [[nodiscard]] Hash256 finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One message, with this thread's reused context.
[[nodiscard]] Hash256 sha256(std::string_view bytes);
[[nodiscard]] Hash256 hmac_sha256(std::string_view key, std::string_view message);

}  // namespace bukubesar
