// SHA-256 (FIPS 180-4) of many messages at once: sixteen beside each other where the processor has AVX-512, by OpenSSL one after another
// elsewhere, and where there are too few, or one too long, for that to pay.
//
// For what is written. Before a tree is signed its leaves and nodes are hashed by OpenSSL alone (base/sha256.h), and so is everything,
// payloads too, by scrub, verify and who clones a ledger: two implementations have to say the same.
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
