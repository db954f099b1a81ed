// DistinctCounts: how many packages and vendors the sets of an answer have (its groups, its whole, the unknown part of a dimension), kept
// as rows come and go, so that reading them costs nothing.
//
// A package counts where its rows in the set come to more than zero; a vendor where the rows that are its own do, of the set, or of one
// purchase in the set where rows are counted by purchase.
//
// Purchases and vendors are numbered densely in a ledger, so that what is counted stands by its number wherever that takes no more room
// than a hash.
//
// Invariants  what is read depends on the sums alone, never on the order in which they came.
// Threads     one at a time.
// Limits      2^31 − 1 packages of one vendor in a set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"
#include "projections/stable_vector.h"

namespace bukubesar {

// Adds to a sum; by how much the number of sums above zero changes: what counting of distinct things is made of.
template <class Sum>
int add_crossing(Sum& sum, std::int64_t count) {
  const bool was = sum > 0;
  sum = static_cast<Sum>(sum + count);
  return static_cast<int>(sum > 0) - static_cast<int>(was);
}

// A sum for each set and vendor: in a table while that has few empty places; else the sum of a set's first vendor, who often is its only
// one, stands by the set, and the others in a hash.
class VendorSums {
 public:
  // vendor > 0. By how much the number of the set's vendors above zero changes.
  int add(std::uint32_t set, std::uint32_t vendor, std::int64_t count) {
    if (set >= sets_ || vendor >= vendors_) [[unlikely]]  // a hash has no room in its table
      return add_beyond(set, vendor, count);
    std::int32_t& sum = table_[set * vendors_ + vendor];
    const bool was_used = sum != 0;
    const int crossed = add_crossing(sum, count);
    used_ = used_ + static_cast<std::size_t>(sum != 0) - static_cast<std::size_t>(was_used);
    return crossed;
  }
  // Asks memory for the sum.
  void prefetch(std::uint32_t set, std::uint32_t vendor) const {
    if (!is_table_)
      others_.prefetch(key_of(set, vendor));
    else if (set < sets_ && vendor < vendors_)
      __builtin_prefetch(&table_[set * vendors_ + vendor]);
  }
  template <class Visit>
  void for_each(Visit visit) const {  // set, vendor, sum other than 0
    for (std::size_t at = 0; at < table_.size(); ++at)
      if (table_[at] != 0) visit(static_cast<std::uint32_t>(at / vendors_), static_cast<std::uint32_t>(at % vendors_), table_[at]);
    for (std::uint32_t set = 0; set < first_.size(); ++set)
      if (first_[set].sum != 0) visit(set, first_[set].vendor, first_[set].sum);
    for (const auto& [key, sum] : others_)
      if (sum != 0) visit(static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key), sum);
  }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct First {
    std::uint32_t vendor = 0;
    std::int32_t sum = 0;
  };
  static std::uint64_t key_of(std::uint32_t set, std::uint32_t vendor) { return std::uint64_t{set} << 32 | vendor; }
  int add_beyond(std::uint32_t set, std::uint32_t vendor, std::int64_t count);
  int add_apart(std::uint32_t set, std::uint32_t vendor, std::int64_t count);
  [[nodiscard]] bool is_worth_a_table(std::size_t places, std::size_t places_for_each) const;
  void to_table(std::size_t sets, std::size_t vendors);
  void take_apart();

  bool is_table_ = true;
  std::size_t sets_ = 0, vendors_ = 0;  // room of the table
  std::vector<std::int32_t> table_;     // by set, vendor
  std::size_t used_ = 0;                // sums: of a table those that are not zero
  // Where it is no table:
  std::vector<First> first_;  // by set
  absl::flat_hash_map<std::uint64_t, std::int32_t> others_;
  std::uint32_t sets_seen_ = 0, vendors_seen_ = 0;
  std::size_t look_again_ = 0;  // so many sums may have become worth a table
};

class DistinctCounts {
 public:
  struct Counted {
    std::int64_t packages = 0;  // by purchase alone
    std::int64_t vendors = 0;
  };
  explicit DistinctCounts(bool by_purchase) : by_purchase_(by_purchase) {}

  // vendor 0: none. purchase: of its partition, its number; not looked at where rows are not counted by purchase.
  void add(std::uint32_t set, std::uint32_t vendor, std::uint32_t partition, std::uint32_t purchase, std::int64_t count);
  // What another one has counted, of rows of its own, with its sets as they are called here; vendors are called the same.
  void add_all(const DistinctCounts& other, const std::vector<std::uint32_t>& set_of);
  // Before anything is read: what was added may wait, since each sum lies somewhere else, and many are asked of memory together.
  void settle();
  [[nodiscard]] Counted of(std::uint32_t set) const {
    BB_CHECK(waiting_count_ == 0, "what was added has been settled");
    return set < counted_.size() ? counted_[set] : Counted{};
  }
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
  // Nearly every purchase is in a few sets: its sums follow each other from the purchase's first link, those of further sets stand apart.
  struct Link {
    std::uint32_t set = 0;
    std::uint32_t next = 0;  // index + 1; 0: the last one
    PurchaseSums sums;
  };
  static constexpr unsigned kLinksMax = 16;

  void make_room(std::uint32_t sets);
  PurchaseSums& sums_of(const PurchaseKey& key);
  void add_of_purchase(const PurchaseKey& key, PurchaseSums& sums, std::uint32_t vendor, std::int64_t count);
  void add_to_vendor(std::uint32_t set, std::uint32_t vendor, std::int64_t count);
  template <class Visit>
  void for_each_purchase(Visit visit) const;  // key, sums

  struct Waiting {
    std::uint32_t set = 0, vendor = 0;
    std::int64_t count = 0;
  };

  const bool by_purchase_;
  std::vector<Counted> counted_;  // by set
  VendorSums vendors_;            // packages, or purchases of more than zero
  static constexpr std::size_t kWaitingMax = 32;
  std::array<Waiting, kWaitingMax> waiting_{};
  std::size_t waiting_count_ = 0;
  // Where counted by purchase:
  std::vector<std::vector<std::uint32_t>> first_links_;        // by partition, purchase: index + 1; 0: none
  StableVector<Link> links_;                                   // in the order in which they were needed, which is that of the rows
  absl::flat_hash_map<PurchaseKey, PurchaseSums> more_sets_;   // of purchases with kLinksMax links
  absl::flat_hash_map<OtherKey, std::int32_t> other_vendors_;  // of purchases with several
};

}  // namespace bukubesar
