// What changed between two cuts: difference.
#include <algorithm>
#include <map>

#include "base/status.h"
#include "projections/block_filter.h"
#include "projections/change_kind.h"
#include "projections/distinct_counts.h"
#include "projections/facts_steps.h"
#include "projections/projections_impl.h"

namespace bukubesar {

namespace {

constexpr std::array<std::string_view, kChangeKindCount> kChangeNames = {
    "new_purchases", "ordered_again", "amendments",     "corrections",          "stage_moves", "payments",
    "cancellations", "withdrawals",   "facts_in_force", "reclassified_vendors", "late_facts"};
constexpr std::size_t kEventKinds = static_cast<std::size_t>(ChangeKind::facts_in_force);

using Key = std::vector<std::string>;
using Parts = std::array<std::optional<MeasuresChange>, kChangeKindCount>;

// How the transfers of a range change each group, kind by kind. Distinct counts need what stood before: the base.
class ChangeScan {
 public:
  ChangeScan(const TotalsQuery& query, FactsView facts, std::size_t partitions)
      : by_(query.by.size()), filter_(query, nullptr, std::move(facts), partitions), postings_(filter_.shape().with_paid()) {
    columns_ = {Column::sequence, Column::purchase, Column::from,     Column::to,   Column::amount,
                Column::packages, Column::cells,    Column::previous, Column::kind, Column::vendor};
    for (const Column c : filter_.columns())
      if (std::find(columns_.begin(), columns_.end(), c) == columns_.end()) columns_.push_back(c);
  }

  absl::Status add(std::size_t partition_index, const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit, bool base) {
    RETURN_IF_ERROR(filter_.prepare(partition_index, partition));
    ChangeKinds kinds;
    return for_each_block(partition, first, limit, columns_, scratch_, [&](const RowBlock& block) {
      kinds_.resize(block.rows);
      for (std::size_t i = 0; i < block.rows; ++i) kinds_[i] = kinds.next(block, i);
      if (filter_.shape().by_stage) {
        pass(partition_index, partition, block, Column::to, 1, base);
        pass(partition_index, partition, block, Column::from, -1, base);
      } else {
        pass(partition_index, partition, block, Column::to, 0, base);
      }
      return groups_.size() <= kGroupsMax ? absl::OkStatus()
                                          : resource_exhausted("more than {} groups; group by fewer dimensions or filter", kGroupsMax);
    });
  }

  // Adds each group's parts to `to`.
  void finish(std::map<Key, Parts>& to) const {
    for (const auto& [ids, group] : groups_) {
      Key key;
      for (std::size_t d = 0; d < by_; ++d) key.push_back(filter_.values(d).text(ids[d]));
      for (std::size_t k = 0; k < kEventKinds; ++k) {
        MeasuresChange change = changes_[group * kEventKinds + k];
        if (change.is_zero()) continue;
        if (!filter_.shape().with_paid()) change.paid.reset();
        to[key][k] = change;
      }
    }
  }

 private:
  using Ids = std::array<std::uint32_t, kGroupDimensionsMax>;

  void pass(std::size_t partition_index, const PartitionSnapshot& partition, const RowBlock& block, Column account, int sign, bool base) {
    filter_.apply(partition_index, block, account);
    const auto* from = block.columns.values<std::uint8_t>(Column::from);
    const auto* to = block.columns.values<std::uint8_t>(Column::to);
    const auto* one = block.columns.values<std::uint8_t>(account);
    for (std::size_t i = 0; i < block.rows; ++i) {
      if (filter_.mask()[i] == 0) continue;
      const PostingWeights& w = sign == 0 ? postings_.of(from[i], to[i]) : postings_.of(one[i]);
      if (!w.any) continue;
      Ids ids{};
      for (std::size_t d = 0; d < by_; ++d) ids[d] = filter_.ids(d)[i];
      const auto [at, is_new] = groups_.try_emplace(ids, groups_.size());
      if (is_new) changes_.resize(changes_.size() + kEventKinds);
      post(at->second, partition_index, partition, block, i, w, sign < 0 ? -1 : 1, base);
    }
  }

