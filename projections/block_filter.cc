#include "projections/block_filter.h"

#include <algorithm>
#include <limits>

#include "base/status.h"

namespace bukubesar {

QueryShape shape_of(const TotalsQuery& query) {
  QueryShape shape;
  const auto is_of_row = [](Dimension dimension) { return dimension == Dimension::event_month || dimension == Dimension::ledger_month; };
  const auto look = [&](Dimension dimension) {
    shape.by_stage |= dimension == Dimension::stage;
    shape.by_cell |= is_cell_dimension(dimension);
    shape.of_rows |= is_of_row(dimension);
  };
  for (const Dimension dimension : query.by) look(dimension);
  for (const auto& [dimension, accepted] : query.where) {
    look(dimension);
    shape.cell_filter |= is_cell_dimension(dimension);
    shape.total_by_purchase |= is_cell_dimension(dimension) || is_of_row(dimension);
  }
  shape.timed = query.from_ms || query.until_ms;
  shape.of_rows |= shape.timed;
  // A part of a purchase's transfers may take away more than it adds: then what is counted is who is above zero in it.
  shape.by_purchase = shape.by_cell || shape.of_rows;
  shape.total_by_purchase |= shape.timed;
  return shape;
}

BlockFilter::BlockFilter(const TotalsQuery& query, const std::vector<std::string>* row, FactsView facts, std::size_t partitions)
    : query_(query), facts_(std::move(facts)), partitions_(partitions), shape_(shape_of(query)) {
  for (std::size_t i = 0; i < query_.by.size(); ++i) {
    const Dimension dimension = query_.by[i];
    const auto where = query_.where.find(dimension);
    if (row == nullptr) {
      use(dimension, where == query_.where.end() ? std::vector<std::string>{} : where->second, where != query_.where.end(),
          is_hierarchical(dimension));
    } else {
      use(dimension, {(*row)[i]}, true, false);
    }
  }
  for (const auto& [dimension, accepted] : query_.where) {
    const bool grouped = std::find(query_.by.begin(), query_.by.end(), dimension) != query_.by.end();
    if (!grouped || row != nullptr) use(dimension, accepted, true, is_hierarchical(dimension));
  }
  mask_.resize(kChunkRows);
}

BlockFilter::~BlockFilter() = default;

void BlockFilter::use(Dimension dimension, std::vector<std::string> accepted, bool filtered, bool hierarchical) {
  Used used;
  used.dimension = dimension;
  used.filtered = filtered;
  used.values = std::make_unique<DimensionValues>(std::move(accepted), hierarchical);
  used.resolvers.resize(partitions_);
  used.ids.resize(kChunkRows);
  used_.push_back(std::move(used));
}

absl::Status BlockFilter::prepare(std::size_t partition_index, const PartitionSnapshot& partition) {
  for (Used& used : used_) {
    std::unique_ptr<Resolver>& resolver = used.resolvers[partition_index];
    if (used.dimension == Dimension::ledger_month) {
      if (!facts_.ledger_months) return failed_precondition("ledger_month: there is no ledger here to ask for its ledger time");
      ASSIGN_OR_RETURN(const std::vector<MonthStart> starts, facts_.ledger_months(partition.id, partition.size));
      resolver = make_ledger_month_resolver(starts, *used.values);
    } else if (resolver == nullptr) {
      resolver = make_resolver(used.dimension, *partition.dictionaries, facts_, query_.scale_basis, *used.values);
    }
  }
  return absl::OkStatus();
}

std::vector<RowTest> BlockFilter::row_tests(std::size_t partition_index) const {
  std::vector<RowTest> tests;
  for (const Used& used : used_) {
    if (used.filtered && used.dimension != Dimension::stage)
      tests.push_back({columns_of(used.dimension), used.resolvers[partition_index].get(), used.values.get()});
  }
  return tests;
}

std::vector<Column> BlockFilter::columns() const {
  std::vector<Column> columns;
  const auto want = [&](Column c) {
    if (std::find(columns.begin(), columns.end(), c) == columns.end()) columns.push_back(c);
  };
  for (const Used& used : used_) {
    for (const Column c : columns_of(used.dimension)) want(c);
  }
  if (shape_.timed) want(Column::event_time);
  return columns;
}

void BlockFilter::apply(std::size_t partition_index, const RowBlock& block, Column account) {
  std::fill_n(mask_.data(), block.rows, std::uint8_t{1});
  if (shape_.timed) mask_times(query_, block, mask_.data());
  for (Used& used : used_) {
    used.resolvers[partition_index]->resolve(block, account, used.ids.data());
    if (!used.filtered) continue;
    const std::uint8_t* allowed = used.values->allowed();
    for (std::size_t i = 0; i < block.rows; ++i) mask_[i] &= allowed[used.ids[i]];
  }
}

void mask_times(const TotalsQuery& query, const RowBlock& block, std::uint8_t* mask) {
  const auto* times = block.columns.values<std::int64_t>(Column::event_time);
  const std::int64_t from = query.from_ms.value_or(std::numeric_limits<std::int64_t>::min());
  if (query.until_ms) {
    const std::int64_t until = *query.until_ms;
    for (std::size_t i = 0; i < block.rows; ++i) mask[i] &= times[i] >= from && times[i] < until ? 1 : 0;
  } else {
    for (std::size_t i = 0; i < block.rows; ++i) mask[i] &= times[i] >= from ? 1 : 0;
  }
}

std::size_t BlockFilter::memory_bytes() const {
  std::size_t bytes = 0;
  for (const Used& used : used_) bytes += used.values->memory_bytes();
  return bytes;
}

}  // namespace bukubesar
