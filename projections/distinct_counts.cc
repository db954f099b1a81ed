#include "projections/distinct_counts.h"

#include <algorithm>
#include <span>

namespace bukubesar {

namespace {

constexpr std::size_t kTablePlacesAlways = 1U << 21;  // 8 MiB: a table of so few places needs no reason
// A sum in a hash takes 15 to 30 bytes, a place in a table 4. Between the two bounds a table stays one, and a hash one.
constexpr std::size_t kPlacesForEachToBecome = 5;
constexpr std::size_t kPlacesForEachToStay = 8;
constexpr std::size_t kFirstLook = 1U << 16;

template <class Map>
std::size_t bytes_of(const Map& map) {
  return map.capacity() * (sizeof(*map.begin()) + 1);
}

std::size_t grown(std::size_t room, std::size_t needed) { return needed <= room ? room : std::max(needed, room + room / 2); }

}  // namespace

int VendorSums::add_beyond(std::uint32_t set, std::uint32_t vendor, std::int64_t count) {
  if (!is_table_) return add_apart(set, vendor, count);
  const std::size_t sets = grown(sets_, std::size_t{set} + 1);
  const std::size_t vendors = grown(vendors_, std::size_t{vendor} + 1);
  if (is_worth_a_table(sets * vendors, kPlacesForEachToStay))
    to_table(sets, vendors);
  else
    take_apart();
  return add(set, vendor, count);
}

int VendorSums::add_apart(std::uint32_t set, std::uint32_t vendor, std::int64_t count) {
  sets_seen_ = std::max(sets_seen_, set + 1);
  vendors_seen_ = std::max(vendors_seen_, vendor + 1);
  if (set >= first_.size()) first_.resize(grown(first_.size(), std::size_t{set} + 1));
  First& first = first_[set];
  if (first.vendor == 0) {
    first.vendor = vendor;
    ++used_;
  }
  if (first.vendor == vendor) return add_crossing(first.sum, count);
  const auto [at, is_new] = others_.try_emplace(key_of(set, vendor), 0);
  const int crossed = add_crossing(at->second, count);
  used_ += is_new ? 1 : 0;
  if (used_ >= look_again_) {
    look_again_ = 2 * used_;
    if (is_worth_a_table(std::size_t{sets_seen_} * vendors_seen_, kPlacesForEachToBecome)) to_table(sets_seen_, vendors_seen_);
  }
  return crossed;
}

bool VendorSums::is_worth_a_table(std::size_t places, std::size_t places_for_each) const {
  return places <= std::max(kTablePlacesAlways, places_for_each * used_);
}

void VendorSums::to_table(std::size_t sets, std::size_t vendors) {
  std::vector<std::int32_t> to(sets * vendors);
  used_ = 0;
  for_each([&](std::uint32_t set, std::uint32_t vendor, std::int32_t sum) {
    to[set * vendors + vendor] = sum;
    ++used_;
  });
  table_ = std::move(to);
  sets_ = sets;
  vendors_ = vendors;
  is_table_ = true;
  first_ = {};
  others_ = {};
}

void VendorSums::take_apart() {
  const std::vector<std::int32_t> table = std::exchange(table_, {});
  const std::size_t vendors = vendors_;
  is_table_ = false;
  sets_ = vendors_ = used_ = 0;
  look_again_ = table.size() + kFirstLook;  // not while it is moved
  for (std::size_t at = 0; at < table.size(); ++at)
    if (table[at] != 0) add_apart(static_cast<std::uint32_t>(at / vendors), static_cast<std::uint32_t>(at % vendors), table[at]);
  look_again_ = std::max(kFirstLook, 2 * used_);
}

std::size_t VendorSums::memory_bytes() const {
  return table_.capacity() * sizeof(table_[0]) + first_.capacity() * sizeof(First) + bytes_of(others_);
}

void DistinctCounts::make_room(std::uint32_t sets) {
  if (sets > counted_.size()) counted_.resize(std::max<std::size_t>(sets, counted_.size() * 2));
}

void DistinctCounts::add(std::uint32_t set, std::uint32_t vendor, std::uint32_t partition, std::uint32_t purchase, std::int64_t count) {
  make_room(set + 1);
  if (!by_purchase_) {
    if (vendor != 0) add_to_vendor(set, vendor, count);
    return;
  }
  const PurchaseKey key{set, partition, purchase};
  PurchaseSums& sums = sums_of(key);
  counted_[set].packages += add_crossing(sums.all, count);
  if (vendor != 0) add_of_purchase(key, sums, vendor, count);
}

DistinctCounts::PurchaseSums& DistinctCounts::sums_of(const PurchaseKey& key) {
  if (key.partition >= first_links_.size()) first_links_.resize(key.partition + 1);
  std::vector<std::uint32_t>& first = first_links_[key.partition];
  if (key.purchase >= first.size()) first.resize(grown(first.size(), std::size_t{key.purchase} + 1));
  unsigned links = 0;
  for (std::uint32_t at = first[key.purchase]; at != 0; at = links_[at - 1].next, ++links)
    if (links_[at - 1].set == key.set) return links_[at - 1].sums;
  if (links == kLinksMax) return more_sets_[key];
  Link& link = links_.emplace_back(Link{key.set, first[key.purchase], {}});
  first[key.purchase] = static_cast<std::uint32_t>(links_.size());
  return link.sums;
}

// The part of a purchase's sum that is a vendor's.
void DistinctCounts::add_of_purchase(const PurchaseKey& key, PurchaseSums& sums, std::uint32_t vendor, std::int64_t count) {
  if (sums.vendor == 0) sums.vendor = vendor;
  const int crossed = sums.vendor == vendor ? add_crossing(sums.of_vendor, count) : add_crossing(other_vendors_[{key, vendor}], count);
  if (crossed != 0) add_to_vendor(key.set, vendor, crossed);
}

template <class Visit>
void DistinctCounts::for_each_purchase(Visit visit) const {
  for (std::uint32_t partition = 0; partition < first_links_.size(); ++partition) {
    const std::vector<std::uint32_t>& first = first_links_[partition];
    for (std::uint32_t purchase = 0; purchase < first.size(); ++purchase)
      for (std::uint32_t at = first[purchase]; at != 0; at = links_[at - 1].next)
        visit(PurchaseKey{links_[at - 1].set, partition, purchase}, links_[at - 1].sums);
  }
  for (const auto& [key, sums] : more_sets_) visit(key, sums);
}

void DistinctCounts::add_all(const DistinctCounts& other, const std::vector<std::uint32_t>& set_of) {
  BB_CHECK(other.waiting_count_ == 0, "what was added has been settled");
  make_room(*std::max_element(set_of.begin(), set_of.end()) + 1);
  if (!by_purchase_) {
    other.vendors_.for_each([&](std::uint32_t set, std::uint32_t vendor, std::int32_t sum) { add_to_vendor(set_of[set], vendor, sum); });
    return settle();
  }
  const auto here = [&](const PurchaseKey& key) { return PurchaseKey{set_of[key.set], key.partition, key.purchase}; };
  other.for_each_purchase([&](const PurchaseKey& their_key, const PurchaseSums& theirs) {
    const PurchaseKey key = here(their_key);
    PurchaseSums& sums = sums_of(key);
    counted_[key.set].packages += add_crossing(sums.all, theirs.all);
    if (theirs.vendor != 0) add_of_purchase(key, sums, theirs.vendor, theirs.of_vendor);
  });
  for (const auto& [their_key, sum] : other.other_vendors_) {
    const PurchaseKey key = here(their_key.of);
    add_of_purchase(key, sums_of(key), their_key.vendor, sum);
  }
  settle();
}

void DistinctCounts::add_to_vendor(std::uint32_t set, std::uint32_t vendor, std::int64_t count) {
  vendors_.prefetch(set, vendor);
  waiting_[waiting_count_++] = {set, vendor, count};
  if (waiting_count_ == waiting_.size()) settle();
}

void DistinctCounts::settle() {
  for (const Waiting& one : std::span(waiting_).first(std::exchange(waiting_count_, 0)))
    counted_[one.set].vendors += vendors_.add(one.set, one.vendor, one.count);
}

std::size_t DistinctCounts::memory_bytes() const {
  std::size_t bytes = counted_.capacity() * sizeof(Counted) + vendors_.memory_bytes() + links_.memory_bytes() + bytes_of(more_sets_) +
                      bytes_of(other_vendors_);
  for (const std::vector<std::uint32_t>& first : first_links_) bytes += first.capacity() * sizeof(first[0]);
  return bytes;
}

}  // namespace bukubesar
