// Cut: one size for each ledger partition, the reference partition included: what a view or an answer has read.
//
// Text form `0=812,1=90,reference=97`: numbered partitions ascending, then the reference partition.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace bukubesar {

class Cut {
 public:
  Cut() = default;
  // Entries of the partition that are inside the cut; 0 for a partition that the cut does not name.
  [[nodiscard]] std::uint64_t size(PartitionId partition) const;
  void set(PartitionId partition, std::uint64_t size) { sizes_[partition] = size; }
  [[nodiscard]] const std::map<PartitionId, std::uint64_t>& sizes() const { return sizes_; }
  // True where every partition of `other` is at least as far in this one.
  [[nodiscard]] bool covers(const Cut& other) const;
  [[nodiscard]] std::string text() const;
  // InvalidArgument names what is wrong: a doubled partition, a size that is no number, an unknown name.
  static absl::StatusOr<Cut> parse(std::string_view text);
  friend bool operator==(const Cut&, const Cut&) = default;

 private:
  std::map<PartitionId, std::uint64_t> sizes_;
};

}  // namespace bukubesar
