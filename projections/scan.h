// TotalsScan: the one grouped sum over transfers. It can be extended: rows that came later are added to what was summed before; and moved
// to other facts: only the rows of vendors, institutions and commodities that are judged anew are taken out and put in again.
//
// Every dimension that is grouped or filtered by has a resolver: codes → the answer's values, worked out once for each code and kept.
// Group numbers come from a dense table where the dimensions' product is small, from a hash otherwise.
//
// Invariants  I5, I6: sums are exact (__int128); totals and distinct counts do not depend on how the rows are grouped.
// Threads     one at a time. Facts are read under the lock that the maker gives.
// Limits      by: kGroupDimensionsMax dimensions.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "projections/distinct_counts.h"
#include "projections/facts.h"
#include "projections/posting.h"
#include "projections/snapshot.h"
#include "projections/totals.h"
#include "projections/vendor_numbers.h"

namespace bukubesar {

inline constexpr std::size_t kGroupDimensionsMax = 8;
inline constexpr std::size_t kGroupsMax = 2'000'000;

// InvalidArgument: too many dimensions, one twice, or a filter value that the dimension can not have.
[[nodiscard]] absl::Status check_query(const TotalsQuery& query);
// The same text for the same question, whatever the cut: what results are kept by.
[[nodiscard]] std::string query_key(const TotalsQuery& query);

// The first entry of a partition whose ledger time lies in a month, or in a later one than the entries before it; nothing: it has none.
struct MonthStart {
  std::uint64_t sequence = 0;
  std::optional<Month> month;
};

struct FactsView {
  const Facts* facts = nullptr;
  absl::Mutex* mutex = nullptr;
  FactsCut at;
  int zone_minutes = 0;
  // Of the entries below `size`, ascending. FailedPrecondition: the ledger has no ledger time.
  std::function<absl::StatusOr<std::vector<MonthStart>>(PartitionId partition, std::uint64_t size)> ledger_months;
};

class DimensionValues;  // scan_dimensions.h
class Resolver;
class RowTests;  // row_tests.h

class TotalsScan {
 public:
  TotalsScan(TotalsQuery query, FactsView facts, std::shared_ptr<VendorNumbers> vendors);
  ~TotalsScan();
  // Adds the rows [first, limit) of a partition. ResourceExhausted: more groups than kGroupsMax.
  [[nodiscard]] absl::Status add(std::size_t partition_index, const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit);
  // Adds what another scan of the same question and of the same vendors has added, of other rows of these partitions. ResourceExhausted
  // as above.
  [[nodiscard]] absl::Status add_all(const TotalsScan& other, const std::vector<PartitionSnapshot>& partitions);
  // Joins what was added, the rows [0, limits[i]) of each partition, with the facts at another cut. `changed`: between the two cuts. The
  // scan is of no use after an error.
  [[nodiscard]] absl::Status move_facts(const FactsCut& at, const Facts::Changed& changed, const std::vector<PartitionSnapshot>& partitions,
                                        const std::vector<std::uint64_t>& limits);
  // Instead of summing: sets marks[number] for each purchase of whose rows [first, limit) at least one passes the filters.
  [[nodiscard]] absl::Status mark_purchases(std::size_t partition_index, const PartitionSnapshot& partition, std::uint64_t first,
                                            std::uint64_t limit, std::vector<bool>& marks);
  [[nodiscard]] TotalsAnswer finish(const Cut& cut) const;
  // Frees the columns of the segment that was read last, 1.5 MB or so: for a scan that is kept, and has read all there is.
  void drop_columns() { scratch_ = SegmentColumns(); }
  [[nodiscard]] std::size_t groups() const { return sums_.size(); }
  [[nodiscard]] std::uint64_t rows_scanned() const { return rows_scanned_; }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  using GroupKey = std::array<std::uint32_t, kGroupDimensionsMax>;
  struct Used {
    Dimension dimension{};
    bool grouped = false;
    bool filtered = false;
    std::unique_ptr<DimensionValues> values;
    std::vector<std::uint32_t> ids;  // of the block
  };

