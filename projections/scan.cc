#include "projections/scan.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "base/status.h"
#include "projections/block_filter.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

constexpr std::uint32_t kNoGroup = 0xFFFFFFFFU;
constexpr std::size_t kDenseMax = 1U << 20;
// A negative or sentinel count never shows: what counts is what is above zero.
constexpr std::uint64_t key_of(std::uint32_t group, std::uint32_t vendor) { return std::uint64_t{group} << 32 | vendor; }
constexpr std::uint32_t group_of_key(std::uint64_t key) { return static_cast<std::uint32_t>(key >> 32); }
constexpr std::uint32_t vendor_of_key(std::uint64_t key) { return static_cast<std::uint32_t>(key); }

}  // namespace

absl::Status check_query(const TotalsQuery& query) {
  if (query.by.size() > kGroupDimensionsMax) return invalid_argument("by: {} dimensions, at most {}", query.by.size(), kGroupDimensionsMax);
  for (std::size_t i = 0; i < query.by.size(); ++i) {
    if (std::find(query.by.begin(), query.by.begin() + static_cast<std::ptrdiff_t>(i), query.by[i]) !=
        query.by.begin() + static_cast<std::ptrdiff_t>(i)) {
      return invalid_argument("by: {} is named twice", name_of(query.by[i]));
    }
  }
  for (const auto& [dimension, accepted] : query.where) {
    const std::vector<std::string_view> possible = values_of(dimension);
    if (possible.empty()) continue;
    for (const std::string& value : accepted) {
      if (std::find(possible.begin(), possible.end(), value) != possible.end()) continue;
      return invalid_argument("{}: '{}' is not one of {}", name_of(dimension), value, fmt::join(possible, ", "));
    }
  }
  return absl::OkStatus();
}

std::string query_key(const TotalsQuery& query) {
  std::string key;
  for (const Dimension dimension : query.by) key += fmt::format("{},", static_cast<int>(dimension));
  for (const auto& [dimension, accepted] : query.where) {
    key += fmt::format("|{}", static_cast<int>(dimension));
    std::vector<std::string> sorted = accepted;
    std::sort(sorted.begin(), sorted.end());
    for (const std::string& value : sorted) key += fmt::format("={}:{}", value.size(), value);
  }
  key += fmt::format("|{}", static_cast<int>(query.scale_basis));
  if (query.from_ms) key += fmt::format("|f{}", *query.from_ms);
  if (query.until_ms) key += fmt::format("|u{}", *query.until_ms);
  return key;
}

TotalsScan::TotalsScan(TotalsQuery query, FactsView facts, std::size_t partitions)
    : query_(std::move(query)),
      facts_(facts),
      partitions_(partitions),
      resolvers_(partitions),
      vendor_ids_(partitions),
      dictionaries_(partitions) {
  const auto use = [&](Dimension dimension, bool grouped) {
    const auto filter = query_.where.find(dimension);
    Used used;
    used.dimension = dimension;
    used.grouped = grouped;
    used.filtered = filter != query_.where.end();
    used.values =
        std::make_unique<DimensionValues>(used.filtered ? filter->second : std::vector<std::string>{}, is_hierarchical(dimension));
    used.ids.resize(kChunkRows);
    used_.push_back(std::move(used));
  };
  for (const Dimension dimension : query_.by) use(dimension, true);
  for (const auto& [dimension, accepted] : query_.where) {
    if (std::find(query_.by.begin(), query_.by.end(), dimension) == query_.by.end()) use(dimension, false);
  }
  const QueryShape shape = shape_of(query_);
  by_stage_ = shape.by_stage;
  by_cell_ = shape.by_cell;
  cell_filter_ = shape.cell_filter;
  by_purchase_ = shape.by_purchase;
  total_by_purchase_ = shape.total_by_purchase;
  mask_.resize(kChunkRows);
  groups_of_rows_.resize(kChunkRows);
  posting_.emplace(/*with_paid=*/!by_cell_ && !by_stage_);
  collect_columns();
}

