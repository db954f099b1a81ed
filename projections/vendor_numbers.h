// VendorNumbers: one dense number for each vendor of a ledger, whichever partitions name it. All questions share them, so that a vendor's
// text is looked at once, and what one scan has counted by vendor adds to what another one has.
//
// Threads  any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "projections/dictionary.h"

namespace bukubesar {

class VendorNumbers {
 public:
  explicit VendorNumbers(std::size_t partitions) : by_code_(partitions), partitions_(partitions) {}
  [[nodiscard]] std::size_t partitions() const { return partitions_; }
  // Appends to `numbers`, which holds those of a partition's first codes, all that are known, `code` among them. 0: no vendor.
  // `vendors`: the partition's own dictionary, where `code` has been published; it must live as long as this.
  void extend(std::size_t partition_index, const Dictionary& vendors, std::uint32_t code, std::vector<std::uint32_t>& numbers);
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::vector<std::uint32_t>> by_code_ ABSL_GUARDED_BY(mutex_);  // by partition, code
  absl::flat_hash_map<absl::string_view, std::uint32_t> by_text_ ABSL_GUARDED_BY(mutex_);
  const std::size_t partitions_;
};

}  // namespace bukubesar
