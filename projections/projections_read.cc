// Reads of totals and views.
#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <thread>

#include "base/day.h"
#include "base/status.h"
#include "base/thread.h"
#include "projections/fact_names.h"
#include "projections/projections_impl.h"
#include "projections/scan_ranges.h"

namespace bukubesar {

Cut Projections::Impl::cut_now() const {
  Cut cut;
  for (const Partition& partition : partitions) cut.set(partition.id, partition.fold->next_sequence());
  cut.set(PartitionId::reference(), reference_size);
  return cut;
}

Snapshot Projections::Impl::snapshot() const {
  absl::ReaderMutexLock lock(&mutex);
  Snapshot to;
  to.cut = cut_now();
  for (const Partition& partition : partitions) {
    PartitionSnapshot one;
    one.id = partition.id;
    one.size = partition.fold->next_sequence();
    one.rows = partition.fold->rows();
    one.ledger_time_ms = partition.fold->ledger_time_ms();
    one.dictionaries = &partition.fold->dictionaries();
    one.sealed = partition.sealed;
    for (const auto& segment : partition.fold->segments()) {
      one.memory.push_back({segment->header.first_row, segment->rows, {segment->chunks.begin(), segment->chunks.end()}});
    }
    to.partitions.push_back(std::move(one));
  }
  return to;
}

FactsCut Projections::Impl::facts_cut(const Cut& cut, std::int64_t ledger_time_ms) const {
  return facts_cut_of(settings, cut, ledger_time_ms);
}

FactsCut Projections::Impl::facts_cut(const Snapshot& snapshot) const {
  std::int64_t newest_ms = 0;
  for (const PartitionSnapshot& partition : snapshot.partitions) newest_ms = std::max(newest_ms, partition.ledger_time_ms);
  return facts_cut(snapshot.cut, newest_ms);
}

absl::StatusOr<FactsCut> Projections::Impl::facts_cut(const Cut& cut) const {
  std::int64_t newest_ms = 0;
  for (const auto& [id, size] : cut.sizes()) {
    if (id.is_reference() || size == 0 || settings.clock == LedgerClock::none) continue;
    ASSIGN_OR_RETURN(const std::int64_t time_ms, options.ledger->ledger_time_ms(id, Sequence(size - 1)));
    newest_ms = std::max(newest_ms, time_ms);
  }
  return facts_cut(cut, newest_ms);
}

FactsView Projections::Impl::facts_view(const FactsCut& at) {
  return {&facts, &facts_mutex, at, settings.zone_minutes,
          [this](PartitionId partition, std::uint64_t size) { return ledger_months(partition, size); }};
}

absl::StatusOr<std::vector<MonthStart>> Projections::Impl::ledger_months(PartitionId partition, std::uint64_t size) const {
  if (settings.clock == LedgerClock::none)
    return failed_precondition("ledger_month: this ledger's topic has CreateTime, so its entries have no ledger time");
  std::vector<MonthStart> starts;
  for (std::uint64_t sequence = 0; sequence < size;) {
    ASSIGN_OR_RETURN(const std::int64_t time_ms, options.ledger->ledger_time_ms(partition, Sequence(sequence)));
    if (time_ms == 0) {  // ledger time only grows: what has none comes first
      starts.push_back({sequence, std::nullopt});
      ASSIGN_OR_RETURN(sequence, options.ledger->size_at(partition, 0));
      continue;
    }
    Date day{static_cast<std::int32_t>(day_of(time_ms, settings.zone_minutes))};
    const Month month = month_of(day);
    starts.push_back({sequence, month});
    while (month_of(day) == month) ++day.days;
    ASSIGN_OR_RETURN(sequence, options.ledger->size_at(partition, day_start_ms(day, settings.zone_minutes) - 1));
  }
  return starts;
}

// As of an earlier cut: a scan of a prefix, kept by question and cut.
absl::StatusOr<TotalsAnswer> Projections::Impl::totals_at(const TotalsQuery& query, const Cut& cut, const Snapshot& snapshot) {
  const std::string key = query_key(query) + "@" + cut.text();
  {
    absl::MutexLock lock(&cache_mutex);
    const auto found = std::find_if(results.begin(), results.end(), [&](const auto& one) { return one.first == key; });
    if (found != results.end()) {
      results.splice(results.begin(), results, found);
      return *found->second;
    }
  }
  ASSIGN_OR_RETURN(const FactsCut at, facts_cut(cut));
  ASSIGN_OR_RETURN(TotalsAnswer computed, totals_below(query, cut, snapshot, at));
  const auto answer = std::make_shared<const TotalsAnswer>(std::move(computed));
  if (answer->rows.size() <= kResultRowsMax) {
    absl::MutexLock lock(&cache_mutex);
    results.emplace_front(key, answer);
    if (results.size() > kResultsMax) results.pop_back();
  }
  return *answer;
}

// The transfers below a cut, under any facts.
absl::StatusOr<TotalsAnswer> Projections::Impl::totals_below(const TotalsQuery& query, const Cut& cut, const Snapshot& snapshot,
                                                             const FactsCut& at) {
  std::vector<ScanRange> ranges;
  for (std::size_t i = 0; i < snapshot.partitions.size(); ++i) {
    const PartitionSnapshot& partition = snapshot.partitions[i];
    ASSIGN_OR_RETURN(const std::uint64_t limit, rows_below(partition, cut.size(partition.id)));
    ranges.push_back({i, 0, limit});
  }
  const auto make = [&] { return std::make_unique<TotalsScan>(query, facts_view(at), vendor_numbers); };
  const std::unique_ptr<TotalsScan> scan = make();
  RETURN_IF_ERROR(scan_ranges(*scan, make, snapshot, ranges));
  return scan->finish(cut);
}

std::shared_ptr<StandingScan> Projections::Impl::standing_scan(const TotalsQuery& query, bool pin) {
  TotalsQuery now = query;
  now.cut.reset();
  const std::string key = query_key(now);
  absl::MutexLock lock(&cache_mutex);
  auto found = std::find_if(standing.begin(), standing.end(), [&](const auto& one) { return one->key == key; });
  if (found != standing.end()) {
    standing.splice(standing.begin(), standing, found);
    if (pin) standing.front()->pinned = true;
    return standing.front();
  }
  auto made = std::make_shared<StandingScan>();
  made->query = std::move(now);
  made->key = key;
  made->pinned = pin;
  standing.push_front(made);
  std::size_t kept = 0;
  for (auto at = standing.begin(); at != standing.end();) {
    const bool drop = !(*at)->pinned && ++kept > kStandingScansMax;
    at = drop ? standing.erase(at) : std::next(at);
  }
  return made;
}

void Projections::Impl::forget(const std::shared_ptr<StandingScan>& one) {
  absl::MutexLock lock(&cache_mutex);
  standing.remove(one);
}

// Joins a standing question's rows with the facts of now.
absl::Status Projections::Impl::move_facts(StandingScan& one, const Snapshot& now, const FactsCut& at) {
  Facts::Changed changed;
  {
    absl::ReaderMutexLock facts_lock(&facts_mutex);
    changed = facts.changed(one.facts, at);
  }
  if (changed.empty()) return absl::OkStatus();
  one.facts = at;
  return one.scan->move_facts(at, changed, now.partitions, one.rows);
}

// Of those that came since, at most `rows_max` of each partition.
absl::Status Projections::Impl::add_rows(StandingScan& one, const Snapshot& now, std::uint64_t rows_max) {
  std::uint64_t had = 0, total = 0;
  std::vector<ScanRange> ranges;
  for (std::size_t i = 0; i < now.partitions.size(); ++i) {
    const std::uint64_t rows = now.partitions[i].rows;
    ranges.push_back({i, one.rows[i], one.rows[i] + std::min(rows - one.rows[i], rows_max)});
    had += one.rows[i];
    total += rows;
  }
  ScanRangesOptions how;
  if (one.answer == nullptr)
    how.progress = [&one, had, total](std::uint64_t done) { one.built = static_cast<double>(had + done) / static_cast<double>(total + 1); };
  const auto make = [&, facts = one.facts] { return std::make_unique<TotalsScan>(one.query, facts_view(facts), vendor_numbers); };
  RETURN_IF_ERROR(scan_ranges(*one.scan, make, now, ranges, how));
  for (std::size_t i = 0; i < now.partitions.size(); ++i) one.rows[i] = ranges[i].limit;
  return absl::OkStatus();
}

// Brings a standing question up to what was just read.
absl::StatusOr<std::shared_ptr<const TotalsAnswer>> Projections::Impl::extend(StandingScan& one) {
  if (own_priority_is_lowered()) RETURN_IF_ERROR(extend_in_steps(one));
  absl::MutexLock lock(&one.mutex);
  return extend_to(one, snapshot());
}

// For whom nobody waits: a few rows at a time, so that nobody else who asks the same waits for it, and while rows come in it rests in
// between. What it leaves undone is what came meanwhile; with `until`, all that came after it, unless somebody else took some.
absl::Status Projections::Impl::extend_in_steps(StandingScan& one, const Snapshot* until) {
  const auto rows_of = [](const Snapshot& of) {
    std::uint64_t rows = 0;
    for (const PartitionSnapshot& partition : of.partitions) rows += partition.rows;
    return rows;
  };
  // From the beginning in whole segments, so that none is decoded twice.
  const std::uint64_t step = std::max<std::uint64_t>(options.segment_rows / (until == nullptr ? kStepsOfSegment : 1), 1);
  const std::uint64_t aim = rows_of(until == nullptr ? snapshot() : *until);
  std::uint64_t known = aim;
  for (bool more = true; more && !stopping;) {
    const auto begun = std::chrono::steady_clock::now();
    bool rows_come_in = false;
    {
      absl::MutexLock lock(&one.mutex);
      const Snapshot now = until == nullptr || is_past(one, *until) ? snapshot() : *until;
      RETURN_IF_ERROR(take_rows(one, now, step));
      rows_come_in = rows_of(now) != known;
      known = rows_of(now);
      more = std::accumulate(one.rows.begin(), one.rows.end(), std::uint64_t{0}) < aim;
    }
    if (more && rows_come_in) std::this_thread::sleep_for(kStepRest * (std::chrono::steady_clock::now() - begun));
  }
  return absl::OkStatus();
}

// Whether it has rows that came after the snapshot.
bool Projections::Impl::is_past(const StandingScan& one, const Snapshot& snapshot) {
  for (std::size_t i = 0; one.scan != nullptr && i < one.rows.size(); ++i)
    if (one.rows[i] > snapshot.partitions[i].rows) return true;
  return false;
}

// Only the rows that came since are summed, and those that facts have moved between groups. Its answer stays the one before.
absl::Status Projections::Impl::take_rows(StandingScan& one, const Snapshot& now, std::uint64_t rows_max) {
  const FactsCut at = facts_cut(now);
  absl::Status status;
  if (one.scan == nullptr) {
    one.scan = std::make_unique<TotalsScan>(one.query, facts_view(at), vendor_numbers);
    one.rows.assign(now.partitions.size(), 0);
    one.facts = at;
  } else {
    status = move_facts(one, now, at);
  }
  if (status.ok()) status = add_rows(one, now, rows_max);
  if (!status.ok()) {
    one.scan = nullptr;  // half of it may have been done
    one.answer = nullptr;
  }
  one.bytes = one.scan == nullptr ? 0 : one.scan->memory_bytes();
  return status;
}

absl::StatusOr<std::shared_ptr<const TotalsAnswer>> Projections::Impl::extend_to(StandingScan& one, const Snapshot& now) {
  if (one.answer != nullptr && one.answer->cut.covers(now.cut)) return one.answer;
  RETURN_IF_ERROR(take_rows(one, now, std::numeric_limits<std::uint64_t>::max()));
  one.answer = std::make_shared<TotalsAnswer>(one.scan->finish(now.cut));
  one.scan->drop_columns();
  one.built = 1.0;
  return one.answer;
}

absl::StatusOr<TotalsAnswer> Projections::Impl::totals_now(const TotalsQuery& query, bool pin) {
  const std::shared_ptr<StandingScan> one = standing_scan(query, pin);
  const absl::StatusOr<std::shared_ptr<const TotalsAnswer>> answer = extend(*one);
  if (one->bytes > kStandingScanBytesMax && !one->pinned) forget(one);
  RETURN_IF_ERROR(answer.status());
  return **answer;
}

bool Projections::Impl::is_kept(const TotalsQuery& query) {
  TotalsQuery now = query;
  now.cut.reset();
  const std::string key = query_key(now);
  absl::MutexLock lock(&cache_mutex);
  if (!query.cut)
    return std::any_of(standing.begin(), standing.end(), [&](const auto& one) { return one->key == key && one->built >= 1.0; });
  const std::string at = key + "@" + query.cut->text();
  return std::any_of(results.begin(), results.end(), [&](const auto& one) { return one.first == at; });
}

absl::StatusOr<TotalsAnswer> Projections::totals(const TotalsQuery& query) const {
  RETURN_IF_ERROR(check_query(query));
  if (!query.cut) return impl_->totals_now(query, false);
  const Snapshot snapshot = impl_->snapshot();
  if (!snapshot.cut.covers(*query.cut)) return out_of_range("cut {}: read is {}", query.cut->text(), snapshot.cut.text());
  return impl_->totals_at(query, *query.cut, snapshot);
}

absl::StatusOr<TotalsAnswer> Projections::view(std::string_view name, const TotalsQuery& overrides) const {
  for (const ViewDefinition& view : impl_->view_definitions) {
    if (view.name != name) continue;
    ASSIGN_OR_RETURN(const TotalsQuery query, narrow(view, overrides));
    return totals(query);
  }
  std::vector<std::string> names;
  for (const ViewDefinition& view : impl_->view_definitions) names.push_back(view.name);
  return not_found("no view '{}'; there are {}", name, fmt::join(names, ", "));
}

absl::StatusOr<std::vector<std::vector<std::string>>> Projections::names(const TotalsAnswer& answer) const {
  ASSIGN_OR_RETURN(const FactsCut at, impl_->facts_cut(answer.cut));
  absl::ReaderMutexLock lock(&impl_->facts_mutex);
  return names_of(impl_->facts, at, answer);
}

std::vector<ViewInfo> Projections::views() const {
  std::vector<ViewInfo> to;
  for (const ViewDefinition& view : impl_->view_definitions) {
    ViewInfo info;
    info.name = view.name;
    info.title = view.title;
    for (const Dimension dimension : view.query.by) info.by.emplace_back(name_of(dimension));
    info.measures = view.measures;
    std::shared_ptr<StandingScan> one;
    {
      absl::MutexLock lock(&impl_->cache_mutex);
      const std::string key = query_key(view.query);
      for (const auto& standing : impl_->standing) {
        if (standing->key == key) one = standing;
      }
    }
    info.build_progress = one == nullptr ? 0.0 : one->built.load();
    if (info.build_progress >= 1.0) {
      absl::MutexLock lock(&one->mutex);
      if (one->answer != nullptr) {
        info.cut = one->answer->cut;
        info.rows = one->answer->rows.size();
      }
    }
    to.push_back(std::move(info));
  }
  return to;
}

}  // namespace bukubesar