TotalsScan::~TotalsScan() = default;

void TotalsScan::collect_columns() {
  columns_ = {Column::from, Column::to, Column::amount, Column::packages, Column::vendor};
  const auto want = [&](Column c) {
    if (std::find(columns_.begin(), columns_.end(), c) == columns_.end()) columns_.push_back(c);
  };
  for (const Used& used : used_) {
    for (const Column c : columns_of(used.dimension)) want(c);
  }
  if (by_purchase_) want(Column::purchase);
  if (by_cell_) want(Column::cells);
  if (query_.from_ms || query_.until_ms) want(Column::event_time);
}

TotalsScan::Resolvers TotalsScan::make_resolvers(const Dictionaries& dictionaries, const FactsView& facts) {
  Resolvers to;
  for (Used& used : used_) to.push_back(make_resolver(used.dimension, dictionaries, facts, query_.scale_basis, *used.values));
  return to;
}

// The months of ledger time, which grow with the partition.
absl::Status TotalsScan::set_months(const PartitionSnapshot& partition, Resolvers& to) {
  for (std::size_t u = 0; u < used_.size(); ++u) {
    if (used_[u].dimension != Dimension::ledger_month) continue;
    if (!facts_.ledger_months) return failed_precondition("ledger_month: there is no ledger here to ask for its ledger time");
    ASSIGN_OR_RETURN(const std::vector<MonthStart> starts, facts_.ledger_months(partition.id, partition.size));
    to[u] = make_ledger_month_resolver(starts, *used_[u].values);
  }
  return absl::OkStatus();
}

absl::Status TotalsScan::add(std::size_t partition_index, const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit) {
  if (first >= limit) return absl::OkStatus();
  RETURN_IF_ERROR(prepare(partition_index, partition));
  rows_scanned_ += limit - first;
  return for_each_block(partition, first, limit, columns_, scratch_,
                        [&](const RowBlock& block) { return add_rows(partition_index, block); });
}

absl::Status TotalsScan::add_rows(std::size_t partition_index, const RowBlock& block) {
  if (!by_stage_) return add_block(partition_index, block, Column::to, 0);
  RETURN_IF_ERROR(add_block(partition_index, block, Column::to, 1));
  return add_block(partition_index, block, Column::from, -1);
}

absl::Status TotalsScan::move_facts(const FactsCut& at, const Facts::Changed& changed, const std::vector<PartitionSnapshot>& partitions,
                                    const std::vector<std::uint64_t>& limits) {
  facts_.at = at;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    if (resolvers_[i].empty()) continue;
    Resolvers to = make_resolvers(*partitions[i].dictionaries, facts_);
    RETURN_IF_ERROR(set_months(partitions[i], to));
    RETURN_IF_ERROR(move_rows(i, partitions[i], limits[i], changed, std::move(to)));
  }
  return absl::OkStatus();
}

namespace {

// Which codes of a column are among the changed ones; each text is looked at once.
class ChangedCodes {
 public:
  ChangedCodes(Column column, const Facts::Changed& changed, const Dictionaries& dictionaries)
      : column_(column),
        changed_(column == Column::vendor        ? changed.vendors
                 : column == Column::institution ? changed.institutions
                                                 : changed.commodities),
        dictionary_(dictionaries[column == Column::vendor        ? DictionaryId::vendor
                                 : column == Column::institution ? DictionaryId::institution
                                                                 : DictionaryId::commodity]) {}
  // Marks the rows whose code has changed; whether there is one.
  bool mark(const RowBlock& block, std::uint8_t* rows) {
    if (changed_.empty()) return false;
    const auto* codes = block.columns.values<std::uint32_t>(column_);
    std::uint8_t any = 0;
    for (std::size_t i = 0; i < block.rows; ++i) {
      const std::uint8_t is = is_changed(codes[i]);
      rows[i] |= is;
      any |= is;
    }
    return any != 0;
  }

