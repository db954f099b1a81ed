#include "ledger/id_table.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"

namespace bukubesar {

namespace {

constexpr std::size_t kSlotsMin = 16;
// Fuller than this, linear probing walks too far.
constexpr std::uint64_t kFullPercentMax = 80;

std::uint64_t tag_of(const Fingerprint& fingerprint) { return load_be<std::uint64_t>(fingerprint.data()); }
std::size_t shard_of(const Fingerprint& fingerprint) { return fingerprint[8] & 63U; }

}  // namespace

// Maps the tag evenly to any number of slots, so that shards can grow by half instead of doubling.
std::size_t IdTable::home(std::uint64_t tag, std::size_t slots) {
  return static_cast<std::size_t>(static_cast<unsigned __int128>(tag) * slots >> 64);
}

void IdTable::place(std::vector<Slot>& slots, Slot slot) {
  std::size_t at = home(slot.tag, slots.size());
  while (slots[at].sequence != kNoSequence.value()) at = at + 1 == slots.size() ? 0 : at + 1;
  slots[at] = slot;
}

void IdTable::grow(Shard& shard, std::size_t slots) {
  std::vector<Slot> larger(std::max(slots, kSlotsMin));
  for (const Slot& slot : shard.slots)
    if (slot.sequence != kNoSequence.value()) place(larger, slot);
  shard.slots = std::move(larger);
}

void IdTable::insert(const Fingerprint& fingerprint, Sequence sequence) {
  BB_CHECK(sequence != kNoSequence, "an entry has a sequence");
  Shard& shard = shards_[shard_of(fingerprint)];
  if ((shard.used + 1) * 100 > shard.slots.size() * kFullPercentMax) grow(shard, shard.slots.size() + shard.slots.size() / 2);
  place(shard.slots, {tag_of(fingerprint), sequence.value()});
  ++shard.used;
  ++size_;
}

void IdTable::erase(const Fingerprint& fingerprint, Sequence sequence) {
  Shard& shard = shards_[shard_of(fingerprint)];
  auto& slots = shard.slots;
  if (slots.empty()) return;
  const std::uint64_t tag = tag_of(fingerprint);
  const auto next = [&](std::size_t at) { return at + 1 == slots.size() ? 0 : at + 1; };
  std::size_t at = home(tag, slots.size());
  while (slots[at].sequence != kNoSequence.value() && (slots[at].tag != tag || slots[at].sequence != sequence.value())) at = next(at);
  if (slots[at].sequence == kNoSequence.value()) return;
  --shard.used;
  --size_;
  // What follows in the same run is placed anew, so that no probe ends early at the hole.
  slots[at] = Slot{};
  for (at = next(at); slots[at].sequence != kNoSequence.value(); at = next(at)) {
    const Slot moved = slots[at];
    slots[at] = Slot{};
    place(slots, moved);
  }
}

IdTable::Candidates IdTable::candidates(const Fingerprint& fingerprint) const {
  Candidates found;
  const auto& slots = shards_[shard_of(fingerprint)].slots;
  if (slots.empty()) return found;
  const std::uint64_t tag = tag_of(fingerprint);
  for (std::size_t at = home(tag, slots.size()); slots[at].sequence != kNoSequence.value(); at = at + 1 == slots.size() ? 0 : at + 1)
    if (slots[at].tag == tag) found.push_back(Sequence(slots[at].sequence));
  return found;
}

void IdTable::prefetch(const Fingerprint& fingerprint) const {
  const auto& slots = shards_[shard_of(fingerprint)].slots;
  if (!slots.empty()) __builtin_prefetch(&slots[home(tag_of(fingerprint), slots.size())]);
}

void IdTable::reserve(std::uint64_t count) {
  const std::size_t slots = static_cast<std::size_t>(count * 100 / kFullPercentMax / kShards);
  for (Shard& shard : shards_)
    if (slots > shard.slots.size()) grow(shard, slots + slots / 16);
}

std::uint64_t IdTable::memory_bytes() const {
  std::uint64_t bytes = sizeof *this;
  for (const Shard& shard : shards_) bytes += shard.slots.capacity() * sizeof(Slot);
  return bytes;
}

}  // namespace bukubesar
