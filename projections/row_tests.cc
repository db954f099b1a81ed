#include "projections/row_tests.h"

#include <algorithm>

namespace bukubesar {

namespace {

constexpr std::uint64_t kTrialRuns = 8;   // before it is judged whether testing pays
constexpr std::uint64_t kPaysOneOf = 10;  // runs that must have been left out

}  // namespace

absl::StatusOr<bool> RowTests::none_passes(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                                           SegmentColumns& scratch) {
  if (tests_.empty() || (tried_ >= kTrialRuns && left_out_ * kPaysOneOf < tried_)) return false;
  ++tried_;
  mask_.assign(limit - first, 1);
  ids_.resize(kChunkRows);
  for (const RowTest& test : tests_) {
    std::uint8_t any = 0;
    const absl::Status status = for_each_block(partition, first, limit, test.columns, scratch, [&](const RowBlock& block) {
      test.resolver->resolve(block, Column::to, ids_.data());
      const std::uint8_t* allowed = test.values->allowed();
      std::uint8_t* mask = mask_.data() + (block.first_row - first);
      for (std::size_t i = 0; i < block.rows; ++i) any |= mask[i] &= allowed[ids_[i]];
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    if (any != 0) continue;
    ++left_out_;
    return true;
  }
  return false;
}

}  // namespace bukubesar
