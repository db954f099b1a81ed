#include "projections/scan.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/status.h"
#include "projections/block_filter.h"
#include "projections/row_tests.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

constexpr std::uint32_t kNoGroup = 0xFFFFFFFFU;
constexpr std::size_t kDenseMax = 1U << 20;

// By number of a value: where its text stands among the others.
std::vector<std::uint32_t> ranks_of(const DimensionValues& values) {
  std::vector<std::uint32_t> order(values.size()), ranks(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return values.text(a) < values.text(b); });
  for (std::uint32_t rank = 0; rank < order.size(); ++rank) ranks[order[rank]] = rank;
  return ranks;
}

// The groups in the order of their keys' texts. Texts are compared once for each value, not for each pair of groups.
template <class Keys>
std::vector<std::uint32_t> in_order(const Keys& keys, const std::vector<std::vector<std::uint32_t>>& ranks) {
  struct Place {
    std::uint64_t first_two = 0;
    std::uint32_t group = 0;
  };
  std::vector<Place> places(keys.size());
  for (std::uint32_t group = 0; group < keys.size(); ++group) {
    std::uint64_t first_two = 0;
    for (std::size_t d = 0; d < 2; ++d) first_two = first_two << 32 | (d < ranks.size() ? ranks[d][keys[group][d]] : 0U);
    places[group] = {first_two, group};
  }
  std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) {
    if (a.first_two != b.first_two) return a.first_two < b.first_two;
    for (std::size_t d = 2; d < ranks.size(); ++d) {
      const std::uint32_t of_a = ranks[d][keys[a.group][d]];
      const std::uint32_t of_b = ranks[d][keys[b.group][d]];
      if (of_a != of_b) return of_a < of_b;
    }
    return false;
  });
  std::vector<std::uint32_t> groups;
  groups.reserve(places.size());
  for (const Place& place : places) groups.push_back(place.group);
  return groups;
}

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
  if (query.packages_min != 0) key += fmt::format("|p{}", query.packages_min);
  return key;
}

TotalsScan::TotalsScan(TotalsQuery query, FactsView facts, std::shared_ptr<VendorNumbers> vendors)
    : query_(std::move(query)),
      facts_(facts),
      resolvers_(vendors->partitions()),
      vendors_(std::move(vendors)),
      vendor_ids_(vendors_->partitions()),
      dictionaries_(vendors_->partitions()) {
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
  row_tests_ = std::make_unique<RowTests>();
  mask_.resize(kChunkRows);
  rows_.resize(kChunkRows);
  groups_.resize(kChunkRows);
  distinct_.emplace(by_purchase_);
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
  set_row_tests(partition_index);
  for (std::uint64_t end = 0; first < limit; first = end) {
    end = segment_end(partition, first, limit);
    ASSIGN_OR_RETURN(const Passing passing, row_tests_->look(partition, first, end, scratch_));
    if (passing == Passing::few) RETURN_IF_ERROR(add_few(partition_index, *segment_at(partition, first)));
    if (passing != Passing::many) continue;
    RETURN_IF_ERROR(
        for_each_block(partition, first, end, columns_, scratch_, [&](const RowBlock& block) { return add_rows(partition_index, block); }));
  }
  gather_ = nullptr;  // a view that is kept for long should not keep it
  return absl::OkStatus();
}

absl::Status TotalsScan::add_few(std::size_t partition_index, const FileSegment& segment) {
  if (gather_ == nullptr) gather_ = std::make_unique<RowGather>();
  std::span<const std::uint32_t> rows = row_tests_->few();
  while (!rows.empty()) {
    const std::size_t count = std::min(rows.size(), kChunkRows);
    ASSIGN_OR_RETURN(const RowBlock block, gather_->gather(segment, scratch_.pointers(), columns_, rows.first(count)));
    RETURN_IF_ERROR(add_rows(partition_index, block));
    rows = rows.subspan(count);
  }
  return absl::OkStatus();
}

void TotalsScan::set_row_tests(std::size_t partition_index) {
  std::vector<RowTest> tests;
  for (std::size_t u = 0; u < used_.size(); ++u) {
    if (used_[u].filtered && used_[u].dimension != Dimension::stage)
      tests.push_back({columns_of(used_[u].dimension), resolvers_[partition_index][u].get(), used_[u].values.get()});
  }
  row_tests_->set(std::move(tests));
}