 private:
  std::uint8_t is_changed(std::uint32_t code) {
    constexpr std::uint8_t kNotAsked = 2;
    if (code >= known_.size()) known_.resize(std::max<std::size_t>(code + 1, known_.size() * 2), kNotAsked);
    if (known_[code] == kNotAsked) {
      const std::string_view text = dictionary_.text(code);
      known_[code] = changed_.contains(absl::string_view(text.data(), text.size())) ? 1 : 0;
    }
    return known_[code];
  }

  const Column column_;
  const absl::flat_hash_set<std::string>& changed_;
  const Dictionary& dictionary_;
  std::vector<std::uint8_t> known_;
};

}  // namespace

absl::Status TotalsScan::move_rows(std::size_t partition_index, const PartitionSnapshot& partition, std::uint64_t limit,
                                   const Facts::Changed& changed, Resolvers to) {
  std::vector<Column> columns;
  for (const Used& used : used_) {
    for (const Column c : fact_columns_of(used.dimension))
      if (std::find(columns.begin(), columns.end(), c) == columns.end()) columns.push_back(c);
  }
  std::vector<ChangedCodes> by_column;
  for (const Column c : columns) by_column.emplace_back(c, changed, *partition.dictionaries);
  std::vector<std::uint8_t> moved(kChunkRows);
  Resolvers& from = resolvers_[partition_index];
  absl::Status status;
  if (!by_column.empty() && !changed.empty()) {
    status = for_each_block(partition, 0, limit, columns_, scratch_, [&](const RowBlock& block) -> absl::Status {
      std::fill_n(moved.data(), block.rows, std::uint8_t{0});
      bool any = false;
      for (ChangedCodes& codes : by_column) any |= codes.mark(block, moved.data());
      if (!any) return absl::OkStatus();
      only_ = moved.data();
      direction_ = -1;
      RETURN_IF_ERROR(add_rows(partition_index, block));
      direction_ = 1;
      from.swap(to);
      const absl::Status added = add_rows(partition_index, block);
      from.swap(to);
      return added;
    });
  }
  only_ = nullptr;
  direction_ = 1;
  from.swap(to);
  return status;
}

absl::Status TotalsScan::prepare(std::size_t partition_index, const PartitionSnapshot& partition) {
  dictionaries_[partition_index] = partition.dictionaries;
  if (resolvers_[partition_index].empty()) resolvers_[partition_index] = make_resolvers(*partition.dictionaries, facts_);
  return set_months(partition, resolvers_[partition_index]);
}

absl::Status TotalsScan::mark_purchases(std::size_t partition_index, const PartitionSnapshot& partition, std::uint64_t first,
                                        std::uint64_t limit, std::vector<bool>& marks) {
  RETURN_IF_ERROR(prepare(partition_index, partition));
  std::vector<Column> columns = columns_;
  if (!by_purchase_) columns.push_back(Column::purchase);
  return for_each_block(partition, first, limit, columns, scratch_, [&](const RowBlock& block) {
    const auto* purchases = block.columns.values<std::uint32_t>(Column::purchase);
    for (const Column account : {Column::to, Column::from}) {
      filter(partition_index, block, account);
      for (std::size_t i = 0; i < block.rows; ++i)
        if (mask_[i] != 0) marks[purchases[i]] = true;
      if (!by_stage_) break;
    }
    return absl::OkStatus();
  });
}

// sign 0: both accounts at once; otherwise the posting to one of them.
absl::Status TotalsScan::add_block(std::size_t partition_index, const RowBlock& block, Column account, int sign) {
  filter(partition_index, block, account);
  RETURN_IF_ERROR(group_block(block.rows));
  sum_block(block, account, sign);
  count_block(partition_index, block, account, sign);
  return absl::OkStatus();
}

