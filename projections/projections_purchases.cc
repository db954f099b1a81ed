// Reads of purchases and findings.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "base/cancellation.h"
#include "base/status.h"
#include "base/thread.h"
#include "projections/projections_impl.h"
#include "projections/purchase_rows.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

// Purchases looked at under one lock: as long as the worker, and others who list, may wait for it. Who stands behind others may be held up
// in the middle of it.
constexpr std::size_t kListingSlice = 512, kListingSliceBehind = 32;
std::size_t listing_slice() { return own_priority_is_lowered() ? kListingSliceBehind : kListingSlice; }
constexpr std::size_t kPageMax = 10'000;

std::string text_of(const Dictionaries& dictionaries, DictionaryId id, std::uint32_t code) {
  return std::string(dictionaries[id].text(code));
}

std::uint64_t listing_key(std::size_t partition, std::uint32_t number) { return std::uint64_t{partition} << 32 | number; }

}  // namespace

// What is known of a purchase under the lock; the rest is read without it.
struct FoundPurchase {
  std::size_t partition = 0;
  std::uint32_t number = 0;
  PurchaseState state;
  std::vector<FindingRow> findings;  // by sequence
};

namespace {

std::vector<FindingRow> findings_of(const PartitionFold& fold, const PurchaseState& state, std::uint64_t size) {
  std::vector<FindingRow> to;
  for (std::uint32_t at = state.last_finding; at != 0; at = fold.findings()[at - 1].previous) {
    if (fold.findings()[at - 1].sequence < size) to.push_back(fold.findings()[at - 1]);
  }
  std::reverse(to.begin(), to.end());
  return to;
}

TransferRow row_of(const Transfer& t, const Dictionaries& dictionaries) {
  TransferRow row;
  row.sequence = Sequence(t.sequence);
  row.row = t.row;
  row.from_account = name_of(t.from);
  row.to_account = name_of(t.to);
  row.amount = t.amount;
  row.packages = t.packages;
  row.component = name_of(t.cell.component);
  row.origin = name_of(t.cell.origin);
  row.catalogue_kind = name_of(t.cell.catalogue_kind);
  row.commodity = text_of(dictionaries, DictionaryId::commodity, t.cell.commodity);
  return row;
}

void fill_state(const PurchaseState& state, const Dictionaries& dictionaries, PurchaseAnswer& to) {
  const Dimensions& d = state.dimensions;
  to.stage = name_of(state.stage);
  to.feed = text_of(dictionaries, DictionaryId::feed, d.feed);
  to.institution = text_of(dictionaries, DictionaryId::institution, d.institution);
  to.work_unit = text_of(dictionaries, DictionaryId::work_unit, d.work_unit);
  to.vendor = text_of(dictionaries, DictionaryId::vendor, d.vendor);
  to.distributor = text_of(dictionaries, DictionaryId::vendor, d.distributor);
  to.region = text_of(dictionaries, DictionaryId::region, d.region);
  to.system = text_of(dictionaries, DictionaryId::system, d.system);
  to.method = text_of(dictionaries, DictionaryId::method, d.method);
  to.stated_scale = name_of(d.scale);
  to.fiscal_year = d.fiscal_year;
  if (d.order_date != kNoOrderDate) to.order_date = Date{d.order_date};
  if (state.revision != 0) to.revision = state.revision - 1;
  to.funding = split_set(dictionaries[DictionaryId::funding].text(d.funding));
  to.value = state.value();
  to.paid = state.paid;
  for (const Cell& cell : state.cells) {
    to.cells.push_back({std::string(name_of(cell.key.component)), std::string(name_of(cell.key.origin)),
                        std::string(name_of(cell.key.catalogue_kind)), text_of(dictionaries, DictionaryId::commodity, cell.key.commodity),
                        cell.amount});
  }
}

void fill_facts(const Facts& facts, const FactsCut& at, PurchaseAnswer& to) {
  to.institution_name = facts.name(EventType::reference_institution, to.institution, at);
  to.vendor_name = facts.name(EventType::reference_vendor, to.vendor, at);
  const std::string_view region = facts.institution_region(to.institution, at);
  if (!region.empty()) to.region = region;
  if (to.region.empty()) to.region = kUnknownValue;
  Scale scale = Scale::unknown;
  if (to.order_date) scale = facts.vendor_scale(to.vendor, at, month_of(*to.order_date));
  to.scale = scale == Scale::unknown ? to.stated_scale : std::string(name_of(scale));
}

}  // namespace

