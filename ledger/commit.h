// Commit: one atomic, synced write of a batch of entries; and the hand-off of the same batch, decoded, to whoever follows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "events/event.h"
#include "ledger/entry.h"
#include "ledger/redaction.h"

namespace bukubesar {

// Offsets [first, limit) that the broker does not have: committed only together with the record after them (I3).
struct Gap {
  Epoch epoch;
  Offset first;
  Offset limit;
  friend bool operator==(const Gap&, const Gap&) = default;
};

// What one commit adds to one partition. Sequences are `first`, first + 1, …
struct PartitionBatch {
  PartitionId partition;
  Sequence first;
  std::vector<Entry> entries;
  std::vector<std::string_view> payloads;               // beside entries; empty (data() == nullptr) where it is kept as hash only
  std::vector<const Event*> events;                     // beside entries; null where not accepted
  std::vector<Gap> gaps;                                // ascending; each ends at the offset of an entry of this batch
  Epoch epoch;                                          // after this batch
  Offset next_offset;                                   // after this batch, exclusive
  std::vector<std::shared_ptr<const void>> keep_alive;  // arenas that payloads and events point into
  // By index into entries: payloads that were erased already where this batch was copied from (clone); never of the intake.
  std::map<std::size_t, std::shared_ptr<const Redaction>> redactions = {};
};

struct Commit {
  std::vector<PartitionBatch> parts;  // at most one for each partition
};

// Told after the commit is durable, in commit order, on the commit thread: must not block.
using CommitObserver = std::function<void(const std::shared_ptr<const Commit>&)>;

}  // namespace bukubesar