void TotalsScan::filter(std::size_t partition_index, const RowBlock& block, Column account) {
  if (only_ != nullptr) {
    std::copy_n(only_, block.rows, mask_.data());
  } else {
    std::fill_n(mask_.data(), block.rows, std::uint8_t{1});
  }
  filter_times(block);
  for (std::size_t u = 0; u < used_.size(); ++u) {
    Used& used = used_[u];
    resolvers_[partition_index][u]->resolve(block, account, used.ids.data());
    if (!used.filtered) continue;
    const std::uint8_t* allowed = used.values->allowed();
    for (std::size_t i = 0; i < block.rows; ++i) mask_[i] &= allowed[used.ids[i]];
  }
}

void TotalsScan::filter_times(const RowBlock& block) {
  if (!query_.from_ms && !query_.until_ms) return;
  const auto* times = block.columns.values<std::int64_t>(Column::event_time);
  const std::int64_t from = query_.from_ms.value_or(std::numeric_limits<std::int64_t>::min());
  if (query_.until_ms) {
    const std::int64_t until = *query_.until_ms;
    for (std::size_t i = 0; i < block.rows; ++i) mask_[i] &= times[i] >= from && times[i] < until ? 1 : 0;
  } else {
    for (std::size_t i = 0; i < block.rows; ++i) mask_[i] &= times[i] >= from ? 1 : 0;
  }
}

absl::Status TotalsScan::group_block(std::size_t rows) {
  const std::size_t dimensions = query_.by.size();
  if (dimensions == 0) {
    if (sums_.empty()) group_of(GroupKey{});
    std::fill_n(groups_of_rows_.data(), rows, 0U);
    return absl::OkStatus();
  }
  for (std::size_t d = 0; d < dimensions; ++d) {
    if (used_[d].values->size() > dense_limits_[d]) {
      rebuild_dense();
      break;
    }
  }
  GroupKey key{};
  std::uint32_t last = kNoGroup;
  for (std::size_t i = 0; i < rows; ++i) {
    if (mask_[i] == 0) continue;
    if (!dense_.empty()) {
      std::size_t at = 0;
      for (std::size_t d = 0; d < dimensions; ++d) at = at * dense_limits_[d] + used_[d].ids[i];
      if (dense_[at] == kNoGroup) {
        for (std::size_t d = 0; d < dimensions; ++d) key[d] = used_[d].ids[i];
        dense_[at] = group_of(key);
      }
      groups_of_rows_[i] = dense_[at];
      continue;
    }
    bool same = last != kNoGroup;
    for (std::size_t d = 0; d < dimensions; ++d) {
      same &= key[d] == used_[d].ids[i];
      key[d] = used_[d].ids[i];
    }
    if (!same) last = group_of(key);
    groups_of_rows_[i] = last;
  }
  if (sums_.size() > kGroupsMax) return resource_exhausted("more than {} groups; group by fewer dimensions or filter", kGroupsMax);
  return absl::OkStatus();
}

std::uint32_t TotalsScan::group_of(const GroupKey& key) {
  const auto [at, is_new] = index_.try_emplace(key, static_cast<std::uint32_t>(sums_.size()));
  if (is_new) {
    keys_.push_back(key);
    sums_.emplace_back();
  }
  return at->second;
}

// Room for the values there are and as many again, so that it is made again seldom; none where the product is large.
void TotalsScan::rebuild_dense() {
  std::size_t product = 1;
  for (std::size_t d = 0; d < query_.by.size(); ++d) {
    dense_limits_[d] = std::max<std::uint32_t>(4, used_[d].values->size() * 2);
    product = std::min(kDenseMax + 1, product * dense_limits_[d]);
  }
  dense_.clear();
  if (product > kDenseMax) return;
  dense_.assign(product, kNoGroup);
  for (std::size_t group = 0; group < keys_.size(); ++group) {
    std::size_t at = 0;
    for (std::size_t d = 0; d < query_.by.size(); ++d) at = at * dense_limits_[d] + keys_[group][d];
    dense_[at] = static_cast<std::uint32_t>(group);
  }
}

