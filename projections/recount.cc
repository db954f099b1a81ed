#include "projections/recount.h"

#include <limits>

#include "base/arena.h"
#include "base/day.h"
#include "base/status.h"
#include "projections/fact_names.h"
#include "projections/scan.h"
#include "projections/snapshot.h"

namespace bukubesar {

namespace {

Routing routing_of(const Definition& definition) {
  Routing routing;
  routing.partitioner = parse_partitioner(definition.partitioner).value_or(Partitioner::murmur2);
  routing.partitions = definition.partitions;
  return routing;
}

// All that was folded; nothing is on a disk.
PartitionSnapshot snapshot_of(const PartitionFold& fold, std::uint64_t size) {
  PartitionSnapshot to;
  to.id = fold.id();
  to.size = size;
  to.rows = fold.rows();
  to.ledger_time_ms = fold.ledger_time_ms();
  to.dictionaries = &fold.dictionaries();
  to.sealed = std::make_shared<FileSegments>();
  for (const auto& segment : fold.segments())
    to.memory.push_back({segment->header.first_row, segment->rows, {segment->chunks.begin(), segment->chunks.end()}});
  return to;
}

}  // namespace

Recount::Recount(const Definition& definition) : settings_(FoldSettings::of(definition)), judge_(routing_of(definition)) {
  for (std::uint32_t number = 0; number < definition.partitions; ++number)
    folds_[PartitionId(number)] =
        std::make_unique<PartitionFold>(PartitionId(number), settings_, std::numeric_limits<std::uint64_t>::max());
}

Recount::~Recount() = default;

absl::Status Recount::add(PartitionId partition, Sequence sequence, const Entry& entry, std::optional<std::string_view> payload) {
  const auto fold = folds_.find(partition);
  if (fold == folds_.end() && !partition.is_reference())
    return invalid_argument("entry {}/{}: this ledger has no such partition", partition.name(), sequence.value());
  const std::uint64_t next = fold == folds_.end() ? reference_next_ : fold->second->next_sequence();
  if (sequence.value() < next) return invalid_argument("entry {}/{}: out of order", partition.name(), sequence.value());
  Arena arena;
  const Event* event = nullptr;
  if (entry.verdict == Verdict::accepted) {
    if (!payload) return invalid_argument("entry {}/{}: it was accepted, and has no payload", partition.name(), sequence.value());
    if (entry.rules_version == 0 || entry.rules_version > kRulesVersionNewest)
      return invalid_argument("entry {}/{}: judged by rules {}, this program knows 1 … {}", partition.name(), sequence.value(),
                              entry.rules_version, kRulesVersionNewest);
    const Judgement judgement = judge_.judge(entry.rules_version, partition, *payload, arena);
    if (judgement.event == nullptr || judgement.reason != Reason::none)
      return invalid_argument("entry {}/{}: it was accepted, and rules {} now say {}", partition.name(), sequence.value(),
                              entry.rules_version, judgement.detail);
    event = judgement.event;
  }
  if (fold != folds_.end()) {
    fold->second->skip_to(sequence);
    fold->second->apply(sequence, entry, payload, event);
    note_month(partition, sequence, fold->second->ledger_time_ms());
    return absl::OkStatus();
  }
  if (event != nullptr && event->fact != nullptr) facts_.apply(sequence, event->type, *event->fact);
  reference_next_ = sequence.value() + 1;
  return absl::OkStatus();
}

void Recount::note_month(PartitionId partition, Sequence sequence, std::int64_t ledger_time_ms) {
  std::optional<Month> month;
  if (ledger_time_ms != 0) month = month_of(Date{static_cast<std::int32_t>(day_of(ledger_time_ms, settings_.zone_minutes))});
  std::vector<MonthStart>& starts = months_[partition];
  if (starts.empty() || starts.back().month != month) starts.push_back({sequence.value(), month});
}

FactsCut Recount::facts_at(const Cut& cut) const {
  std::int64_t newest_ms = 0;
  for (const auto& [id, fold] : folds_) newest_ms = std::max(newest_ms, fold->ledger_time_ms());
  return facts_cut_of(settings_, cut, newest_ms);
}

absl::StatusOr<TotalsAnswer> Recount::totals(const TotalsQuery& query) {
  RETURN_IF_ERROR(check_query(query));
  const Cut& cut = *query.cut;
  FactsView facts{&facts_, &facts_mutex_, facts_at(cut), settings_.zone_minutes, {}};
  facts.ledger_months = [this](PartitionId partition, std::uint64_t) -> absl::StatusOr<std::vector<MonthStart>> {
    if (settings_.clock == LedgerClock::none)
      return failed_precondition("ledger_month: this ledger's topic has CreateTime, so its entries have no ledger time");
    return months_[partition];
  };
  TotalsScan scan(query, facts, std::make_shared<VendorNumbers>(folds_.size()));
  std::size_t index = 0;
  for (const auto& [id, fold] : folds_) {
    const PartitionSnapshot snapshot = snapshot_of(*fold, cut.size(id));
    RETURN_IF_ERROR(scan.add(index++, snapshot, 0, snapshot.rows));
  }
  return scan.finish(cut);
}

std::vector<std::vector<std::string>> Recount::names(const TotalsAnswer& answer) { return names_of(facts_, facts_at(answer.cut), answer); }

std::uint64_t Recount::purchases() const {
  std::uint64_t count = 0;
  for (const auto& [id, fold] : folds_) count += fold->purchases();
  return count;
}

}  // namespace bukubesar