  void collect_columns();
  using Resolvers = std::vector<std::unique_ptr<Resolver>>;  // beside used_
  [[nodiscard]] absl::Status set_months(const PartitionSnapshot& partition, Resolvers& to);
  [[nodiscard]] Resolvers make_resolvers(const Dictionaries& dictionaries, const FactsView& facts);
  absl::Status move_rows(std::size_t partition_index, const PartitionSnapshot& partition, std::uint64_t limit,
                         const Facts::Changed& changed, Resolvers to);
  void set_row_tests(std::size_t partition_index);
  absl::Status add_few(std::size_t partition_index, const FileSegment& segment);  // those that row_tests_ found
  absl::Status add_rows(std::size_t partition_index, const RowBlock& block);
  absl::Status add_block(std::size_t partition_index, const RowBlock& block, Column account, int sign);
  absl::Status prepare(std::size_t partition_index, const PartitionSnapshot& partition);
  void mask_all(std::size_t rows);
  void mask_moving(const RowBlock& block, Column account, int sign);
  // Narrows mask_, and fills the dimensions' ids, for one account of each row.
  void filter(std::size_t partition_index, const RowBlock& block, Column account);
  void collect_rows(std::size_t rows);
  absl::Status group_rows();
  void group_by_table();
  void group_by_hash();
  [[nodiscard]] GroupKey key_of(std::size_t row) const;
  std::uint32_t group_of(const GroupKey& key);
  void rebuild_dense();
  void sum_rows(const RowBlock& block, Column account, int sign);
  void count_rows(std::size_t partition_index, const RowBlock& block, Column account, int sign);
  std::uint32_t vendor_of(std::size_t partition_index, std::uint32_t code);
  void count_vendor_of_whole(std::uint32_t vendor, std::int64_t packages);
  // Sets of distinct_: the whole, then the unknown part of each grouped dimension, then the groups.
  static constexpr std::uint32_t kWholeSet = 0;
  [[nodiscard]] static std::uint32_t unknown_set(std::size_t by_index) { return static_cast<std::uint32_t>(1 + by_index); }
  [[nodiscard]] std::uint32_t group_set(std::size_t group) const { return static_cast<std::uint32_t>(1 + query_.by.size() + group); }
  [[nodiscard]] bool is_unknown(std::size_t group, std::size_t by_index) const { return (unknown_[group] >> by_index & 1U) != 0; }
  [[nodiscard]] Measures measures_of(const PostingSums& sums) const;

  const TotalsQuery query_;
  FactsView facts_;
  bool by_stage_ = false;             // rows are taken apart into postings, since each side has its own stage
  bool by_cell_ = false;              // a cell dimension is grouped or filtered by
  bool cell_filter_ = false;          // one is filtered by
  bool by_purchase_ = false;          // packages are counted purchase by purchase
  bool total_by_purchase_ = false;    // those of the whole too
  std::vector<Used> used_;            // grouped ones first, in the order of `by`
  std::vector<Resolvers> resolvers_;  // by partition; none before its first rows
  std::vector<Column> columns_;
  std::optional<PostingTable> posting_;  // made once it is known what is grouped and filtered by

  int direction_ = 1;                   // -1: rows are taken out
  const std::uint8_t* only_ = nullptr;  // where set: these rows of a block alone
  std::vector<std::uint8_t> mask_;      // by row of the block: 0 or 1
  std::vector<std::uint16_t> rows_;     // of the block: those that the question takes in and that move a measure
  std::size_t row_count_ = 0;           // of rows_ and groups_
  std::vector<std::uint32_t> groups_;   // beside rows_
  std::vector<GroupKey> keys_;          // by group
  std::vector<PostingSums> sums_;       // by group
  std::vector<std::uint8_t> unknown_;   // by group: a bit for each grouped dimension whose value is not known
  std::vector<std::uint32_t> dense_;
  std::array<std::uint32_t, kGroupDimensionsMax> dense_limits_{};
  absl::flat_hash_map<GroupKey, std::uint32_t> index_;
  std::optional<DistinctCounts> distinct_;         // made once it is known what is grouped and filtered by
  std::vector<std::int64_t> whole_vendor_counts_;  // by vendor, whatever the group → packages, where not counted by purchase
  std::int64_t whole_vendors_ = 0;                 // those above zero
  std::shared_ptr<VendorNumbers> vendors_;
  std::vector<std::vector<std::uint32_t>> vendor_ids_;  // by partition, code
  std::vector<const Dictionaries*> dictionaries_;
  SegmentColumns scratch_;
  std::unique_ptr<RowTests> row_tests_;
  std::unique_ptr<RowGather> gather_;
  std::uint64_t rows_scanned_ = 0;
};

}  // namespace bukubesar