void TotalsScan::sum_block(const RowBlock& block, Column account, int sign) {
  const auto* from = block.columns.values<std::uint8_t>(Column::from);
  const auto* to = block.columns.values<std::uint8_t>(Column::to);
  const auto* one = block.columns.values<std::uint8_t>(account);
  const auto* amounts = block.columns.values<std::int64_t>(Column::amount);
  const auto* packages = block.columns.values<std::int8_t>(Column::packages);
  const int factor = sign < 0 ? -direction_ : direction_;
  for (std::size_t i = 0; i < block.rows; ++i) {
    if (mask_[i] == 0) continue;
    const PostingWeights& w = sign == 0 ? posting_->of(from[i], to[i]) : posting_->of(one[i]);
    if (!w.any) continue;
    Sums& s = sums_[groups_of_rows_[i]];
    const MoneySum amount = factor < 0 ? -static_cast<MoneySum>(amounts[i]) : static_cast<MoneySum>(amounts[i]);
    s.committed += amount * w.committed;
    s.strict += amount * w.strict;
    s.broad += amount * w.broad;
    s.stage_unknown += amount * w.stage_unknown;
    s.paid += amount * w.paid;
    s.packages += factor * packages[i] * w.committed;
  }
}

void TotalsScan::count_block(std::size_t partition_index, const RowBlock& block, Column account, int sign) {
  const auto* from = block.columns.values<std::uint8_t>(Column::from);
  const auto* to = block.columns.values<std::uint8_t>(Column::to);
  const auto* one = block.columns.values<std::uint8_t>(account);
  const auto* packages = block.columns.values<std::int8_t>(Column::packages);
  const auto* cells = by_cell_ ? block.columns.values<std::int8_t>(Column::cells) : packages;
  const auto* totals = cell_filter_ ? cells : packages;
  const auto* vendors = block.columns.values<std::uint32_t>(Column::vendor);
  const auto* purchases = by_purchase_ ? block.columns.values<std::uint32_t>(Column::purchase) : nullptr;
  const int factor = sign < 0 ? -direction_ : direction_;
  for (std::size_t i = 0; i < block.rows; ++i) {
    if (mask_[i] == 0 || (packages[i] == 0 && cells[i] == 0)) continue;
    const PostingWeights& w = sign == 0 ? posting_->of(from[i], to[i]) : posting_->of(one[i]);
    const int weight = factor * w.committed;
    if (weight == 0) continue;
    const std::uint32_t vendor = vendor_of(partition_index, vendors[i]);
    if (!total_by_purchase_ && packages[i] != 0) {
      if (vendor >= total_vendor_counts_.size())
        total_vendor_counts_.resize(std::max<std::size_t>(vendor + 1, total_vendor_counts_.size() * 2));
      total_vendor_counts_[vendor] += weight * packages[i];
    }
    if (!by_purchase_) {
      vendor_counts_[key_of(groups_of_rows_[i], vendor)] += weight * packages[i];
      continue;
    }
    const std::uint64_t purchase = std::uint64_t{partition_index} << 32 | purchases[i];
    if (cells[i] != 0) purchase_counts_[{key_of(groups_of_rows_[i], vendor), purchase}] += weight * cells[i];
    if (total_by_purchase_ && totals[i] != 0) total_purchase_counts_[{vendor, purchase}] += weight * totals[i];
  }
}

// A vendor's number in this answer. 0: no vendor.
std::uint32_t TotalsScan::vendor_of(std::size_t partition_index, std::uint32_t code) {
  if (code == 0) return 0;
  std::vector<std::uint32_t>& ids = vendor_ids_[partition_index];
  if (code >= ids.size()) ids.resize(std::max<std::size_t>(code + 1, ids.size() * 2), kNoGroup);
  if (ids[code] != kNoGroup) return ids[code];
  const std::string_view text = dictionaries_[partition_index]->operator[](DictionaryId::vendor).text(code);
  if (is_unknown_value(text)) return ids[code] = 0;
  if (partitions_ == 1) return ids[code] = code;
  return ids[code] = vendors_.try_emplace(std::string(text), static_cast<std::uint32_t>(vendors_.size() + 1)).first->second;
}

