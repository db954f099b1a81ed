// BlockFilter: which rows of a block a question takes in, and each row's value of every dimension that it groups or filters by.
//
// Where a dimension is the stage, rows are taken apart into postings, since each side of a transfer has its own: the filter is then
// applied once for each account.
//
// Threads  one at a time. Facts are read under the lock that the maker gives.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "projections/row_tests.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

// What follows from the dimensions that a question names.
struct QueryShape {
  bool by_stage = false;           // rows are taken apart into postings
  bool by_cell = false;            // a cell dimension is grouped or filtered by
  bool cell_filter = false;        // one is filtered by
  bool timed = false;              // event time is bounded
  bool by_purchase = false;        // packages are counted purchase by purchase
  bool total_by_purchase = false;  // those of the whole too
  bool of_rows = false;            // values depend on the single row: its event time, or when it was learnt
  [[nodiscard]] bool with_paid() const { return !by_cell && !by_stage; }
};
[[nodiscard]] QueryShape shape_of(const TotalsQuery& query);
// Narrows a mask of the block's rows to those whose event time the question takes in. Reads Column::event_time.
void mask_times(const TotalsQuery& query, const RowBlock& block, std::uint8_t* mask);

class BlockFilter {
 public:
  // row: beside query.by, only the rows of exactly this key; null for all.
  BlockFilter(const TotalsQuery& query, const std::vector<std::string>* row, FactsView facts, std::size_t partitions);
  ~BlockFilter();

  // Before the rows of a partition, and again where the snapshot is another. FailedPrecondition: the ledger has no ledger time.
  [[nodiscard]] absl::Status prepare(std::size_t partition_index, const PartitionSnapshot& partition);
  // What tells whether rows of a partition that was prepared can be left out, whatever their accounts.
  [[nodiscard]] std::vector<RowTest> row_tests(std::size_t partition_index) const;
  // Columns that apply() reads.
  [[nodiscard]] std::vector<Column> columns() const;
  void apply(std::size_t partition_index, const RowBlock& block, Column account);

  // Of the block: 1 where the question takes the row in.
  [[nodiscard]] const std::uint8_t* mask() const { return mask_.data(); }
  // Of the grouped dimension `index`: the number of each row's value.
  [[nodiscard]] const std::uint32_t* ids(std::size_t index) const { return used_[index].ids.data(); }
  [[nodiscard]] const DimensionValues& values(std::size_t index) const { return *used_[index].values; }
  [[nodiscard]] const QueryShape& shape() const { return shape_; }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Used {
    Dimension dimension{};
    bool filtered = false;
    std::unique_ptr<DimensionValues> values;
    std::vector<std::unique_ptr<Resolver>> resolvers;  // by partition
    std::vector<std::uint32_t> ids;                    // of the block
  };
  void use(Dimension dimension, std::vector<std::string> accepted, bool filtered, bool hierarchical);

  const TotalsQuery query_;
  const FactsView facts_;
  const std::size_t partitions_;
  const QueryShape shape_;
  std::vector<Used> used_;  // grouped ones first, in the order of `by`
  std::vector<std::uint8_t> mask_;
};

}  // namespace bukubesar