// Each scan numbers values and groups as it meets them: they are found again by their texts.
absl::Status TotalsScan::add_all(const TotalsScan& other, const std::vector<PartitionSnapshot>& partitions) {
  BB_CHECK(vendors_ == other.vendors_, "scans that are added number vendors alike");
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    if (!other.resolvers_[i].empty()) RETURN_IF_ERROR(prepare(i, partitions[i]));
  }
  std::vector<std::uint32_t> set_of = {kWholeSet};
  for (std::size_t d = 0; d < query_.by.size(); ++d) set_of.push_back(unknown_set(d));
  std::vector<std::vector<std::uint32_t>> values(query_.by.size());  // by dimension, their number: ours
  for (std::size_t d = 0; d < query_.by.size(); ++d) {
    const DimensionValues& theirs = *other.used_[d].values;
    for (std::uint32_t id = 0; id < theirs.size(); ++id) values[d].push_back(used_[d].values->intern(theirs.text(id)));
  }
  for (std::size_t theirs = 0; theirs < other.sums_.size(); ++theirs) {
    GroupKey key{};
    for (std::size_t d = 0; d < query_.by.size(); ++d) key[d] = values[d][other.keys_[theirs][d]];
    const std::uint32_t group = group_of(key);
    sums_[group] += other.sums_[theirs];
    set_of.push_back(group_set(group));
  }
  if (sums_.size() > kGroupsMax) return resource_exhausted("more than {} groups; group by fewer dimensions or filter", kGroupsMax);
  distinct_->add_all(*other.distinct_, set_of);
  for (std::size_t vendor = 1; vendor < other.whole_vendor_counts_.size(); ++vendor) {
    const std::int64_t count = other.whole_vendor_counts_[vendor];
    if (count != 0) count_vendor_of_whole(static_cast<std::uint32_t>(vendor), count);
  }
  rows_scanned_ += other.rows_scanned_;
  return absl::OkStatus();
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
      mask_all(block.rows);
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
  mask_moving(block, account, sign);
  filter(partition_index, block, account);
  collect_rows(block.rows);
  RETURN_IF_ERROR(group_rows());
  sum_rows(block, account, sign);
  count_rows(partition_index, block, account, sign);
  return absl::OkStatus();
}

void TotalsScan::mask_all(std::size_t rows) {
  if (only_ != nullptr) {
    std::copy_n(only_, rows, mask_.data());
  } else {
    std::fill_n(mask_.data(), rows, std::uint8_t{1});
  }
}

// Most transfers of a purchase's life move it between stages that all measures see alike: nothing of them need be looked at.
void TotalsScan::mask_moving(const RowBlock& block, Column account, int sign) {
  mask_all(block.rows);
  const auto* from = block.columns.values<std::uint8_t>(Column::from);
  const auto* to = block.columns.values<std::uint8_t>(Column::to);
  const auto* one = block.columns.values<std::uint8_t>(account);
  if (sign == 0) {
    for (std::size_t i = 0; i < block.rows; ++i) mask_[i] &= static_cast<std::uint8_t>(posting_->of(from[i], to[i]).any);
  } else {
    for (std::size_t i = 0; i < block.rows; ++i) mask_[i] &= static_cast<std::uint8_t>(posting_->of(one[i]).any);
  }
}

// Narrows mask_ to the rows that the question takes in.
void TotalsScan::filter(std::size_t partition_index, const RowBlock& block, Column account) {
  if (query_.from_ms || query_.until_ms) mask_times(query_, block, mask_.data());
  for (std::size_t u = 0; u < used_.size(); ++u) {
    Used& used = used_[u];
    resolvers_[partition_index][u]->resolve(block, account, used.ids.data());
    if (!used.filtered) continue;
    const std::uint8_t* allowed = used.values->allowed();
    for (std::size_t i = 0; i < block.rows; ++i) mask_[i] &= allowed[used.ids[i]];
  }
}

// Which rows are left changes from one to the next, and so a test of each would be guessed wrong: a list needs none.
void TotalsScan::collect_rows(std::size_t rows) {
  row_count_ = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    rows_[row_count_] = static_cast<std::uint16_t>(i);
    row_count_ += mask_[i];
  }
}

// Fills groups_, beside rows_.
absl::Status TotalsScan::group_rows() {
  const std::size_t dimensions = query_.by.size();
  if (dimensions == 0) {
    if (sums_.empty()) group_of(GroupKey{});
    std::fill_n(groups_.data(), row_count_, 0U);
    return absl::OkStatus();
  }
  for (std::size_t d = 0; d < dimensions; ++d) {
    if (used_[d].values->size() > dense_limits_[d]) {
      rebuild_dense();
      break;
    }
  }
  dense_.empty() ? group_by_hash() : group_by_table();
  if (sums_.size() > kGroupsMax) return resource_exhausted("more than {} groups; group by fewer dimensions or filter", kGroupsMax);
  return absl::OkStatus();
}

