// Dictionary: texts as dense numbers, in the order in which the fold first met them; so numbers are a function of the entries (I5).
//
// Threads  intern() and find() under the owner's lock; text() of a published number from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "base/arena.h"
#include "base/check.h"
#include "projections/stable_vector.h"

namespace bukubesar {

class Dictionary {
 public:
  Dictionary() : index_(0, Hash{this}, Equal{this}) {}
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  std::uint32_t intern(std::string_view text) {
    const auto found = index_.find(text);
    if (found != index_.end()) return *found;
    BB_CHECK(texts_.size() < 0xFFFFFFF0U, "a dictionary's numbers have 32 bits");
    const auto code = static_cast<std::uint32_t>(texts_.size());
    texts_.emplace_back(arena_.copy(text));
    index_.insert(code);
    return code;
  }
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view text) const {
    const auto found = index_.find(text);
    if (found == index_.end()) return std::nullopt;
    return *found;
  }
  [[nodiscard]] std::string_view text(std::uint32_t code) const { return texts_[code]; }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(texts_.size()); }
  [[nodiscard]] std::size_t memory_bytes() const { return arena_.total_bytes() + texts_.memory_bytes() + index_.capacity() * 5; }

 private:
  struct Hash {
    using is_transparent = void;
    const Dictionary* owner;
    std::size_t operator()(std::uint32_t code) const { return (*this)(owner->texts_[code]); }
    std::size_t operator()(std::string_view text) const { return absl::Hash<std::string_view>()(text); }
  };
  struct Equal {
    using is_transparent = void;
    const Dictionary* owner;
    bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
    bool operator()(std::uint32_t a, std::string_view b) const { return owner->texts_[a] == b; }
    bool operator()(std::string_view a, std::uint32_t b) const { return owner->texts_[b] == a; }
  };

  Arena arena_{16 * 1024};
  StableVector<std::string_view> texts_;
  absl::flat_hash_set<std::uint32_t, Hash, Equal> index_;
};

}  // namespace bukubesar
