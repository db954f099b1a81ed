#include "base/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

namespace bukubesar {

struct Sha256::Impl {
  EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(algorithm);
  }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  BB_CHECK(impl_->algorithm != nullptr && impl_->context != nullptr, "OpenSSL offers SHA-256");
  BB_CHECK(EVP_DigestInit_ex2(impl_->context, impl_->algorithm, nullptr) == 1, "SHA-256 starts");
}
Sha256::~Sha256() = default;

Sha256& Sha256::update(std::string_view bytes) {
  BB_CHECK(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1, "SHA-256 takes any bytes");
  return *this;
}

Hash256 Sha256::finish() {
  Hash256 hash;
  BB_CHECK(EVP_DigestFinal_ex(impl_->context, hash.data(), nullptr) == 1, "SHA-256 ends");
  BB_CHECK(EVP_DigestInit_ex2(impl_->context, nullptr, nullptr) == 1, "SHA-256 starts again");
  return hash;
}

Hash256 sha256(std::string_view bytes) {
  thread_local Sha256 hasher;
  return hasher.update(bytes).finish();
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