void TotalsScan::group_by_table() {
  const std::size_t dimensions = query_.by.size();
  for (std::size_t n = 0; n < row_count_; ++n) {
    const std::size_t i = rows_[n];
    std::size_t at = 0;
    for (std::size_t d = 0; d < dimensions; ++d) at = at * dense_limits_[d] + used_[d].ids[i];
    if (dense_[at] == kNoGroup) dense_[at] = group_of(key_of(i));
    groups_[n] = dense_[at];
  }
}

// What is looked up is far from the cache where groups are many: all of it is asked for before any of it is waited for.
void TotalsScan::group_by_hash() {
  for (std::size_t n = 0; n < row_count_; ++n) index_.prefetch(key_of(rows_[n]));
  for (std::size_t n = 0; n < row_count_; ++n) groups_[n] = group_of(key_of(rows_[n]));
}

TotalsScan::GroupKey TotalsScan::key_of(std::size_t row) const {
  GroupKey key{};
  for (std::size_t d = 0; d < query_.by.size(); ++d) key[d] = used_[d].ids[row];
  return key;
}

std::uint32_t TotalsScan::group_of(const GroupKey& key) {
  const auto [at, is_new] = index_.try_emplace(key, static_cast<std::uint32_t>(sums_.size()));
  if (is_new) {
    keys_.push_back(key);
    sums_.emplace_back();
    std::uint8_t unknown = 0;
    for (std::size_t d = 0; d < query_.by.size(); ++d)
      unknown |= static_cast<std::uint8_t>(used_[d].values->unknown(key[d]) ? 1U << d : 0U);
    unknown_.push_back(unknown);
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

void TotalsScan::sum_rows(const RowBlock& block, Column account, int sign) {
  const auto* from = block.columns.values<std::uint8_t>(Column::from);
  const auto* to = block.columns.values<std::uint8_t>(Column::to);
  const auto* one = block.columns.values<std::uint8_t>(account);
  const auto* amounts = block.columns.values<std::int64_t>(Column::amount);
  const auto* packages = block.columns.values<std::int8_t>(Column::packages);
  const int factor = sign < 0 ? -direction_ : direction_;
  for (std::size_t n = 0; n < row_count_; ++n) {
    const std::size_t i = rows_[n];
    const PostingWeights& w = sign == 0 ? posting_->of(from[i], to[i]) : posting_->of(one[i]);
    PostingSums& s = sums_[groups_[n]];
    s.add(factor < 0 ? -static_cast<MoneySum>(amounts[i]) : static_cast<MoneySum>(amounts[i]), w);
    s.packages += factor * packages[i] * w.committed;
  }
}

void TotalsScan::count_rows(std::size_t partition_index, const RowBlock& block, Column account, int sign) {
  const auto* from = block.columns.values<std::uint8_t>(Column::from);
  const auto* to = block.columns.values<std::uint8_t>(Column::to);
  const auto* one = block.columns.values<std::uint8_t>(account);
  const auto* packages = block.columns.values<std::int8_t>(Column::packages);
  const auto* cells = by_cell_ ? block.columns.values<std::int8_t>(Column::cells) : packages;
  const auto* totals = cell_filter_ ? cells : packages;
  const auto* vendors = block.columns.values<std::uint32_t>(Column::vendor);
  const auto* purchases = by_purchase_ ? block.columns.values<std::uint32_t>(Column::purchase) : nullptr;
  const int factor = sign < 0 ? -direction_ : direction_;
  for (std::size_t n = 0; n < row_count_; ++n) {
    const std::size_t i = rows_[n];
    if (packages[i] == 0 && cells[i] == 0) continue;
    const PostingWeights& w = sign == 0 ? posting_->of(from[i], to[i]) : posting_->of(one[i]);
    const int weight = factor * w.committed;
    if (weight == 0) continue;
    const std::uint32_t vendor = vendor_of(partition_index, vendors[i]);
    const std::uint32_t purchase = by_purchase_ ? purchases[i] : 0;
    const auto count = [&](std::uint32_t set, std::int8_t of_row) {
      distinct_->add(set, vendor, static_cast<std::uint32_t>(partition_index), purchase, weight * of_row);
    };
    if (total_by_purchase_ ? totals[i] != 0 : packages[i] != 0)
      total_by_purchase_ ? count(kWholeSet, totals[i]) : count_vendor_of_whole(vendor, weight * packages[i]);
    if (cells[i] == 0) continue;
    const std::uint32_t group = groups_[n];
    count(group_set(group), cells[i]);
    for (std::size_t d = 0; unknown_[group] >> d != 0; ++d)
      if (is_unknown(group, d)) count(unknown_set(d), cells[i]);
  }
  distinct_->settle();
}

// Vendors are numbered densely, so the whole needs no hash.
void TotalsScan::count_vendor_of_whole(std::uint32_t vendor, std::int64_t packages) {
  if (vendor == 0) return;
  if (vendor >= whole_vendor_counts_.size())
    whole_vendor_counts_.resize(std::max<std::size_t>(vendor + 1, whole_vendor_counts_.size() * 2));
  whole_vendors_ += add_crossing(whole_vendor_counts_[vendor], packages);
}

// 0: no vendor.
std::uint32_t TotalsScan::vendor_of(std::size_t partition_index, std::uint32_t code) {
  std::vector<std::uint32_t>& ids = vendor_ids_[partition_index];
  if (code >= ids.size()) vendors_->extend(partition_index, (*dictionaries_[partition_index])[DictionaryId::vendor], code, ids);
  return ids[code];
}

Measures TotalsScan::measures_of(const PostingSums& sums) const {
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
  PostingSums total;
  std::vector<PostingSums> unknown(query_.by.size());
  const auto packages_of = [this](std::uint32_t set, std::int64_t summed) {
    return static_cast<std::uint64_t>(by_purchase_ ? distinct_->of(set).packages : summed);
  };
  const auto set_counts = [&](Measures& to, std::uint32_t set, std::int64_t summed) {
    to.packages = packages_of(set, summed);
    to.vendors = static_cast<std::uint64_t>(distinct_->of(set).vendors);
  };
  std::vector<std::vector<std::uint32_t>> ranks;
  for (std::size_t d = 0; d < query_.by.size(); ++d) ranks.push_back(ranks_of(*used_[d].values));
  for (const std::uint32_t group : in_order(keys_, ranks)) {
    const PostingSums& s = sums_[group];
    total += s;
    for (std::size_t d = 0; d < query_.by.size(); ++d) {
      if (is_unknown(group, d)) unknown[d] += s;
    }
    if (query_.packages_min != 0 && packages_of(group_set(group), s.packages) < query_.packages_min) continue;
    TotalsRow row;
    row.measures = measures_of(s);
    set_counts(row.measures, group_set(group), s.packages);
    const Measures& m = row.measures;
    if (m.packages == 0 && m.vendors == 0 && m.committed == 0 && m.strict == 0 && m.broad == 0 && m.stage_unknown == 0 &&
        m.paid.value_or(0) == 0) {
      continue;
    }
    row.key.reserve(query_.by.size());
    for (std::size_t d = 0; d < query_.by.size(); ++d) row.key.push_back(used_[d].values->text(keys_[group][d]));
    answer.rows.push_back(std::move(row));
  }
  answer.total = measures_of(total);
  if (total_by_purchase_) {
    set_counts(answer.total, kWholeSet, 0);
  } else {  // without bounds in time and cell filters, packages simply add up
    answer.total.packages = static_cast<std::uint64_t>(total.packages);
    answer.total.vendors = static_cast<std::uint64_t>(whole_vendors_);
  }
  for (std::size_t d = 0; d < query_.by.size(); ++d) {
    Measures part = measures_of(unknown[d]);
    set_counts(part, unknown_set(d), unknown[d].packages);
    answer.unknown.emplace(std::string(name_of(query_.by[d])), part);
  }
  return answer;
}

std::size_t TotalsScan::memory_bytes() const {
  std::size_t bytes = sums_.size() * (sizeof(PostingSums) + sizeof(GroupKey) * 2 + 8) + dense_.size() * 4 + distinct_->memory_bytes();
  bytes += whole_vendor_counts_.capacity() * sizeof(whole_vendor_counts_[0]);
  for (const std::vector<std::uint32_t>& ids : vendor_ids_) bytes += ids.capacity() * sizeof(ids[0]);
  for (const Used& used : used_) bytes += used.values->memory_bytes();
  return bytes;
}

}  // namespace bukubesar
