// SHA-256 (FIPS 180-4) and HMAC, by OpenSSL.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace bukubesar {

using Hash256 = std::array<std::uint8_t, 32>;

// Threads: one object belongs to one thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256& update(std::string_view bytes);
  // Returns the hash of all updates and is ready for the next message.
  [[nodiscard]] Hash256 finish();

 private:
  SHA256_CTX state_;
};

[[nodiscard]] Hash256 sha256(std::string_view bytes);
// Of the parts behind each other: short ones, as trees and fingerprints are made of, cost one call of the library.
[[nodiscard]] Hash256 sha256_joined(std::initializer_list<std::string_view> parts);
[[nodiscard]] Hash256 hmac_sha256(std::string_view key, std::string_view message);

}  // namespace bukubesar
