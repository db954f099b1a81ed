// The entries that a report stands on, and transfers by page.
#include <algorithm>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/status.h"
#include "projections/projections_impl.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

// Codes that facts may say something about.
struct Codes {
  std::set<std::string, std::less<>> vendors, institutions, commodities, regions;
};

// One partition's part of the evidence.
class EvidenceScan {
 public:
  EvidenceScan(const PartitionSnapshot& partition, std::uint64_t rows, std::size_t purchases)
      : partition_(partition), rows_(rows), marks_(purchases) {}
  std::vector<bool>& marks() { return marks_; }
  std::uint64_t marked() const { return static_cast<std::uint64_t>(std::count(marks_.begin(), marks_.end(), true)); }
  // Which feed counts for a system and institution is decided by the first event that names them: that purchase comes too.
  absl::Status add_claims();
  void add_claim(std::uint32_t system, std::uint32_t institution);
  // The entries of all that is marked by now.
  absl::Status collect(Codes& codes);
  void add(std::uint64_t sequence) { sequences_.push_back(sequence); }
  [[nodiscard]] const std::vector<std::uint64_t>& without_time() const { return without_time_; }
  [[nodiscard]] const std::vector<std::uint64_t>& sequences() const { return sequences_; }
  std::vector<std::uint64_t> take() {
    std::sort(sequences_.begin(), sequences_.end());
    sequences_.erase(std::unique(sequences_.begin(), sequences_.end()), sequences_.end());
    return std::move(sequences_);
  }

 private:
  const PartitionSnapshot& partition_;
  const std::uint64_t rows_;
  std::vector<bool> marks_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> first_;  // (system, institution) → the purchase that named them first
  std::vector<std::uint64_t> sequences_, without_time_;
  SegmentColumns scratch_;
};

absl::Status EvidenceScan::add_claims() {
  absl::flat_hash_set<std::uint64_t> used;
  const std::vector<Column> columns = {Column::purchase, Column::system, Column::institution};
  RETURN_IF_ERROR(for_each_block(partition_, 0, rows_, columns, scratch_, [&](const RowBlock& block) {
    const auto* purchases = block.columns.values<std::uint32_t>(Column::purchase);
    const auto* systems = block.columns.values<std::uint32_t>(Column::system);
    const auto* institutions = block.columns.values<std::uint32_t>(Column::institution);
    for (std::size_t i = 0; i < block.rows; ++i) {
      const std::uint64_t key = std::uint64_t{systems[i]} << 32 | institutions[i];
      first_.try_emplace(key, purchases[i]);
      if (marks_[purchases[i]]) used.insert(key);
    }
    return absl::OkStatus();
  }));
  for (const std::uint64_t key : used) marks_[first_[key]] = true;
  return absl::OkStatus();
}

void EvidenceScan::add_claim(std::uint32_t system, std::uint32_t institution) {
  const auto first = first_.find(std::uint64_t{system} << 32 | institution);
  if (first != first_.end()) marks_[first->second] = true;
}

absl::Status EvidenceScan::collect(Codes& codes) {
  const std::vector<Column> columns = {Column::purchase,    Column::sequence, Column::flags,     Column::vendor,
                                       Column::distributor, Column::region,   Column::commodity, Column::institution};
  std::array<absl::flat_hash_set<std::uint32_t>, 4> met;  // vendors, institutions, commodities, regions
  RETURN_IF_ERROR(for_each_block(partition_, 0, rows_, columns, scratch_, [&](const RowBlock& block) {
    const auto* purchases = block.columns.values<std::uint32_t>(Column::purchase);
    const auto* sequences = block.columns.values<std::uint64_t>(Column::sequence);
    const auto* flags = block.columns.values<std::uint8_t>(Column::flags);
    const auto code = [&](Column c, std::size_t i) { return block.columns.values<std::uint32_t>(c)[i]; };
    for (std::size_t i = 0; i < block.rows; ++i) {
      if (!marks_[purchases[i]]) continue;
      if (sequences_.empty() || sequences_.back() != sequences[i]) sequences_.push_back(sequences[i]);
      if ((flags[i] & kFlagTimeAbsent) != 0) without_time_.push_back(sequences[i]);
      met[0].insert(code(Column::vendor, i));
      met[0].insert(code(Column::distributor, i));
      met[1].insert(code(Column::institution, i));
      met[2].insert(code(Column::commodity, i));
      met[3].insert(code(Column::region, i));
    }
    return absl::OkStatus();
  }));
  const auto put = [&](const absl::flat_hash_set<std::uint32_t>& from, DictionaryId id, std::set<std::string, std::less<>>& to) {
    for (const std::uint32_t one : from)
      if (one != 0) to.emplace((*partition_.dictionaries)[id].text(one));
  };
  put(met[0], DictionaryId::vendor, codes.vendors);
  put(met[1], DictionaryId::institution, codes.institutions);
  put(met[2], DictionaryId::commodity, codes.commodities);
  put(met[3], DictionaryId::region, codes.regions);
  return absl::OkStatus();
}

