#include "projections/distinct_counts.h"

#include <algorithm>

namespace bukubesar {

void DistinctCounts::add(std::uint32_t set, std::uint32_t vendor, std::uint32_t partition, std::uint32_t purchase, std::int64_t count) {
  if (set >= counted_.size()) counted_.resize(std::max<std::size_t>(set + 1, counted_.size() * 2));
  if (!by_purchase_) {
    if (vendor != 0) add_to_vendor(set, vendor, count);
    return;
  }
  const PurchaseKey key{set, partition, purchase};
  PurchaseSums& sums = purchases_[key];
  counted_[set].packages += add_crossing(sums.all, count);
  if (vendor != 0) add_of_purchase(key, sums, vendor, count);
}

// The part of a purchase's sum that is a vendor's.
void DistinctCounts::add_of_purchase(const PurchaseKey& key, PurchaseSums& sums, std::uint32_t vendor, std::int64_t count) {
  if (sums.vendor == 0) sums.vendor = vendor;
  const int crossed = sums.vendor == vendor ? add_crossing(sums.of_vendor, count) : add_crossing(other_vendors_[{key, vendor}], count);
  if (crossed != 0) add_to_vendor(key.set, vendor, crossed);
}

void DistinctCounts::add_all(const DistinctCounts& other, const std::vector<std::uint32_t>& set_of,
                             const std::function<std::uint32_t(std::uint32_t)>& vendor_of) {
  const std::uint32_t sets = *std::max_element(set_of.begin(), set_of.end()) + 1;
  if (sets > counted_.size()) counted_.resize(std::max<std::size_t>(sets, counted_.size() * 2));
  if (!by_purchase_) {
    for (const auto& [key, sum] : other.vendors_) add_to_vendor(set_of[key >> 32], vendor_of(static_cast<std::uint32_t>(key)), sum);
    return;
  }
  const auto here = [&](const PurchaseKey& key) { return PurchaseKey{set_of[key.set], key.partition, key.purchase}; };
  for (const auto& [their_key, theirs] : other.purchases_) {
    const PurchaseKey key = here(their_key);
    PurchaseSums& sums = purchases_[key];
    counted_[key.set].packages += add_crossing(sums.all, theirs.all);
    if (theirs.vendor != 0) add_of_purchase(key, sums, vendor_of(theirs.vendor), theirs.of_vendor);
  }
  for (const auto& [their_key, sum] : other.other_vendors_) {
    const PurchaseKey key = here(their_key.of);
    add_of_purchase(key, purchases_[key], vendor_of(their_key.vendor), sum);
  }
}

void DistinctCounts::add_to_vendor(std::uint32_t set, std::uint32_t vendor, std::int64_t count) {
  counted_[set].vendors += add_crossing(vendors_[std::uint64_t{set} << 32 | vendor], count);
}

std::size_t DistinctCounts::memory_bytes() const {
  const auto table = [](const auto& map) { return map.capacity() * (sizeof(*map.begin()) + 1); };
  return counted_.capacity() * sizeof(Counted) + table(vendors_) + table(purchases_) + table(other_vendors_);
}

}  // namespace bukubesar