bool TotalsScan::is_unknown(std::size_t group, std::size_t by_index) const {
  return used_[by_index].values->unknown(keys_[group][by_index]);
}

// Distinct counts: of each group, of the whole, and of the unknown part of each grouped dimension.
struct TotalsScan::Counts {
  struct Pair {
    std::uint64_t packages = 0, vendors = 0;
  };
  std::vector<Pair> groups;
  Pair total;
  std::vector<Pair> unknown;
};

// Without bounds in time and cell filters, packages simply add up.
void TotalsScan::count_whole(Counts& counts) const {
  std::int64_t packages = 0;
  for (const Sums& sums : sums_) packages += sums.packages;
  counts.total.packages = static_cast<std::uint64_t>(packages);
  for (std::size_t vendor = 1; vendor < total_vendor_counts_.size(); ++vendor)
    counts.total.vendors += total_vendor_counts_[vendor] > 0 ? 1 : 0;
}

void TotalsScan::count_distinct(Counts& counts) const {
  std::vector<absl::flat_hash_set<std::uint32_t>> unknown_vendors(query_.by.size());
  for (const auto& [key, count] : vendor_counts_) {
    const std::uint32_t vendor = vendor_of_key(key);
    if (count <= 0 || vendor == 0) continue;
    ++counts.groups[group_of_key(key)].vendors;
    for (std::size_t d = 0; d < query_.by.size(); ++d) {
      if (is_unknown(group_of_key(key), d)) unknown_vendors[d].insert(vendor);
    }
  }
  std::vector<std::int64_t> unknown(query_.by.size());
  for (std::size_t group = 0; group < sums_.size(); ++group) {
    counts.groups[group].packages = static_cast<std::uint64_t>(sums_[group].packages);
    for (std::size_t d = 0; d < query_.by.size(); ++d) {
      if (is_unknown(group, d)) unknown[d] += sums_[group].packages;
    }
  }
  count_whole(counts);
  for (std::size_t d = 0; d < query_.by.size(); ++d)
    counts.unknown[d] = {static_cast<std::uint64_t>(unknown[d]), unknown_vendors[d].size()};
}

namespace {

// Packages and vendors of what is above zero: a purchase counts where all its vendors' sums together do.
template <class Key, class Map, class PartOf>
std::pair<std::uint64_t, std::uint64_t> count_positive(const Map& sums, PartOf in_part) {
  absl::flat_hash_map<std::uint64_t, std::int64_t> purchases;
  absl::flat_hash_map<std::pair<std::uint32_t, std::uint64_t>, std::int64_t> vendor_purchases;
  for (const auto& [key, count] : sums) {
    if (!in_part(key)) continue;
    purchases[key.purchase] += count;
    if (vendor_of_key(key.group_vendor) != 0) vendor_purchases[{vendor_of_key(key.group_vendor), key.purchase}] += count;
  }
  std::uint64_t packages = 0;
  for (const auto& [purchase, count] : purchases) packages += count > 0 ? 1 : 0;
  absl::flat_hash_set<std::uint32_t> vendors;
  for (const auto& [key, count] : vendor_purchases) {
    if (count > 0) vendors.insert(key.first);
  }
  return {packages, vendors.size()};
}

}  // namespace