// The reference entries below the cut that say something about these codes, or about regions that those statements name.
std::vector<std::uint64_t> fact_entries(const Facts& facts, const FactsCut& at, Codes codes) {
  std::vector<std::uint64_t> to;
  const auto add = [&](EventType table, const auto& names) {
    for (const std::string& one : names) facts.add_sequences(table, one, at.size, to);
  };
  add(EventType::reference_vendor, codes.vendors);
  add(EventType::reference_institution, codes.institutions);
  add(EventType::reference_commodity, codes.commodities);
  for (const std::string& vendor : codes.vendors) codes.regions.emplace(facts.vendor_domicile(vendor, at));
  for (const std::string& institution : codes.institutions) codes.regions.emplace(facts.institution_region(institution, at));
  std::set<std::string, std::less<>> regions;
  for (const std::string& region : codes.regions)
    for (const std::string_view part : {std::string_view(region), province_of(region), district_of(region)}) regions.emplace(part);
  add(EventType::reference_region, regions);
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
  return to;
}

bool uses_ledger_month(const TotalsQuery& query) {
  return query.where.contains(Dimension::ledger_month) ||
         std::find(query.by.begin(), query.by.end(), Dimension::ledger_month) != query.by.end();
}

// The first entry whose stamp made the ledger time what it is at `sequence`.
absl::StatusOr<std::uint64_t> clock_entry(const Ledger& ledger, PartitionId id, std::uint64_t sequence) {
  ASSIGN_OR_RETURN(const std::int64_t time_ms, ledger.ledger_time_ms(id, Sequence(sequence)));
  if (sequence == 0) return sequence;
  ASSIGN_OR_RETURN(const std::int64_t before_ms, ledger.ledger_time_ms(id, Sequence(sequence - 1)));
  if (before_ms < time_ms) return sequence;  // its own, as nearly always
  std::uint64_t first = 0;
  std::uint64_t limit = sequence;
  while (first < limit) {
    const std::uint64_t middle = first + (limit - first) / 2;
    ASSIGN_OR_RETURN(const std::int64_t then_ms, ledger.ledger_time_ms(id, Sequence(middle)));
    if (then_ms >= time_ms)
      limit = middle;
    else
      first = middle + 1;
  }
  return first;
}

}  // namespace

absl::StatusOr<EvidencePlaces> Projections::evidence(const TotalsQuery& query) const {
  RETURN_IF_ERROR(check_query(query));
  if (!query.cut) return invalid_argument("evidence: of which cut?");
  const Cut& cut = *query.cut;
  const Snapshot snapshot = impl_->snapshot();
  if (!snapshot.cut.covers(cut)) return out_of_range("cut {}: read is {}", cut.text(), snapshot.cut.text());
  ASSIGN_OR_RETURN(const FactsCut at, impl_->facts_cut(cut));
  EvidencePlaces to;
  to.cut = cut;
  Codes codes;
  TotalsScan scan(query, impl_->facts_view(at), impl_->vendor_numbers);
  for (std::size_t i = 0; i < snapshot.partitions.size(); ++i) {
    const PartitionSnapshot& partition = snapshot.partitions[i];
    const std::uint64_t size = cut.size(partition.id);
    ASSIGN_OR_RETURN(const std::uint64_t rows, rows_below(partition, size));
    EvidenceScan part(partition, rows, impl_->purchase_numbers(i));
    RETURN_IF_ERROR(scan.mark_purchases(i, partition, 0, rows, part.marks()));
    to.purchases += part.marked();
    const std::vector<FindingRow> findings = impl_->findings_below(i, size);
    for (std::uint64_t before = 0; before != part.marked();) {  // whoever comes along has a feed that was decided, too
      before = part.marked();
      RETURN_IF_ERROR(part.add_claims());
      for (const FindingRow& finding : findings) {
        if (finding.kind != FindingKind::other_feed || finding.purchase >= part.marks().size() || !part.marks()[finding.purchase]) continue;
        ASSIGN_OR_RETURN(const auto key, impl_->system_and_institution(i, finding.sequence));
        if (key) part.add_claim(key->first, key->second);
      }
    }
    RETURN_IF_ERROR(part.collect(codes));
    for (const FindingRow& finding : findings)
      if (finding.purchase != kNoPurchase && finding.purchase < part.marks().size() && part.marks()[finding.purchase])
        part.add(finding.sequence);
    if (impl_->settings.clock != LedgerClock::none) {
      // Months of ledger time are asked of every entry.
      std::vector<std::uint64_t> timed = uses_ledger_month(query) ? part.sequences() : part.without_time();
      if (size > 0) timed.push_back(size - 1);
      for (const std::uint64_t sequence : timed) {
        ASSIGN_OR_RETURN(const std::uint64_t clock, clock_entry(*impl_->options.ledger, partition.id, sequence));
        part.add(clock);
      }
    }
    to.entries[partition.id] = part.take();
  }
  absl::ReaderMutexLock lock(&impl_->facts_mutex);
  to.entries[PartitionId::reference()] = fact_entries(impl_->facts, at, std::move(codes));
  return to;
}

