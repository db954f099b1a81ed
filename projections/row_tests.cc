#include "projections/row_tests.h"

#include "base/status.h"

namespace bukubesar {

namespace {

constexpr std::uint64_t kTrialRuns = 8;   // before it is judged whether testing pays
constexpr std::uint64_t kPaysOneOf = 10;  // runs that must have been left out, or nearly
constexpr std::uint64_t kFewOneOf = 8;    // rows; a row by itself costs several times what it costs in a block

}  // namespace

absl::StatusOr<Passing> RowTests::look(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                                       SegmentColumns& scratch) {
  if (tests_.empty() || (tried_ >= kTrialRuns && spared_ * kPaysOneOf < tried_)) return Passing::many;
  ++tried_;
  ASSIGN_OR_RETURN(const bool any, any_passes(partition, first, limit, scratch));
  if (!any) {
    ++spared_;
    return Passing::none;
  }
  const FileSegment* segment = segment_at(partition, first);
  if (segment == nullptr) return Passing::many;
  few_.clear();
  const std::size_t few_max = (limit - first) / kFewOneOf;
  const auto first_place = static_cast<std::uint32_t>(first - segment->header().first_row);
  for (std::uint32_t i = 0; i < mask_.size(); ++i) {
    if (mask_[i] == 0) continue;
    if (few_.size() == few_max) return Passing::many;
    few_.push_back(first_place + i);
  }
  ++spared_;
  return Passing::few;
}

// Fills mask_; false: it is zero throughout.
absl::StatusOr<bool> RowTests::any_passes(const PartitionSnapshot& partition, std::uint64_t first, std::uint64_t limit,
                                          SegmentColumns& scratch) {
  mask_.assign(limit - first, 1);
  ids_.resize(kChunkRows);
  for (const RowTest& test : tests_) {
    std::uint8_t any = 0;
    RETURN_IF_ERROR(for_each_block(partition, first, limit, test.columns, scratch, [&](const RowBlock& block) {
      test.resolver->resolve(block, Column::to, ids_.data());
      const std::uint8_t* allowed = test.values->allowed();
      std::uint8_t* mask = mask_.data() + (block.first_row - first);
      for (std::size_t i = 0; i < block.rows; ++i) any |= mask[i] &= allowed[ids_[i]];
      return absl::OkStatus();
    }));
    if (any == 0) return false;
  }
  return true;
}

}  // namespace bukubesar