absl::StatusOr<PurchaseAnswer> Projections::purchase(std::string_view id, const std::optional<Cut>& at) const {
  const Snapshot now = impl_->snapshot();
  const Cut cut = at.value_or(now.cut);
  if (!now.cut.covers(cut)) return out_of_range("cut {}: read is {}", cut.text(), now.cut.text());
  for (std::size_t i = 0; i < now.partitions.size(); ++i) {
    const PartitionSnapshot& partition = now.partitions[i];
    const std::uint64_t size = cut.size(partition.id);
    FoundPurchase found;
    {
      absl::ReaderMutexLock lock(&impl_->mutex);
      const PartitionFold& fold = *impl_->partitions[i].fold;
      const auto number = fold.dictionaries()[DictionaryId::purchase].find(id);
      if (!number) continue;
      found = {i, *number, fold.states()[*number], {}};
      found.findings = findings_of(fold, found.state, size);
    }
    // The state may have moved on since the snapshot: rows are read through a newer one.
    const Snapshot newer = impl_->snapshot();
    PurchaseRows read;
    read.next = found.state.last_row;
    RETURN_IF_ERROR(read_purchase_rows(newer.partitions[i], size, {&read}));
    const auto& rows = read.rows;
    if (rows.empty() && found.findings.empty()) continue;
    PurchaseAnswer answer;
    answer.cut = cut;
    answer.id = std::string(id);
    answer.partition = partition.id;
    PurchaseState state;
    for (const auto& [row, transfer] : rows) {
      restore(state, transfer, row);
      if (answer.history.empty() || answer.history.back().sequence.value() != transfer.sequence) {
        PurchaseHistoryEvent event;
        event.partition = partition.id;
        event.sequence = Sequence(transfer.sequence);
        event.type = name_of(transfer.kind);
        if ((transfer.flags & kFlagTimeAbsent) == 0) event.event_time_ms = transfer.event_time_ms;
        answer.history.push_back(std::move(event));
      }
      answer.history.back().transfers.push_back(row_of(transfer, *partition.dictionaries));
    }
    RETURN_IF_ERROR(impl_->add_unapplied(partition.id, found.findings, answer));
    fill_state(state, *partition.dictionaries, answer);
    ASSIGN_OR_RETURN(const FactsCut facts_at, impl_->facts_cut(cut));
    {
      absl::ReaderMutexLock lock(&impl_->facts_mutex);
      fill_facts(impl_->facts, facts_at, answer);
    }
    for (const FindingRow& finding : found.findings) {
      answer.findings.push_back({partition.id, Sequence(finding.sequence), std::string(name_of(finding.kind)), answer.id,
                                 detail_of(finding, *partition.dictionaries)});
    }
    return answer;
  }
  return not_found("purchase '{}': no entry up to cut {} names it", id, cut.text());
}

