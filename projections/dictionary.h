// Dictionary: texts as dense numbers, in the order in which the fold first met them; so numbers are a function of the entries (I5).
//
// Threads  intern() and find() under the owner's lock; text() of a published number from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "base/arena.h"
#include "base/check.h"
#include "projections/stable_vector.h"

namespace bukubesar {

class Dictionary {
 public:
  Dictionary() : index_(0, Hash{}, Equal{this}) {}
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  std::uint32_t intern(std::string_view text) {
    // A feed or system is nearly always the one of the event before.
    if (last_ < size() && texts_[last_] == text) return last_;
    const Wanted wanted(text);
    last_ = index_.lazy_emplace(wanted, [&](const auto& emplace) { emplace(Slot{wanted.hash, append(text)}); })->code;
    return last_;
  }
  // Asks memory for what find() and intern() will look at first. Worth it some steps ahead.
  void prefetch(std::string_view text) const { index_.prefetch(Wanted(text)); }
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view text) const {
    const auto found = index_.find(Wanted(text));
    if (found == index_.end()) return std::nullopt;
    return found->code;
  }
  [[nodiscard]] std::string_view text(std::uint32_t code) const { return texts_[code]; }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(texts_.size()); }
  [[nodiscard]] std::size_t memory_bytes() const {
    return arena_.total_bytes() + texts_.memory_bytes() + index_.capacity() * (1 + sizeof(Slot));
  }

 private:
  // The hash stands beside the number: growing the index, and most lookups that end on a stranger, touch no text.
  struct Slot {
    std::uint32_t hash;
    std::uint32_t code;
  };
  struct Wanted {
    explicit Wanted(std::string_view wanted)
        : hash(static_cast<std::uint32_t>(absl::HashOf(absl::string_view(wanted.data(), wanted.size())))), text(wanted) {}
    std::uint32_t hash;
    std::string_view text;
  };
  struct Hash {
    using is_transparent = void;
    // Spread over 64 bits: the set takes its place and its tag from different ends.
    static std::size_t spread(std::uint32_t hash) { return hash * std::uint64_t{0x9E3779B97F4A7C15}; }
    std::size_t operator()(const Slot& slot) const { return spread(slot.hash); }
    std::size_t operator()(const Wanted& wanted) const { return spread(wanted.hash); }
  };
  struct Equal {
    using is_transparent = void;
    const Dictionary* owner;
    bool operator()(const Slot& a, const Slot& b) const { return a.code == b.code; }
    bool operator()(const Slot& a, const Wanted& b) const { return a.hash == b.hash && owner->texts_[a.code] == b.text; }
    bool operator()(const Wanted& a, const Slot& b) const { return (*this)(b, a); }
  };

  std::uint32_t append(std::string_view text) {
    BB_CHECK(texts_.size() < 0xFFFFFFF0U, "a dictionary's numbers have 32 bits");
    texts_.emplace_back(arena_.copy(text));
    return static_cast<std::uint32_t>(texts_.size() - 1);
  }

  std::uint32_t last_ = 0;  // what intern() answered last
  Arena arena_{16 * 1024};
  StableVector<std::string_view> texts_;
  absl::flat_hash_set<Slot, Hash, Equal> index_;
};

}  // namespace bukubesar
