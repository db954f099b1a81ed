#include "ledger/id_table.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace bukubesar {

namespace {

constexpr unsigned kSequenceBits = 40;
constexpr unsigned kTagBits = 24;
constexpr std::uint64_t kFree = IdTable::kSequenceMax;
constexpr std::size_t kSlotsMin = 8;
// Fuller than this, linear probing walks too far.
constexpr std::uint64_t kFullPercentMax = 80;

std::uint64_t sequence_of(std::uint64_t slot) { return slot & IdTable::kSequenceMax; }
std::uint64_t tag_of(std::uint64_t slot) { return slot >> kSequenceBits; }
bool is_free(std::uint64_t slot) { return sequence_of(slot) == kFree; }
std::uint64_t slot_of(std::uint64_t tag, Sequence sequence) { return tag << kSequenceBits | sequence.value(); }

std::uint64_t random_secret() {
  std::random_device random;
  return std::uint64_t{random()} << 32U | random();
}

// The high half of a product depends on all bits of both factors, and so does the low half with it.
std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product >> 64U) ^ static_cast<std::uint64_t>(product);
}

}  // namespace

IdTable::IdTable() : IdTable(random_secret()) {}
IdTable::IdTable(std::uint64_t secret) : IdTable(secret, kShards) {}
IdTable IdTable::of_few() { return {random_secret(), 1}; }

IdTable::Place IdTable::place_of(const Fingerprint& fingerprint) const {
  const std::uint64_t hash =
      folded_product(load_be<std::uint64_t>(fingerprint.data()) ^ secret_, load_be<std::uint64_t>(fingerprint.data() + 8) ^ ~secret_);
  return {hash & (shards_.size() - 1), hash >> (64 - kTagBits)};
}

// Maps the tag evenly to any number of slots, so that shards can grow by a quarter instead of doubling.
std::size_t IdTable::home(std::uint64_t tag, const Shard& shard) { return static_cast<std::size_t>(tag * shard.count >> kTagBits); }

void IdTable::put(Shard& shard, Slot slot) {
  std::size_t at = home(tag_of(slot), shard);
  while (!is_free(shard.slots[at])) at = after(at, shard);
  shard.slots[at] = slot;
}

void IdTable::grow(Shard& shard, std::size_t count) {
  Shard larger;
  larger.count = static_cast<std::uint32_t>(std::max(count, kSlotsMin));
  larger.used = shard.used;
  larger.slots = std::make_unique_for_overwrite<Slot[]>(larger.count);
  std::fill_n(larger.slots.get(), larger.count, kFree);
  for (std::size_t at = 0; at < shard.count; ++at)
    if (!is_free(shard.slots[at])) put(larger, shard.slots[at]);
  shard = std::move(larger);
}

void IdTable::insert(const Fingerprint& fingerprint, Sequence sequence) {
  BB_CHECK(sequence.value() < kSequenceMax, "a partition has fewer entries than 2^40");
  const auto [number, tag] = place_of(fingerprint);
  Shard& shard = shards_[number];
  if ((std::uint64_t{shard.used} + 1) * 100 > std::uint64_t{shard.count} * kFullPercentMax) grow(shard, shard.count + shard.count / 4 + 1);
  put(shard, slot_of(tag, sequence));
  ++shard.used;
  ++size_;
}

void IdTable::erase(const Fingerprint& fingerprint, Sequence sequence) {
  const auto [number, tag] = place_of(fingerprint);
  Shard& shard = shards_[number];
  if (shard.count == 0) return;
  const Slot wanted = slot_of(tag, sequence);
  std::size_t at = home(tag, shard);
  while (!is_free(shard.slots[at]) && shard.slots[at] != wanted) at = after(at, shard);
  if (is_free(shard.slots[at])) return;
  --shard.used;
  --size_;
  // What follows in the same run is put anew, so that no probe ends early at the hole.
  shard.slots[at] = kFree;
  for (at = after(at, shard); !is_free(shard.slots[at]); at = after(at, shard)) put(shard, std::exchange(shard.slots[at], kFree));
}

IdTable::Candidates IdTable::candidates(const Fingerprint& fingerprint) const {
  Candidates found;
  const auto [number, tag] = place_of(fingerprint);
  const Shard& shard = shards_[number];
  if (shard.count == 0) return found;
  for (std::size_t at = home(tag, shard); !is_free(shard.slots[at]); at = after(at, shard))
    if (tag_of(shard.slots[at]) == tag) found.push_back(Sequence(sequence_of(shard.slots[at])));
  return found;
}

void IdTable::prefetch(const Fingerprint& fingerprint) const {
  const auto [number, tag] = place_of(fingerprint);
  const Shard& shard = shards_[number];
  if (shard.count != 0) __builtin_prefetch(&shard.slots[home(tag, shard)]);
}

void IdTable::reserve(std::uint64_t count) {
  const std::uint64_t slots = count * 100 / kFullPercentMax / shards_.size();
  for (Shard& shard : shards_)
    if (slots > shard.count) grow(shard, slots + slots / 16 + 1);
}

std::uint64_t IdTable::memory_bytes() const {
  std::uint64_t bytes = sizeof *this + shards_.capacity() * sizeof(Shard);
  for (const Shard& shard : shards_) bytes += std::uint64_t{shard.count} * sizeof(Slot);
  return bytes;
}

}  // namespace bukubesar
