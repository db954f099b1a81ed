// RowTests: whether a run of rows can be left out, told from as few columns as say so.
//
// A filter by a vendor of twenty thousand leaves most of a segment's rows out, and often all: one column shows it, the others need not be
// decoded. Where the tests leave out little they are given up.
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

class RowTests {
 public:
  void set(std::vector<RowTest> tests) { tests_ = std::move(tests); }
  // True: none of the rows [first, limit) passes all tests. False: one does, or it is not known.
  [[nodiscard]] absl::StatusOr<bool> none_passes(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                                                 SegmentColumns& scratch);

 private:
  std::vector<RowTest> tests_;
  std::vector<std::uint8_t> mask_;
  std::vector<std::uint32_t> ids_;
  std::uint64_t tried_ = 0, left_out_ = 0;  // runs
};

}  // namespace bukubesar
