// The low-level interface: half the price of EVP for messages of one or two blocks, which tree and fingerprints are made of. OpenSSL 3
// calls it deprecated, not wrong; it chooses the processor's SHA instructions as EVP does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

namespace bukubesar {

Sha256::Sha256() { BB_CHECK(SHA256_Init(&state_) == 1, "SHA-256 starts"); }

Sha256& Sha256::update(std::string_view bytes) {
  BB_CHECK(SHA256_Update(&state_, bytes.data(), bytes.size()) == 1, "SHA-256 takes any bytes");
  return *this;
}

Hash256 Sha256::finish() {
  Hash256 hash;
  BB_CHECK(SHA256_Final(hash.data(), &state_) == 1, "SHA-256 ends");
  BB_CHECK(SHA256_Init(&state_) == 1, "SHA-256 starts again");
  return hash;
}

Hash256 sha256(std::string_view bytes) { return Sha256().update(bytes).finish(); }

Hash256 hmac_sha256(std::string_view key, std::string_view message) {
  Hash256 hash;
  unsigned int size = 0;
  const auto* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
                          message.size(), hash.data(), &size);
  BB_CHECK(made != nullptr && size == hash.size(), "HMAC-SHA-256 takes any bytes");
  return hash;
}

}  // namespace bukubesar
