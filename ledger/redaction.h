// Redaction: what stays in the place of a payload that was erased by law. The entry, with the payload's hash, stays as it is.
//
// Source  docs/FORMAT.md, "Redaction rows".
#pragma once

#include <string>

#include "base/ids.h"
#include "base/sha256.h"

namespace bukubesar {

struct Redaction {
  Sequence by;             // entry of the reference partition that asked for it
  Hash256 event_digest{};  // of the erased payload (events/event_digest.h): whether a later copy states the same event
  std::string substitute;  // a payload in the place of the erased one, folded alike; empty where nothing is folded
  bool gone = false;       // its bytes stand in no file of the store any more
};

}  // namespace bukubesar
