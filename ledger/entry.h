// Entry: 88 fixed bytes for one record, whatever became of it. The Merkle leaf covers exactly these bytes.
//
// Source  docs/FORMAT.md, "Entry, version 1": the table of fields, and a worked example.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"
#include "base/sha256.h"
#include "events/event.h"
#include "events/reason.h"

namespace bukubesar {

inline constexpr std::size_t kEntryBytes = 88;

enum class EntryKind : std::uint8_t { record = 1, source_statement = 2 };

struct Entry {
  EntryKind kind = EntryKind::record;
  Verdict verdict = Verdict::none;
  bool timestamp_present = false;
  bool log_append_time = false;
  Reason reason = Reason::none;
  std::uint16_t rules_version = 0;
  Epoch epoch;
  std::uint32_t payload_size = 0;  // the true size, also where the payload was too large to keep
  Offset offset = kNoOffset;
  std::int64_t timestamp_ms = 0;
  Sequence duplicate_of = kNoSequence;
  Fingerprint fingerprint{};
  Hash256 payload_hash{};
  friend bool operator==(const Entry&, const Entry&) = default;
};

using EntryBytes = std::array<std::uint8_t, kEntryBytes>;
[[nodiscard]] EntryBytes encode_entry(const Entry& entry);
// Writes exactly kEntryBytes.
void encode_entry(const Entry& entry, void* to);
// Whether the fields fit together as version 1 allows: a statement has nothing but epoch and payload; only a duplicate names a
// first entry and only it and a rejected one have a reason; LogAppendTime has a timestamp; accepted and duplicate have a fingerprint.
[[nodiscard]] bool valid(const Entry& entry);
// Nothing where a field holds what version 1 does not allow.
[[nodiscard]] std::optional<Entry> decode_entry(std::string_view bytes);

}  // namespace bukubesar
