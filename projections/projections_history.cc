// The entries of a partition with the transfers they caused: history.
#include <algorithm>
#include <map>

#include "absl/container/flat_hash_set.h"
#include "base/status.h"
#include "projections/block_filter.h"
#include "projections/projections_impl.h"
#include "projections/purchase_rows.h"

namespace bukubesar {

namespace {

constexpr std::uint64_t kSlice = 256;  // entries that are read and decoded together

// "ordered" and "purchase.ordered" name the same type.
bool is_of_type(const std::string& wanted, std::string_view type) {
  return wanted == type || (type.size() > wanted.size() && type.substr(type.size() - wanted.size()) == wanted &&
                            type[type.size() - wanted.size() - 1] == '.');
}

HistoryTransfer transfer_of(const Transfer& t, const Dictionaries& dictionaries) {
  HistoryTransfer to;
  to.from_account = name_of(t.from);
  to.to_account = name_of(t.to);
  to.component = name_of(t.cell.component);
  to.origin = name_of(t.cell.origin);
  to.catalogue_kind = name_of(t.cell.catalogue_kind);
  to.commodity = dictionaries[DictionaryId::commodity].text(t.cell.commodity);
  to.amount = t.amount;
  to.packages = t.packages;
  return to;
}

}  // namespace

// Entries [first, limit) of one partition, all that a page asks of them.
class Projections::Impl::HistorySlice {
 public:
  HistorySlice(Impl& impl, const HistoryQuery& query, const FactsView& facts)
      : impl_(impl), query_(query), facts_(facts), judge_(impl.routing()), chunk_(std::make_unique<RowChunk>()) {
    if (!query.where.where.empty()) filter_ = std::make_unique<BlockFilter>(query.where, nullptr, facts, 1);
  }

  // In ascending order; how many were read may be less than asked for.
  absl::StatusOr<std::uint64_t> read(std::uint64_t first, std::uint64_t limit, std::vector<HistoryEntry>& to) {
    entries_.clear();
    ASSIGN_OR_RETURN(const StoredRun run, impl_.options.ledger->read(query_.partition, Sequence(first), limit - first));
    if (run.entries.empty()) return data_loss("entry {}:{}: not stored", query_.partition.name(), first);
    std::int64_t time_ms = 0;
    if (first > 0 && impl_.settings.clock != LedgerClock::none) {
      ASSIGN_OR_RETURN(time_ms, impl_.options.ledger->ledger_time_ms(query_.partition, Sequence(first - 1)));
    }
    for (const StoredEntry& stored : run.entries) {
      time_ms = ledger_time_after(impl_.settings.clock, time_ms, stored.entry);
      decode(stored, time_ms);
    }
    if (!query_.partition.is_reference()) RETURN_IF_ERROR(add_balances(first, first + run.entries.size()));
    for (HistoryEntry& entry : entries_)
      if (wanted(entry)) to.push_back(std::move(entry));
    return run.entries.size();
  }

 private:
  void decode(const StoredEntry& stored, std::int64_t time_ms) {
    HistoryEntry entry;
    entry.sequence = stored.sequence;
    entry.entry = stored.entry;
    entry.ledger_time_ms = time_ms;
    if (const auto payload = stored.folded(); payload && stored.entry.kind == EntryKind::record) {
      Arena arena;
      const Judgement judgement = judge_.judge(stored.entry.rules_version, query_.partition, *payload, arena);
      if (judgement.event != nullptr) {
        entry.type = name_of(judgement.event->type);
        entry.source = judgement.event->source;
        entry.id = judgement.event->id;
        entry.subject = judgement.event->subject;
        entry.event_time_ms = judgement.event->time_ms;
      }
    }
    entries_.push_back(std::move(entry));
  }