void TotalsScan::count_distinct_by_purchase(Counts& counts) const {
  absl::flat_hash_map<std::pair<std::uint32_t, std::uint64_t>, std::int64_t> group_purchases;
  absl::flat_hash_set<std::uint64_t> group_vendors;
  for (const auto& [key, count] : purchase_counts_) {
    group_purchases[{group_of_key(key.group_vendor), key.purchase}] += count;
    if (count > 0 && vendor_of_key(key.group_vendor) != 0) group_vendors.insert(key.group_vendor);
  }
  for (const auto& [key, count] : group_purchases) counts.groups[key.first].packages += count > 0 ? 1 : 0;
  for (const std::uint64_t key : group_vendors) ++counts.groups[group_of_key(key)].vendors;
  if (total_by_purchase_) {
    const auto total = count_positive<PurchaseKey>(total_purchase_counts_, [](const PurchaseKey&) { return true; });
    counts.total = {total.first, total.second};
  } else {
    count_whole(counts);
  }
  for (std::size_t d = 0; d < query_.by.size(); ++d) {
    const auto part = count_positive<PurchaseKey>(purchase_counts_,
                                                  [&](const PurchaseKey& key) { return is_unknown(group_of_key(key.group_vendor), d); });
    counts.unknown[d] = {part.first, part.second};
  }
}

Measures TotalsScan::measures_of(const Sums& sums) const {
  Measures m;
  m.committed = sums.committed;
  m.strict = sums.strict;
  m.broad = sums.broad;
  m.stage_unknown = sums.stage_unknown;
  if (!by_cell_ && !by_stage_) m.paid = sums.paid;
  return m;
}

TotalsAnswer TotalsScan::finish(const Cut& cut) const {
  TotalsAnswer answer;
  answer.cut = cut;
  answer.query = query_;
  Counts counts;
  counts.groups.resize(sums_.size());
  counts.unknown.resize(query_.by.size());
  if (by_purchase_) {
    count_distinct_by_purchase(counts);
  } else {
    count_distinct(counts);
  }
  Sums total;
  std::vector<Sums> unknown(query_.by.size());
  const auto add = [](Sums& to, const Sums& from) {
    to.committed += from.committed;
    to.strict += from.strict;
    to.broad += from.broad;
    to.stage_unknown += from.stage_unknown;
    to.paid += from.paid;
  };
  for (std::size_t group = 0; group < sums_.size(); ++group) {
    const Sums& s = sums_[group];
    add(total, s);
    for (std::size_t d = 0; d < query_.by.size(); ++d) {
      if (is_unknown(group, d)) add(unknown[d], s);
    }
    TotalsRow row;
    row.measures = measures_of(s);
    row.measures.packages = counts.groups[group].packages;
    row.measures.vendors = counts.groups[group].vendors;
    const Measures& m = row.measures;
    if (m.packages == 0 && m.vendors == 0 && m.committed == 0 && m.strict == 0 && m.broad == 0 && m.stage_unknown == 0 &&
        m.paid.value_or(0) == 0) {
      continue;
    }
    for (std::size_t d = 0; d < query_.by.size(); ++d) row.key.push_back(used_[d].values->text(keys_[group][d]));
    answer.rows.push_back(std::move(row));
  }
  std::sort(answer.rows.begin(), answer.rows.end(), [](const TotalsRow& a, const TotalsRow& b) { return a.key < b.key; });
  answer.total = measures_of(total);
  answer.total.packages = counts.total.packages;
  answer.total.vendors = counts.total.vendors;
  for (std::size_t d = 0; d < query_.by.size(); ++d) {
    Measures part = measures_of(unknown[d]);
    part.packages = counts.unknown[d].packages;
    part.vendors = counts.unknown[d].vendors;
    answer.unknown.emplace(std::string(name_of(query_.by[d])), part);
  }
  return answer;
}

std::size_t TotalsScan::memory_bytes() const {
  std::size_t bytes = sums_.size() * (sizeof(Sums) + sizeof(GroupKey) * 2 + 8) + dense_.size() * 4 + vendor_counts_.capacity() * 17 +
                      (purchase_counts_.capacity() + total_purchase_counts_.capacity()) * 25;
  for (const Used& used : used_) bytes += used.values->memory_bytes();
  return bytes;
}

}  // namespace bukubesar
