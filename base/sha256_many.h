// SHA-256 (FIPS 180-4) of many messages at once: sixteen beside each other where the processor has AVX-512, by OpenSSL one after another
// elsewhere, and where there are too few for that to pay.
//
// For what is written. What is signed, and what is verified, is hashed by OpenSSL alone (base/sha256.h), so that two implementations
// have said the same before anybody vouches for it.
//
// Threads  any.
#pragma once

#include <span>
#include <string_view>

#include "base/sha256.h"

namespace bukubesar {

// hashes[i] is that of messages[i]; there are as many.
void sha256_many(std::span<const std::string_view> messages, std::span<Hash256> hashes);

}  // namespace bukubesar
