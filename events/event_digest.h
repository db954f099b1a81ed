// Event digest: what is left to compare a later copy of an event with, once the payload of the first one was erased.
//
// Two accepted payloads have one digest exactly where same_event() (events/rules.h) holds of them; so a verdict is the same before an
// erasure and after it. It says no more of an erased event than its payload's hash does: both cover the salt.
#pragma once

#include <string_view>

#include "base/sha256.h"

namespace bukubesar {

// SHA-256 of: mode u8 (1 structured, 2 binary) value, then in binary mode for each ce_ header, ascending by name: 00 name, 01 value or 02
// for null; each text with its length (u32) before it. Zero where the payload is none of an event.
[[nodiscard]] Hash256 event_digest(std::string_view payload);

}  // namespace bukubesar