  void post(std::size_t group, std::size_t partition_index, const PartitionSnapshot& partition, const RowBlock& block, std::size_t i,
            const PostingWeights& w, int sign, bool base) {
    MeasuresChange unused;
    MeasuresChange& change = base ? unused : changes_[group * kEventKinds + static_cast<std::size_t>(kinds_[i])];
    const MoneySum amount = static_cast<MoneySum>(block.columns.values<std::int64_t>(Column::amount)[i]) * sign;
    change.committed += amount * w.committed;
    change.strict += amount * w.strict;
    change.broad += amount * w.broad;
    change.stage_unknown += amount * w.stage_unknown;
    change.paid = change.paid.value_or(0) + amount * w.paid;
    const Column counted = filter_.shape().by_cell ? Column::cells : Column::packages;
    const std::int64_t count = std::int64_t{block.columns.values<std::int8_t>(counted)[i]} * sign * w.committed;
    if (count == 0) return;
    const std::uint32_t vendor = vendor_of(partition, block.columns.values<std::uint32_t>(Column::vendor)[i]);
    const std::uint64_t group_vendor = std::uint64_t{group} << 32 | vendor;
    if (!filter_.shape().by_purchase) {
      change.packages += count;
      if (vendor != 0) change.vendors += add_crossing(vendor_counts_[group_vendor], count);
      return;
    }
    const std::uint64_t purchase = std::uint64_t{partition_index} << 32 | block.columns.values<std::uint32_t>(Column::purchase)[i];
    change.packages += add_crossing(purchase_counts_[{group, purchase}], count);
    if (vendor == 0) return;
    const int counted_with = add_crossing(vendor_purchase_counts_[{group_vendor, purchase}], count);
    if (counted_with != 0) change.vendors += add_crossing(vendor_counts_[group_vendor], counted_with);
  }
  std::uint32_t vendor_of(const PartitionSnapshot& partition, std::uint32_t code) {
    const std::string_view text = (*partition.dictionaries)[DictionaryId::vendor].text(code);
    if (code == 0 || is_unknown_value(text)) return 0;
    return vendors_.try_emplace(std::string(text), static_cast<std::uint32_t>(vendors_.size() + 1)).first->second;
  }

