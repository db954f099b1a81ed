// RowTests: which rows of a run a question may take in, told from as few columns as say so.
//
// A filter by a vendor of twenty thousand leaves most of a segment's rows out, and often all: one column shows it, the others need not be
// decoded, or not for all rows. Where the tests leave out little they are given up.
//
// Threads  one.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "projections/scan_dimensions.h"
#include "projections/snapshot.h"

namespace bukubesar {

struct RowTest {
  std::vector<Column> columns;
  Resolver* resolver = nullptr;
  const DimensionValues* values = nullptr;
};

enum class Passing : std::uint8_t { none, few, many };  // many: or it is not known

class RowTests {
 public:
  void set(std::vector<RowTest> tests) { tests_ = std::move(tests); }
  // How many of the rows [first, limit), within one segment or in memory, pass all tests. Few: of a sealed segment, and few() has them.
  [[nodiscard]] absl::StatusOr<Passing> look(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                                             SegmentColumns& scratch);
  [[nodiscard]] const std::vector<std::uint32_t>& few() const { return few_; }  // places in the segment, ascending

 private:
  [[nodiscard]] absl::StatusOr<bool> any_passes(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                                                SegmentColumns& scratch);
  std::vector<std::uint32_t> few_;
  std::vector<RowTest> tests_;
  std::vector<std::uint8_t> mask_;
  std::vector<std::uint32_t> ids_;
  std::uint64_t tried_ = 0, spared_ = 0;  // runs
};

}  // namespace bukubesar