// Events that were accepted and changed nothing have no transfers; their findings name them.
absl::Status Projections::Impl::add_unapplied(PartitionId id, const std::vector<FindingRow>& rows, PurchaseAnswer& answer) const {
  Judge judge(routing());
  for (const FindingRow& finding : rows) {
    const bool unapplied =
        finding.kind == FindingKind::stale || finding.kind == FindingKind::other_feed || finding.kind == FindingKind::overflow;
    if (!unapplied) continue;
    ASSIGN_OR_RETURN(const StoredRun run, options.ledger->read(id, Sequence(finding.sequence), 1));
    PurchaseHistoryEvent event;
    event.partition = id;
    event.sequence = Sequence(finding.sequence);
    if (const auto payload = run.entries.empty() ? std::nullopt : run.entries[0].folded()) {
      Arena arena;
      const Judgement judgement = judge.judge(run.entries[0].entry.rules_version, id, *payload, arena);
      if (judgement.event != nullptr) {
        event.type = name_of(judgement.event->type);
        event.event_time_ms = judgement.event->time_ms;
      }
    }
    answer.history.push_back(std::move(event));
  }
  std::sort(answer.history.begin(), answer.history.end(), [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
  return absl::OkStatus();
}

// New purchases go into a small sorted run, which is merged into the large one when it has grown to a tenth of it.
void Projections::Impl::refresh_listing() {
  absl::MutexLock listing_lock(&listing_mutex);
  listed.resize(partitions.size());
  std::vector<std::uint32_t> sizes;
  {
    absl::ReaderMutexLock lock(&mutex);
    for (const Partition& partition : partitions) sizes.push_back(static_cast<std::uint32_t>(partition.fold->states().size()));
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    for (; listed[i] < sizes[i]; ++listed[i]) listing_recent.push_back(listing_key(i, listed[i]));
  }
  const auto less = [this](std::uint64_t a, std::uint64_t b) { return listed_id(a) < listed_id(b); };
  std::sort(listing_recent.begin(), listing_recent.end(), less);
  if (listing_recent.size() * 10 < listing.size()) return;
  const auto middle = static_cast<std::ptrdiff_t>(listing.size());
  listing.insert(listing.end(), listing_recent.begin(), listing_recent.end());
  std::inplace_merge(listing.begin(), listing.begin() + middle, listing.end(), less);
  listing_recent.clear();
}

// The texts of published numbers may be read without the lock.
std::string_view Projections::Impl::listed_id(std::uint64_t key) const {
  return partitions[key >> 32].fold->dictionaries()[DictionaryId::purchase].text(static_cast<std::uint32_t>(key));
}

namespace {

// The filter in one partition's codes.
struct CodedFilter {
  std::optional<std::uint32_t> feed, institution, system;
  std::optional<std::int32_t> fiscal_year;
  std::uint32_t stages = ~0U;  // a bit for each
  std::uint64_t last_below = ~0ULL;
  bool impossible = false;  // a text is not known in the partition, so nothing matches
};

CodedFilter code(const Projections::PurchaseFilter& filter, PartitionId partition, const Dictionaries& dictionaries) {
  CodedFilter to;
  to.fiscal_year = filter.fiscal_year;
  if (filter.unheard_since) to.last_below = filter.unheard_since->size(partition);
  if (!filter.stages.empty()) to.stages = 0;
  for (const Stage stage : filter.stages) to.stages |= 1U << static_cast<unsigned>(stage);
  const auto find = [&](DictionaryId id, const std::string& text, std::optional<std::uint32_t>& member) {
    if (text.empty()) return;
    member = dictionaries[id].find(text);
    to.impossible |= !member;
  };
  find(DictionaryId::feed, filter.feed, to.feed);
  find(DictionaryId::institution, filter.institution, to.institution);
  find(DictionaryId::system, filter.system, to.system);
  return to;
}

// Nothing was last heard of before the first entry: a young ledger need not be walked to say so.
bool matches_nothing(const Projections::PurchaseFilter& filter) {
  if (!filter.unheard_since) return false;
  const auto& sizes = filter.unheard_since->sizes();
  return std::all_of(sizes.begin(), sizes.end(), [](const auto& one) { return one.second == 0; });
}

bool matches(const CodedFilter& filter, const PurchaseState& state) {
  const Dimensions& d = state.dimensions;
  return state.exists && !filter.impossible && state.last_sequence < filter.last_below &&
         (filter.stages >> static_cast<unsigned>(state.stage) & 1U) != 0 && d.feed == filter.feed.value_or(d.feed) &&
         d.institution == filter.institution.value_or(d.institution) && d.system == filter.system.value_or(d.system) &&
         d.fiscal_year == filter.fiscal_year.value_or(d.fiscal_year);
}

Projections::PurchaseSummary summary_of(std::string_view id, PartitionId partition, const PurchaseState& state,
                                        const Dictionaries& dictionaries) {
  Projections::PurchaseSummary to;
  to.id = id;
  to.feed = text_of(dictionaries, DictionaryId::feed, state.dimensions.feed);
  to.stage = name_of(state.stage);
  to.institution = text_of(dictionaries, DictionaryId::institution, state.dimensions.institution);
  to.vendor = text_of(dictionaries, DictionaryId::vendor, state.dimensions.vendor);
  to.fiscal_year = state.dimensions.fiscal_year;
  to.value = state.value();
  if (state.revision != 0) to.revision = state.revision - 1;
  to.partition = partition;
  to.last_sequence = Sequence(state.last_sequence);
  to.document_sequence = state.has_document() ? Sequence(state.document_sequence) : kNoSequence;
  return to;
}

}  // namespace

// The ids after a cursor, ascending, out of the large run and the small one; as long as the lock is held.
class Projections::Impl::ListingWalk {
 public:
  ListingWalk(const Impl& impl, std::string_view cursor) ABSL_EXCLUSIVE_LOCKS_REQUIRED(impl.listing_mutex)
      : impl_(impl), main_(impl.listing), recent_(impl.listing_recent) {
    for (std::span<const std::uint64_t>* keys : {&main_, &recent_}) {
      const auto first = std::upper_bound(keys->begin(), keys->end(), cursor,
                                          [&](std::string_view id, std::uint64_t key) { return id < impl.listed_id(key); });
      *keys = keys->subspan(static_cast<std::size_t>(first - keys->begin()));
    }
  }
  [[nodiscard]] bool at_end() const { return main_.empty() && recent_.empty(); }
  std::uint64_t next() {
    const bool take_main = !main_.empty() && (recent_.empty() || impl_.listed_id(main_.front()) < impl_.listed_id(recent_.front()));
    std::span<const std::uint64_t>& from = take_main ? main_ : recent_;
    const std::uint64_t key = from.front();
    from = from.subspan(1);
    return key;
  }

 private:
  const Impl& impl_;
  std::span<const std::uint64_t> main_, recent_;
};

absl::StatusOr<Projections::PurchasePage> Projections::purchases(const PurchaseFilter& filter, std::string_view cursor,
                                                                 std::size_t limit) const {
  if (limit == 0 || limit > kPageMax) return invalid_argument("limit: {} is not within 1 … {}", limit, kPageMax);
  PurchasePage page;
  if (matches_nothing(filter)) {
    absl::ReaderMutexLock lock(&impl_->mutex);
    page.cut = impl_->cut_now();
    return page;
  }
  impl_->refresh_listing();
  const std::size_t slice = listing_slice();
  bool at_end = false;
  do {
    RETURN_IF_ERROR(still_wanted());
    absl::MutexLock listing_lock(&impl_->listing_mutex);
    Impl::ListingWalk walk(*impl_, cursor);
    absl::ReaderMutexLock lock(&impl_->mutex);
    page.cut = impl_->cut_now();
    std::vector<CodedFilter> filters;
    for (const auto& partition : impl_->partitions) filters.push_back(code(filter, partition.id, partition.fold->dictionaries()));
    for (std::size_t looked = 0; looked < slice && !walk.at_end() && page.purchases.size() < limit; ++looked) {
      const std::uint64_t key = walk.next();
      cursor = impl_->listed_id(key);
      const std::size_t partition = key >> 32;
      const PartitionFold& fold = *impl_->partitions[partition].fold;
      const PurchaseState& state = fold.states()[static_cast<std::uint32_t>(key)];
      if (!matches(filters[partition], state)) continue;
      page.purchases.push_back(summary_of(cursor, impl_->partitions[partition].id, state, fold.dictionaries()));
    }
    at_end = walk.at_end();
  } while (!at_end && page.purchases.size() < limit);
  if (!at_end) page.next_cursor = std::string(cursor);
  return page;
}

namespace {

// A purchase on a page as of a cut: as it stands where it did not change after the cut, else to be restored from its rows below it.
struct ListedPurchase {
  std::uint64_t key = 0;
  PurchaseState state;
  PurchaseRows rows;
};

absl::Status restore_at(const PartitionSnapshot& partition, std::uint64_t size, const std::vector<ListedPurchase*>& candidates) {
  std::vector<PurchaseRows*> rows;
  for (ListedPurchase* one : candidates) rows.push_back(&one->rows);
  RETURN_IF_ERROR(read_purchase_rows(partition, size, rows));
  const PurchaseState nothing;  // copied: g++ 12 takes a moved one's inlined cells for uninitialised
  for (ListedPurchase* one : candidates) {
    one->state = nothing;
    for (const auto& [number, row] : one->rows.rows) restore(one->state, row, number);
    one->rows = {};
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Projections::PurchasePage> Projections::purchases_at(const Cut& cut, const PurchaseFilter& filter, std::string_view cursor,
                                                                    std::size_t limit) const {
  if (limit == 0 || limit > kPageMax) return invalid_argument("limit: {} is not within 1 … {}", limit, kPageMax);
  impl_->refresh_listing();
  const std::size_t slice = listing_slice();
  std::vector<CodedFilter> filters;
  std::vector<ListedPurchase> candidates;
  std::size_t changed = 0;
  bool at_end = false;
  do {
    RETURN_IF_ERROR(still_wanted());
    absl::MutexLock listing_lock(&impl_->listing_mutex);
    Impl::ListingWalk walk(*impl_, cursor);
    absl::ReaderMutexLock lock(&impl_->mutex);
    if (!impl_->cut_now().covers(cut)) return out_of_range("cut {}: read is {}", cut.text(), impl_->cut_now().text());
    filters.clear();
    for (const auto& partition : impl_->partitions) filters.push_back(code(filter, partition.id, partition.fold->dictionaries()));
    for (std::size_t looked = 0; looked < slice && !walk.at_end() && candidates.size() < limit; ++looked) {
      const std::uint64_t key = walk.next();
      cursor = impl_->listed_id(key);
      const auto& partition = impl_->partitions[key >> 32];
      const PurchaseState& state = partition.fold->states()[static_cast<std::uint32_t>(key)];
      if (!state.exists) continue;
      const bool stands = state.last_sequence < cut.size(partition.id);
      if (stands && !matches(filters[key >> 32], state)) continue;
      changed += stands ? 0 : 1;
      candidates.push_back({key, state, {stands ? 0 : state.last_row, {}}});
    }
    at_end = walk.at_end();
  } while (!at_end && candidates.size() < limit);
  const Snapshot now = impl_->snapshot();
  for (std::size_t i = 0; i < now.partitions.size() && changed > 0; ++i) {
    std::vector<ListedPurchase*> of_partition;
    for (ListedPurchase& one : candidates)
      if (one.key >> 32 == i && one.rows.next != 0) of_partition.push_back(&one);
    RETURN_IF_ERROR(restore_at(now.partitions[i], cut.size(now.partitions[i].id), of_partition));
  }
  PurchasePage page;
  page.cut = cut;
  for (const ListedPurchase& one : candidates) {
    const PartitionSnapshot& partition = now.partitions[one.key >> 32];
    if (matches(filters[one.key >> 32], one.state))
      page.purchases.push_back(summary_of(impl_->listed_id(one.key), partition.id, one.state, *partition.dictionaries));
  }
  if (!at_end) page.next_cursor = std::string(cursor);
  return page;
}

namespace {

constexpr std::string_view kNewestFirst = "newest";

struct FindingCursor {
  PartitionId partition;
  std::uint64_t index = 0;
  bool newest_first = false, begins = true;
};

// "", "0:12", "newest", "newest:0:12": the row that the page begins with.
absl::StatusOr<FindingCursor> parse_cursor(std::string_view text) {
  FindingCursor to;
  const std::string_view whole = text;
  to.newest_first = text == kNewestFirst || text.starts_with("newest:");
  if (text.empty() || text == kNewestFirst) return to;
  if (to.newest_first) text.remove_prefix(kNewestFirst.size() + 1);
  to.begins = false;
  const std::size_t colon = text.find(':');
  const auto partition = PartitionId::parse(text.substr(0, colon));
  if (colon == std::string_view::npos || !partition) return invalid_argument("cursor: '{}' is not one that was given", whole);
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), to.index);
  if (error != std::errc() || end != text.data() + text.size()) return invalid_argument("cursor: '{}' is not one that was given", whole);
  to.partition = *partition;
  return to;
}

}  // namespace

// The numbered partitions', then the reference's.
std::vector<Projections::Impl::FindingSource> Projections::Impl::finding_sources() const {
  static const Dictionaries no_texts;
  std::vector<FindingSource> sources;
  for (const Partition& partition : partitions) {
    const PartitionFold& fold = *partition.fold;
    sources.push_back({partition.id, &fold.findings(), &fold.dictionaries(), fold.findings().size()});
  }
  sources.push_back({PartitionId::reference(), &reference_findings, &no_texts, reference_findings.size()});
  return sources;
}

namespace {

Finding finding_of(PartitionId partition, const FindingRow& row, const Dictionaries& dictionaries) {
  std::string id;
  if (row.purchase != kNoPurchase) id = text_of(dictionaries, DictionaryId::purchase, row.purchase);
  return {partition, Sequence(row.sequence), std::string(name_of(row.kind)), std::move(id), detail_of(row, dictionaries)};
}

using FindingCounts = std::array<std::uint64_t, kFindingKindCount>;

std::vector<std::pair<std::string, std::uint64_t>> named(const FindingCounts& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> to;
  for (const FindingKindInfo& info : all_finding_kinds()) {
    const std::uint64_t count = counts[static_cast<std::size_t>(info.kind)];
    if (count != 0) to.emplace_back(info.name, count);
  }
  return to;
}

// Index of the first of the first `count` findings whose entry is `sequence` or a later one.
std::size_t first_from(const StableVector<FindingRow>& findings, std::size_t count, std::uint64_t sequence) {
  std::size_t low = 0, high = count;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (findings[middle].sequence < sequence)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Newest first: by sequence, the highest first; where two partitions have the same, in the order of partitions.
template <typename Source>
std::optional<std::size_t> newest_of(const std::vector<Source>& sources, const std::vector<std::size_t>& ends) {
  std::optional<std::size_t> best;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    if (ends[s] == 0) continue;
    const auto sequence_at = [&](std::size_t of) { return (*sources[of].findings)[ends[of] - 1].sequence; };
    if (!best || sequence_at(s) > sequence_at(*best)) best = s;
  }
  return best;
}

// Lowers the ends to a page that begins with the cursor's row.
template <typename Source>
absl::Status end_at(const std::vector<Source>& sources, const FindingCursor& from, std::vector<std::size_t>& ends) {
  if (from.begins) return absl::OkStatus();
  const auto of = std::find_if(sources.begin(), sources.end(), [&](const Source& source) { return source.id == from.partition; });
  if (of == sources.end() || from.index >= of->count)
    return invalid_argument("cursor: newest:{}:{} is not one that was given", from.partition.name(), from.index);
  const std::size_t place = static_cast<std::size_t>(of - sources.begin());
  const std::uint64_t sequence = (*of->findings)[from.index].sequence;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    const std::size_t end =
        s == place ? from.index + 1 : first_from(*sources[s].findings, sources[s].count, sequence + (s > place ? 1 : 0));
    ends[s] = std::min(ends[s], end);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<FindingsPage> Projections::findings(std::string_view kind, std::string_view purchase, std::string_view cursor,
                                                   std::size_t limit, const std::optional<Cut>& at) const {
  if (limit == 0 || limit > kPageMax) return invalid_argument("limit: {} is not within 1 … {}", limit, kPageMax);
  const auto wanted = parse_finding_kind(kind);
  if (!kind.empty() && !wanted) return invalid_argument("kind: '{}' is no kind of finding", kind);
  ASSIGN_OR_RETURN(const FindingCursor from, parse_cursor(cursor));
  std::vector<Impl::FindingSource> sources;
  std::vector<std::optional<std::uint32_t>> numbers;  // of the purchase, beside sources
  FindingsPage page;
  {
    absl::ReaderMutexLock lock(&impl_->mutex);
    page.cut = impl_->cut_now();
    sources = impl_->finding_sources();
    for (const Impl::FindingSource& source : sources) numbers.push_back((*source.dictionaries)[DictionaryId::purchase].find(purchase));
  }
  if (at && !page.cut.covers(*at)) return out_of_range("cut {}: read is {}", at->text(), page.cut.text());
  if (at) page.cut = *at;
  const auto matches = [&](std::size_t s, const FindingRow& finding) {
    return (!wanted || finding.kind == *wanted) && (purchase.empty() || finding.purchase == *numbers[s]);
  };
  // True where the page has room for one more; else the next one begins with this row.
  const auto take = [&](std::size_t s, std::size_t i) {
    const Impl::FindingSource& source = sources[s];
    const bool room = page.findings.size() < limit;
    if (room)
      page.findings.push_back(finding_of(source.id, (*source.findings)[i], *source.dictionaries));
    else if (!page.next_cursor)
      page.next_cursor = fmt::format("{}{}:{}", from.newest_first ? "newest:" : "", source.id.name(), i);
    return room;
  };
  FindingCounts counts{};
  std::vector<std::size_t> ends;  // of what the cut has, beside sources
  for (std::size_t s = 0; s < sources.size(); ++s) {
    const Impl::FindingSource& source = sources[s];
    ends.push_back(first_from(*source.findings, source.count, page.cut.size(source.id)));
    if (!purchase.empty() && !numbers[s]) ends[s] = 0;
    for (std::size_t i = 0; i < ends[s]; ++i) {
      const FindingRow& finding = (*source.findings)[i];
      if (i % kListingSlice == 0) RETURN_IF_ERROR(still_wanted());
      if (!matches(s, finding)) continue;
      ++counts[static_cast<std::size_t>(finding.kind)];
      if (!from.newest_first && (from.begins || source.id > from.partition || (source.id == from.partition && i >= from.index))) take(s, i);
    }
  }
  page.counts = named(counts);
  if (!from.newest_first) return page;
  RETURN_IF_ERROR(end_at(sources, from, ends));
  for (std::optional<std::size_t> s = newest_of(sources, ends); s; s = newest_of(sources, ends)) {
    const std::size_t i = --ends[*s];
    if (i % kListingSlice == 0) RETURN_IF_ERROR(still_wanted());
    if (matches(*s, (*sources[*s].findings)[i]) && !take(*s, i)) break;
  }
  return page;
}

FindingsPage Projections::findings_between(const Cut& from, const Cut& to, std::size_t limit) const {
  std::vector<Impl::FindingSource> sources;
  {
    absl::ReaderMutexLock lock(&impl_->mutex);
    sources = impl_->finding_sources();
  }
  FindingsPage page;
  page.cut = to;
  FindingCounts counts{};
  for (const Impl::FindingSource& source : sources) {
    const std::size_t first = first_from(*source.findings, source.count, from.size(source.id));
    const std::size_t end = first_from(*source.findings, source.count, to.size(source.id));
    for (std::size_t i = first; i < end; ++i) {
      const FindingRow& finding = (*source.findings)[i];
      ++counts[static_cast<std::size_t>(finding.kind)];
      if (end - i <= limit) page.findings.push_back(finding_of(source.id, finding, *source.dictionaries));
    }
  }
  page.counts = named(counts);
  return page;
}

}  // namespace bukubesar