  const std::size_t by_;
  BlockFilter filter_;
  const PostingTable postings_;
  std::vector<Column> columns_;
  std::vector<ChangeKind> kinds_;  // of the block
  SegmentColumns scratch_;
  absl::flat_hash_map<Ids, std::size_t> groups_;
  std::vector<MeasuresChange> changes_;  // by group, kind
  absl::flat_hash_map<std::string, std::uint32_t> vendors_;
  absl::flat_hash_map<std::uint64_t, std::int64_t> vendor_counts_;  // (group, vendor) → packages, or purchases
  absl::flat_hash_map<std::pair<std::uint64_t, std::uint64_t>, std::int64_t> purchase_counts_, vendor_purchase_counts_;
};

// Whether a value depends on facts.
bool joins_facts(Dimension dimension, ScaleBasis basis) {
  switch (dimension) {
    case Dimension::province:
    case Dimension::district:
    case Dimension::region:
    case Dimension::commodity_group:
    case Dimension::vendor_domicile:
    case Dimension::vendor_locality:
      return true;
    case Dimension::scale:
    case Dimension::umkm:
      return basis != ScaleBasis::stated;
    default:
      return false;
  }
}

bool joins_facts(const TotalsQuery& query) {
  return std::any_of(query.by.begin(), query.by.end(), [&](Dimension d) { return joins_facts(d, query.scale_basis); }) ||
         std::any_of(query.where.begin(), query.where.end(), [&](const auto& one) { return joins_facts(one.first, query.scale_basis); });
}

// What one step of the facts changed in every row.
void add_step(const TotalsAnswer& before, const TotalsAnswer& after, ChangeKind kind, std::map<Key, Parts>& rows, Parts& total) {
  std::map<Key, std::pair<Measures, Measures>> both;
  for (const TotalsRow& row : before.rows) both[row.key].first = row.measures;
  for (const TotalsRow& row : after.rows) both[row.key].second = row.measures;
  for (const auto& [key, measures] : both) {
    const MeasuresChange change = change_between(measures.first, measures.second);
    if (!change.is_zero()) rows[key][static_cast<std::size_t>(kind)] = change;
  }
  const MeasuresChange change = change_between(before.total, after.total);
  if (!change.is_zero()) total[static_cast<std::size_t>(kind)] = change;
}

}  // namespace

std::string_view name_of(ChangeKind kind) { return kChangeNames[static_cast<std::size_t>(kind)]; }

std::optional<ChangeKind> parse_change_kind(std::string_view name) {
  const auto found = std::find(kChangeNames.begin(), kChangeNames.end(), name);
  if (found == kChangeNames.end()) return std::nullopt;
  return static_cast<ChangeKind>(found - kChangeNames.begin());
}

ChangeKind change_kind_of(EventType type, bool creating) {
  if (creating) return ChangeKind::new_purchases;
  switch (type) {
    case EventType::ordered:
      return ChangeKind::ordered_again;
    case EventType::corrected:
      return ChangeKind::corrections;
    case EventType::advanced:
      return ChangeKind::stage_moves;
    case EventType::paid:
    case EventType::refunded:
      return ChangeKind::payments;
    case EventType::cancelled:
      return ChangeKind::cancellations;
    case EventType::withdrawn:
      return ChangeKind::withdrawals;
    default:
      return ChangeKind::amendments;
  }
}

FactsStep facts_step(ChangeKind kind, const FactsCut& from, const FactsCut& to) {
  FactsCut in_force = from, with_vendors = from;
  in_force.month = with_vendors.month = to.month;
  with_vendors.vendor_size = to.size;
  switch (kind) {
    case ChangeKind::facts_in_force:
      return {from, in_force, {0, from.size, true, true, from.month}};
    case ChangeKind::reclassified_vendors:
      return {in_force, with_vendors, {from.size, to.size, true, false, {}}};
    default:
      return {with_vendors, to, {from.size, to.size, false, true, {}}};
  }
}

MeasuresChange& MeasuresChange::operator+=(const MeasuresChange& other) {
  packages += other.packages;
  vendors += other.vendors;
  committed += other.committed;
  strict += other.strict;
  broad += other.broad;
  stage_unknown += other.stage_unknown;
  if (paid || other.paid) paid = paid.value_or(0) + other.paid.value_or(0);
  return *this;
}

bool MeasuresChange::is_zero() const {
  return packages == 0 && vendors == 0 && committed == 0 && strict == 0 && broad == 0 && stage_unknown == 0 && paid.value_or(0) == 0;
}

MeasuresChange change_between(const Measures& before, const Measures& after) {
  MeasuresChange to;
  to.packages = static_cast<std::int64_t>(after.packages) - static_cast<std::int64_t>(before.packages);
  to.vendors = static_cast<std::int64_t>(after.vendors) - static_cast<std::int64_t>(before.vendors);
  to.committed = after.committed - before.committed;
  to.strict = after.strict - before.strict;
  to.broad = after.broad - before.broad;
  to.stage_unknown = after.stage_unknown - before.stage_unknown;
  if (after.paid || before.paid) to.paid = after.paid.value_or(0) - before.paid.value_or(0);
  return to;
}

absl::StatusOr<DifferenceAnswer> Projections::difference(const TotalsQuery& totals, const Cut& from, const Cut& to) const {
  RETURN_IF_ERROR(check_query(totals));
  const Snapshot now = impl_->snapshot();
  if (!now.cut.covers(to)) return out_of_range("cut {}: read is {}", to.text(), now.cut.text());
  if (!to.covers(from)) return invalid_argument("the earlier cut {} is not within the later one, {}", from.text(), to.text());
  TotalsQuery query = totals;
  query.cut.reset();
  TotalsQuery whole = query;
  whole.by.clear();
  ASSIGN_OR_RETURN(const FactsCut facts_from, impl_->facts_cut(from));
  ASSIGN_OR_RETURN(const FactsCut facts_to, impl_->facts_cut(to));
  ASSIGN_OR_RETURN(const TotalsAnswer before, impl_->totals_at(query, from, now));
  ASSIGN_OR_RETURN(const TotalsAnswer after, impl_->totals_at(query, to, now));
  std::map<Key, Parts> rows;
  Parts total_parts;
  if (joins_facts(query)) {
    TotalsAnswer reached = before;
    for (const ChangeKind kind : {ChangeKind::facts_in_force, ChangeKind::reclassified_vendors, ChangeKind::late_facts}) {
      const FactsStep step = facts_step(kind, facts_from, facts_to);
      if (step.before == step.after) continue;
      ASSIGN_OR_RETURN(TotalsAnswer next, impl_->totals_below(query, from, now, step.after));
      add_step(reached, next, kind, rows, total_parts);
      reached = std::move(next);
    }
  }
  ChangeScan of_rows(query, impl_->facts_view(facts_to), now.partitions.size());
  ChangeScan of_whole(whole, impl_->facts_view(facts_to), now.partitions.size());
  // All that stood before comes first: a vendor's purchases may stand in several partitions.
  for (const bool base : {true, false}) {
    for (std::size_t i = 0; i < now.partitions.size(); ++i) {
      const PartitionSnapshot& partition = now.partitions[i];
      ASSIGN_OR_RETURN(const std::uint64_t middle, rows_below(partition, from.size(partition.id)));
      ASSIGN_OR_RETURN(const std::uint64_t limit, rows_below(partition, to.size(partition.id)));
      for (ChangeScan* scan : {&of_rows, &of_whole})
        RETURN_IF_ERROR(scan->add(i, partition, base ? 0 : middle, base ? middle : limit, base));
    }
  }
  of_rows.finish(rows);
  std::map<Key, Parts> of_total{{Key{}, total_parts}};
  of_whole.finish(of_total);

  DifferenceAnswer answer;
  answer.from = from;
  answer.to = to;
  answer.query = query;
  const auto measures_of = [](const TotalsAnswer& of, const Key& key) {
    const auto at = std::lower_bound(of.rows.begin(), of.rows.end(), key, [](const TotalsRow& row, const Key& k) { return row.key < k; });
    Measures none;
    if (of.total.paid) none.paid = 0;
    return at == of.rows.end() || at->key != key ? none : at->measures;
  };
  for (auto& [key, parts] : rows) {
    DifferenceRow row;
    row.key = key;
    row.before = measures_of(before, key);
    row.after = measures_of(after, key);
    row.change = change_between(row.before, row.after);
    row.parts = parts;
    answer.rows.push_back(std::move(row));
  }
  answer.total.before = before.total;
  answer.total.after = after.total;
  answer.total.change = change_between(before.total, after.total);
  answer.total.parts = of_total[Key{}];
  for (auto& part : answer.total.parts)
    if (part && !after.total.paid) part->paid.reset();
  return answer;
}

}  // namespace bukubesar
