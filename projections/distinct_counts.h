// DistinctCounts: how many packages and vendors the sets of an answer have (its groups, its whole, the unknown part of a dimension), kept
// as rows come and go, so that reading them costs nothing.
//
// A package counts where its rows in the set come to more than zero; a vendor where the rows that are its own do, of the set, or of one
// purchase in the set where rows are counted by purchase.
//
// Invariants  what is read depends on the sums alone, never on the order in which they came.
// Threads     one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace bukubesar {

// Adds to a sum; by how much the number of sums above zero changes: what counting of distinct things is made of.
template <class Sum>
int add_crossing(Sum& sum, std::int64_t count) {
  const bool was = sum > 0;
  sum = static_cast<Sum>(sum + count);
  return static_cast<int>(sum > 0) - static_cast<int>(was);
}

class DistinctCounts {
 public:
  struct Counted {
    std::int64_t packages = 0;  // by purchase alone
    std::int64_t vendors = 0;
  };
  explicit DistinctCounts(bool by_purchase) : by_purchase_(by_purchase) {}

  // vendor 0: none. purchase: of its partition, its number; not looked at where rows are not counted by purchase.
  void add(std::uint32_t set, std::uint32_t vendor, std::uint32_t partition, std::uint32_t purchase, std::int64_t count);
  // What another one has counted, of rows of its own, with its sets and vendors as they are called here.
  void add_all(const DistinctCounts& other, const std::vector<std::uint32_t>& set_of,
               const std::function<std::uint32_t(std::uint32_t)>& vendor_of);
  [[nodiscard]] Counted of(std::uint32_t set) const { return set < counted_.size() ? counted_[set] : Counted{}; }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct PurchaseKey {
    std::uint32_t set = 0, partition = 0, purchase = 0;
    friend bool operator==(const PurchaseKey&, const PurchaseKey&) = default;
    template <class H>
    friend H AbslHashValue(H h, const PurchaseKey& key) {
      return H::combine(std::move(h), key.set, key.partition, key.purchase);
    }
  };
  struct OtherKey {
    PurchaseKey of;
    std::uint32_t vendor = 0;
    friend bool operator==(const OtherKey&, const OtherKey&) = default;
    template <class H>
    friend H AbslHashValue(H h, const OtherKey& key) {
      return H::combine(std::move(h), key.of, key.vendor);
    }
  };
  // Nearly every purchase has one vendor for life: its sum stands beside the purchase's, those of others apart.
  struct PurchaseSums {
    std::int32_t all = 0;
    std::uint32_t vendor = 0;
    std::int32_t of_vendor = 0;
  };

  void add_of_purchase(const PurchaseKey& key, PurchaseSums& sums, std::uint32_t vendor, std::int64_t count);
  void add_to_vendor(std::uint32_t set, std::uint32_t vendor, std::int64_t count);

  const bool by_purchase_;
  std::vector<Counted> counted_;                               // by set
  absl::flat_hash_map<std::uint64_t, std::int64_t> vendors_;   // (set, vendor) → packages, or purchases of more than zero
  absl::flat_hash_map<PurchaseKey, PurchaseSums> purchases_;   // where counted by purchase
  absl::flat_hash_map<OtherKey, std::int32_t> other_vendors_;  // of purchases with several
};

}  // namespace bukubesar