  // The purchases that the entries name, restored from their rows, entry by entry.
  absl::Status add_balances(std::uint64_t first, std::uint64_t limit) {
    std::size_t partition = 0;
    while (impl_.partitions[partition].id != query_.partition) ++partition;
    std::vector<std::uint32_t> numbers(entries_.size(), kNoPurchase);
    std::map<std::uint32_t, PurchaseRows> rows;
    {
      absl::ReaderMutexLock lock(&impl_.mutex);
      const PartitionFold& fold = *impl_.partitions[partition].fold;
      for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].subject.empty() || (!query_.purchase.empty() && entries_[i].subject != query_.purchase)) continue;
        const auto number = fold.dictionaries()[DictionaryId::purchase].find(entries_[i].subject);
        if (!number) continue;
        numbers[i] = *number;
        rows[*number].next = fold.states()[*number].last_row;
      }
      add_findings(fold, first, limit);
    }
    const Snapshot newer = impl_.snapshot();  // not older than the states
    const PartitionSnapshot& of = newer.partitions[partition];
    std::vector<PurchaseRows*> to_read;
    for (auto& [number, one] : rows) to_read.push_back(&one);
    RETURN_IF_ERROR(read_purchase_rows(of, limit, to_read));
    if (filter_ != nullptr) RETURN_IF_ERROR(filter_->prepare(0, of));
    std::map<std::uint32_t, std::pair<PurchaseState, std::size_t>> states;  // and how many of its rows are in it
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (numbers[i] == kNoPurchase) continue;
      auto& [state, used] = states[numbers[i]];
      const auto& all = rows[numbers[i]].rows;
      for (; used < all.size() && all[used].second.sequence <= entries_[i].sequence.value(); ++used) {
        const auto& [number, row] = all[used];
        restore(state, row, number);
        if (row.sequence == entries_[i].sequence.value()) entries_[i].transfers.push_back(transfer_of(row, *of.dictionaries));
      }
      if (state.exists) fill_balance(state, *of.dictionaries, entries_[i]);
    }
    return absl::OkStatus();
  }

  void add_findings(const PartitionFold& fold, std::uint64_t first, std::uint64_t limit) {
    const StableVector<FindingRow>& findings = fold.findings();
    std::size_t low = 0, high = findings.size();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      findings[middle].sequence < first ? low = middle + 1 : high = middle;
    }
    for (; low < findings.size() && findings[low].sequence < limit; ++low) {
      if (findings[low].sequence - first < entries_.size())
        entries_[findings[low].sequence - first].findings.emplace_back(name_of(findings[low].kind));
    }
  }

  void fill_balance(const PurchaseState& state, const Dictionaries& dictionaries, HistoryEntry& entry) {
    const Dimensions& d = state.dimensions;
    HistoryEntry::Balance to;
    to.stage = name_of(state.stage);
    to.institution = dictionaries[DictionaryId::institution].text(d.institution);
    to.vendor = dictionaries[DictionaryId::vendor].text(d.vendor);
    to.region = dictionaries[DictionaryId::region].text(d.region);
    to.value = state.value();
    to.paid = state.paid;
    Scale scale = Scale::unknown;
    {
      absl::ReaderMutexLock lock(facts_.mutex);
      const std::string_view region = facts_.facts->institution_region(to.institution, facts_.at);
      if (!region.empty()) to.region = region;
      if (d.order_date != kNoOrderDate) scale = facts_.facts->vendor_scale(to.vendor, facts_.at, month_of(Date{d.order_date}));
    }
    to.scale = name_of(scale == Scale::unknown ? d.scale : scale);
    if (filter_ != nullptr && passes(state)) passed_.insert(entry.sequence.value());
    entry.after = std::move(to);
  }

  // Whether any cell of the purchase is what the filter asks for.
  bool passes(const PurchaseState& state) {
    RowBlock block{snapshot_internal::pointers_of(*chunk_), std::min<std::size_t>(kChunkRows, std::max<std::size_t>(1, state.cells.size())),
                   0};
    for (std::size_t i = 0; i < block.rows; ++i) {
      Transfer row;
      row.sequence = state.last_sequence;
      row.to = account_of(state.stage);
      row.event_time_ms = state.time_max;
      row.dimensions = state.dimensions;
      if (i < state.cells.size()) row.cell = state.cells[i].key;
      chunk_->put(i, row);
    }
    filter_->apply(0, block, Column::to);
    return std::any_of(filter_->mask(), filter_->mask() + block.rows, [](std::uint8_t one) { return one != 0; });
  }

  bool wanted(const HistoryEntry& entry) {
    if (query_.verdict && entry.entry.verdict != *query_.verdict) return false;
    if (!query_.purchase.empty() && entry.subject != query_.purchase) return false;
    if (!query_.types.empty() &&
        std::none_of(query_.types.begin(), query_.types.end(), [&](const std::string& one) { return is_of_type(one, entry.type); }))
      return false;
    return filter_ == nullptr || passed_.contains(entry.sequence.value());
  }

  Impl& impl_;
  const HistoryQuery& query_;
  const FactsView facts_;
  Judge judge_;
  std::unique_ptr<BlockFilter> filter_;  // null: none
  std::unique_ptr<RowChunk> chunk_;
  std::vector<HistoryEntry> entries_;
  absl::flat_hash_set<std::uint64_t> passed_;  // sequences whose purchase the filter takes in
};

absl::StatusOr<HistoryPage> Projections::history(const HistoryQuery& query) const {
  RETURN_IF_ERROR(check_query(query.where));
  if (query.count == 0 || query.count > kHistoryEntriesMax)
    return invalid_argument("limit: {} is not within 1 … {}", query.count, kHistoryEntriesMax);
  const std::uint64_t read = cut().size(query.partition);
  if (query.first > query.limit) return invalid_argument("from: entry {} stands after {}", query.first, query.limit);
  if (query.limit > read) return out_of_range("entry {}:{}: {} entries are read", query.partition.name(), query.limit, read);
  HistoryPage page;
  page.cut = query.facts;
  ASSIGN_OR_RETURN(const FactsCut at, impl_->facts_cut(query.facts));
  Impl::HistorySlice slice(*impl_, query, impl_->facts_view(at));
  std::uint64_t first = query.first, limit = query.limit, looked = 0;
  while (first < limit && looked < kHistoryLooksMax && page.entries.size() < query.count) {
    const std::uint64_t take = std::min({kSlice, limit - first, kHistoryLooksMax - looked});
    std::vector<HistoryEntry> some;
    const std::uint64_t begin = query.newest_first ? limit - take : first;
    const std::uint64_t end = begin + take;
    for (std::uint64_t at_entry = begin; at_entry < end;) {  // a run of large payloads comes in several
      ASSIGN_OR_RETURN(const std::uint64_t count, slice.read(at_entry, end, some));
      at_entry += count;
    }
    looked += take;
    if (query.newest_first) std::reverse(some.begin(), some.end());
    query.newest_first ? limit = begin : first = end;
    for (HistoryEntry& entry : some) {
      if (page.entries.size() == query.count) break;
      page.entries.push_back(std::move(entry));
    }
    if (page.entries.size() < query.count) continue;
    // The page is full: what follows begins beside its last entry.
    const std::uint64_t last = page.entries.back().sequence.value();
    query.newest_first ? limit = last : first = last + 1;
  }
  if (first < limit) page.next = query.newest_first ? limit : first;
  return page;
}

}  // namespace bukubesar
