#include "ledger/completeness.h"

#include <algorithm>

#include "base/cancellation.h"
#include "base/day.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr std::size_t kRun = 8192;  // entries, and gaps, that are read together

// Of an entry that has a time.
std::optional<Date> day_in_zone(std::int64_t time_ms, int zone_minutes) {
  if (time_ms == 0) return std::nullopt;
  return Date{static_cast<std::int32_t>(day_of(time_ms, zone_minutes))};
}

class PartitionCount {
 public:
  PartitionCount(const Ledger& ledger, const Definition& definition, PartitionId partition, const PartitionHead& head, Completeness& to)
      : ledger_(ledger), definition_(definition), partition_(partition), head_(head), to_(to), first_row_(to.rows.size()) {}
  absl::Status run();

 private:
  template <class... Args>
  void contradict(fmt::format_string<Args...> format, Args&&... args) {
    to_.contradictions.push_back(fmt::format("partition {}: {}", partition_.name(), fmt::format(format, std::forward<Args>(args)...)));
  }
  absl::Status take(std::uint64_t sequence, const Entry& entry);
  absl::Status take_gaps(std::uint64_t sequence, CompletenessRow& row);
  absl::Status read_gaps();
  CompletenessRow& row_of(std::uint64_t sequence, const Entry& entry);
  void compare_with_head();

  const Ledger& ledger_;
  const Definition& definition_;
  const PartitionId partition_;
  const PartitionHead head_;
  Completeness& to_;
  const std::size_t first_row_;
  std::vector<Gap> gaps_;     // a run of them
  std::size_t next_gap_ = 0;  // of gaps_; its size: there is no more
  Epoch epoch_;
  Offset next_offset_{0};
  std::int64_t time_ms_ = 0;
};

absl::Status PartitionCount::run() {
  RETURN_IF_ERROR(read_gaps());
  if (const SourceStatement* source = definition_.source_of(partition_, Epoch(0))) next_offset_ = source->first_offset;
  for (std::uint64_t at = 0; at < head_.size;) {
    RETURN_IF_ERROR(still_wanted());
    ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                     ledger_.read_entries(partition_, Sequence(at), std::min<std::uint64_t>(kRun, head_.size - at)));
    if (entries.empty()) return data_loss("{}:{}: no entry", partition_.name(), at);
    for (const Entry& entry : entries) RETURN_IF_ERROR(take(at++, entry));
  }
  compare_with_head();
  return absl::OkStatus();
}

CompletenessRow& PartitionCount::row_of(std::uint64_t sequence, const Entry& entry) {
  time_ms_ = ledger_time_after(definition_.clock, time_ms_, entry);
  const std::optional<Date> day = day_in_zone(time_ms_, definition_.zone_minutes);
  if (to_.rows.size() > first_row_ && to_.rows.back().epoch == epoch_ && to_.rows.back().day == day) return to_.rows.back();
  CompletenessRow row;
  row.partition = partition_;
  row.epoch = epoch_;
  row.day = day;
  row.first_sequence = sequence;
  row.first_offset = row.limit_offset = next_offset_;
  to_.rows.push_back(row);
  return to_.rows.back();
}

absl::Status PartitionCount::read_gaps() {
  const Gap last = gaps_.empty() ? Gap{} : gaps_.back();
  ASSIGN_OR_RETURN(gaps_, ledger_.gaps(partition_, last.epoch, last.limit, kRun));
  next_gap_ = 0;
  return absl::OkStatus();
}

absl::Status PartitionCount::take_gaps(std::uint64_t sequence, CompletenessRow& row) {
  while (next_gap_ < gaps_.size() && gaps_[next_gap_].epoch == epoch_ && gaps_[next_gap_].limit <= row.limit_offset) {
    const Gap& gap = gaps_[next_gap_++];
    row.gap_offsets += static_cast<std::uint64_t>(gap.limit - gap.first);
    ++to_.gaps_total;
    if (to_.gaps.size() < kGapReportsMax) to_.gaps.push_back({partition_, gap, Sequence(sequence), time_ms_});
    if (next_gap_ == kRun) RETURN_IF_ERROR(read_gaps());
  }
  return absl::OkStatus();
}

absl::Status PartitionCount::take(std::uint64_t sequence, const Entry& entry) {
  if (entry.kind == EntryKind::source_statement) {
    epoch_ = entry.epoch;
    const SourceStatement* source = definition_.source_of(partition_, entry.epoch);
    if (source == nullptr)
      contradict("entry {} begins epoch {}, which the definition does not have", sequence, entry.epoch.value());
    else
      next_offset_ = source->first_offset;
  }
  CompletenessRow& row = row_of(sequence, entry);
  ++row.entries;
  if (entry.kind == EntryKind::source_statement) {
    ++row.counts.statements;
    return absl::OkStatus();
  }
  if (entry.epoch != epoch_) contradict("entry {} is of epoch {} inside epoch {}", sequence, entry.epoch.value(), epoch_.value());
  if (entry.offset < next_offset_) contradict("entry {}: offset {} after {}", sequence, entry.offset.value(), next_offset_.value() - 1);
  ++row.records;
  row.limit_offset = next_offset_ = entry.offset + 1;
  RETURN_IF_ERROR(take_gaps(sequence, row));
  if (entry.verdict == Verdict::accepted) ++row.counts.accepted;
  if (entry.verdict == Verdict::duplicate) ++row.counts.duplicate;
  if (entry.verdict == Verdict::rejected) ++row.counts.rejected;
  return absl::OkStatus();
}

void PartitionCount::compare_with_head() {
  VerdictCounts counts;
  std::uint64_t records = 0, gap_offsets = 0;
  for (std::size_t i = first_row_; i < to_.rows.size(); ++i) {
    const CompletenessRow& row = to_.rows[i];
    if (!row.holds())
      contradict("epoch {}{}: {} offsets consumed, {} records and {} offsets in gaps; {} entries", row.epoch.value(),
                 row.day ? " on " + format_date(*row.day) : "", row.offsets(), row.records, row.gap_offsets, row.entries);
    counts.accepted += row.counts.accepted;
    counts.duplicate += row.counts.duplicate;
    counts.rejected += row.counts.rejected;
    counts.statements += row.counts.statements;
    records += row.records;
    gap_offsets += row.gap_offsets;
  }
  const auto compare = [&](std::string_view what, std::uint64_t counted, std::uint64_t said) {
    if (counted != said) contradict("{} counted {}, its head says {}", what, counted, said);
  };
  compare("accepted", counts.accepted, head_.counts.accepted);
  compare("duplicate", counts.duplicate, head_.counts.duplicate);
  compare("rejected", counts.rejected, head_.counts.rejected);
  compare("source statements", counts.statements, head_.counts.statements);
  compare("records", records, head_.records);
  compare("gap offsets", gap_offsets, head_.gap_offsets);
}

}  // namespace

absl::StatusOr<Completeness> count_completeness(const Ledger& ledger, const Definition& definition) {
  Completeness found;
  for (const auto& [partition, head] : ledger.heads()) {
    found.cut.set(partition, head.size);
    RETURN_IF_ERROR(PartitionCount(ledger, definition, partition, head, found).run());
  }
  return found;
}

}  // namespace bukubesar
