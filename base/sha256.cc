// The low-level interface: half the price of EVP for messages of one or two blocks, which tree and fingerprints are made of. OpenSSL 3
// calls it deprecated, not wrong; it chooses the processor's SHA instructions as EVP does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/sha256_padding.h"

namespace bukubesar {

namespace {

constexpr std::size_t kBlock = kSha256BlockBytes;
constexpr std::size_t kJoinedMax = 8 * kBlock;

SHA256_CTX begin() {
  SHA256_CTX state;
  BB_CHECK(SHA256_Init(&state) == 1, "SHA-256 starts");
  return state;
}

void take(SHA256_CTX& state, const char* bytes, std::size_t size) {
  BB_CHECK(SHA256_Update(&state, bytes, size) == 1, "SHA-256 takes any bytes");
}

Hash256 hash_of(const SHA256_CTX& state) {
  Hash256 hash;
  for (std::size_t i = 0; i < 8; ++i) store_be(hash.data() + 4 * i, static_cast<std::uint32_t>(state.h[i]));
  return hash;
}

}  // namespace

Sha256::Sha256() : state_(begin()) {}

Sha256& Sha256::update(std::string_view bytes) {
  take(state_, bytes.data(), bytes.size());
  return *this;
}

Hash256 Sha256::finish() {
  Hash256 hash;
  BB_CHECK(SHA256_Final(hash.data(), &state_) == 1, "SHA-256 ends");
  state_ = begin();
  return hash;
}

// Padded here and not by SHA256_Final, which also wipes what it leaves, though nothing of it is secret.
Hash256 sha256(std::string_view bytes) {
  SHA256_CTX state = begin();
  const std::size_t whole = bytes.size() / kBlock * kBlock;
  if (whole > 0) take(state, bytes.data(), whole);
  char last[2 * kBlock];
  const std::size_t rest = bytes.size() - whole;
  if (rest > 0) std::memcpy(last, bytes.data() + whole, rest);
  take(state, last, sha256_pad(last, rest, bytes.size()));
  return hash_of(state);
}

Hash256 sha256_joined(std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  if (size > kJoinedMax) {
    Sha256 hasher;
    for (const std::string_view part : parts) hasher.update(part);
    return hasher.finish();
  }
  char joined[kJoinedMax + kBlock];
  char* to = joined;
  for (const std::string_view part : parts) to = std::copy(part.begin(), part.end(), to);
  const std::size_t whole = size / kBlock * kBlock;
  SHA256_CTX state = begin();
  take(state, joined, whole + sha256_pad(joined + whole, size - whole, size));
  return hash_of(state);
}

Hash256 hmac_sha256(std::string_view key, std::string_view message) {
  Hash256 hash;
  unsigned int size = 0;
  const auto* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
                          message.size(), hash.data(), &size);
  BB_CHECK(made != nullptr && size == hash.size(), "HMAC-SHA-256 takes any bytes");
  return hash;
}

}  // namespace bukubesar