std::vector<FindingRow> Projections::Impl::findings_below(std::size_t partition_index, std::uint64_t size) const {
  std::vector<FindingRow> to;
  absl::ReaderMutexLock lock(&mutex);
  const StableVector<FindingRow>& all = partitions[partition_index].fold->findings();
  for (std::size_t i = 0; i < all.size() && all[i].sequence < size; ++i) to.push_back(all[i]);
  return to;
}

// What the document of an entry names, in the partition's codes. An event that did not count has no transfer that would say it.
absl::StatusOr<std::optional<std::pair<std::uint32_t, std::uint32_t>>> Projections::Impl::system_and_institution(
    std::size_t partition_index, std::uint64_t sequence) const {
  using Answer = std::optional<std::pair<std::uint32_t, std::uint32_t>>;
  const PartitionId id = partitions[partition_index].id;
  ASSIGN_OR_RETURN(const StoredRun run, options.ledger->read(id, Sequence(sequence), 1));
  const auto payload = run.entries.empty() ? std::nullopt : run.entries[0].folded();
  if (!payload) return Answer();
  Judge judge(routing());
  Arena arena;
  const Judgement judgement = judge.judge(run.entries[0].entry.rules_version, id, *payload, arena);
  if (judgement.event == nullptr || judgement.event->document == nullptr) return Answer();
  absl::ReaderMutexLock lock(&mutex);
  const Dictionaries& dictionaries = partitions[partition_index].fold->dictionaries();
  const auto system = dictionaries[DictionaryId::system].find(judgement.event->purchase.system);
  const auto institution = dictionaries[DictionaryId::institution].find(judgement.event->document->institution);
  if (!system || !institution) return Answer();
  return Answer({*system, *institution});
}

std::size_t Projections::Impl::purchase_numbers(std::size_t partition_index) const {
  absl::ReaderMutexLock lock(&mutex);
  return partitions[partition_index].fold->states().size();
}

absl::StatusOr<TransferPage> Projections::transfers(PartitionId id, std::uint64_t size, std::uint64_t first, std::size_t count) const {
  const Snapshot snapshot = impl_->snapshot();
  for (const PartitionSnapshot& partition : snapshot.partitions) {
    if (partition.id != id) continue;
    TransferPage page;
    ASSIGN_OR_RETURN(page.rows_total, rows_below(partition, size));
    if (first > page.rows_total)
      return out_of_range("row {} of partition {}: there are {} up to entry {}", first, id.name(), page.rows_total, size);
    page.next_row = std::min<std::uint64_t>(page.rows_total, first + count);
    const std::vector<Column> columns = {Column::sequence, Column::row,  Column::purchase, Column::from,
                                         Column::to,       Column::kind, Column::amount,   Column::event_time};
    SegmentColumns scratch;
    RETURN_IF_ERROR(for_each_block(partition, first, page.next_row, columns, scratch, [&](const RowBlock& block) {
      for (std::size_t i = 0; i < block.rows; ++i) {
        TransferLine& line = page.rows.emplace_back();
        line.sequence = block.columns.values<std::uint64_t>(Column::sequence)[i];
        line.row = block.columns.values<std::uint32_t>(Column::row)[i];
        line.type = name_of(static_cast<EventType>(block.columns.values<std::uint8_t>(Column::kind)[i]));
        line.purchase = (*partition.dictionaries)[DictionaryId::purchase].text(block.columns.values<std::uint32_t>(Column::purchase)[i]);
        line.from_account = name_of(static_cast<Account>(block.columns.values<std::uint8_t>(Column::from)[i]));
        line.to_account = name_of(static_cast<Account>(block.columns.values<std::uint8_t>(Column::to)[i]));
        line.amount = block.columns.values<std::int64_t>(Column::amount)[i];
        line.event_time_ms = block.columns.values<std::int64_t>(Column::event_time)[i];
      }
      return absl::OkStatus();
    }));
    return page;
  }
  return not_found("partition {}: it has no transfers", id.name());
}

}  // namespace bukubesar
