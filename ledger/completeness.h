// Completeness: that every Kafka offset since the first one consumed is an entry or a reported gap, counted by partition, epoch and day
// (I3).
//
// Counted is twice: the entries, and the rows of offsets that the intake stored beside them. The two, and the head, must agree.
//
// Threads  any. Reads every entry once: about a second for some millions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/time.h"
#include "ledger/ledger.h"

namespace bukubesar {

struct CompletenessRow {
  PartitionId partition;
  Epoch epoch;
  std::optional<Date> day;  // of ledger time, in the ledger's zone; nothing where the topic has none
  std::uint64_t first_sequence = 0, entries = 0;
  VerdictCounts counts;
  std::uint64_t records = 0;
  Offset first_offset{0}, limit_offset{0};  // consumed, half-open; empty for a row of a source statement alone
  std::uint64_t gap_offsets = 0;            // of gaps that end at a record of this row
  [[nodiscard]] std::uint64_t offsets() const { return static_cast<std::uint64_t>(limit_offset - first_offset); }
  [[nodiscard]] bool holds() const {
    return offsets() == records + gap_offsets && entries == counts.accepted + counts.duplicate + counts.rejected + counts.statements;
  }
};

struct GapReport {
  PartitionId partition;
  Gap gap;
  Sequence before;                  // the entry whose commit reported it
  std::int64_t ledger_time_ms = 0;  // of that entry; 0: none
};

inline constexpr std::size_t kGapReportsMax = 1000;

struct Completeness {
  Cut cut;
  std::vector<CompletenessRow> rows;  // by partition, in ledger order
  std::vector<GapReport> gaps;        // the first kGapReportsMax; Ledger::gaps() has all
  std::uint64_t gaps_total = 0;
  std::vector<std::string> contradictions;  // empty: complete
};

[[nodiscard]] absl::StatusOr<Completeness> count_completeness(const Ledger& ledger, const Definition& definition);

}  // namespace bukubesar
