// Strong ids: an offset is not a sequence, a position is not a count.
//
// Offset     Kafka's position in a topic partition. -1 where there is none (source statements).
// Sequence   position in a ledger partition, dense from 0; equals the Merkle leaf index.
// Epoch      one source topic incarnation; 0 is the first.
// PartitionId  a ledger partition: a number, or `reference`.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bukubesar {

template <class Tag, class Rep>
class StrongId {
 public:
  using rep = Rep;
  constexpr StrongId() = default;
  explicit constexpr StrongId(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  // Moving an id by a count gives an id; the distance between two ids is a count.
  friend constexpr StrongId operator+(StrongId id, Rep count) { return StrongId(id.value_ + count); }
  friend constexpr Rep operator-(StrongId a, StrongId b) { return a.value_ - b.value_; }
  constexpr StrongId& operator++() {
    ++value_;
    return *this;
  }
  template <class H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Rep value_{};
};

using Offset = StrongId<struct OffsetTag, std::int64_t>;
using Sequence = StrongId<struct SequenceTag, std::uint64_t>;
using Epoch = StrongId<struct EpochTag, std::uint32_t>;

inline constexpr Offset kNoOffset{-1};
inline constexpr Sequence kNoSequence{~std::uint64_t{0}};

// A ledger partition. Numbered partitions sort before the reference partition.
class PartitionId {
 public:
  constexpr PartitionId() = default;
  explicit constexpr PartitionId(std::uint32_t number) : number_(number) {}
  static constexpr PartitionId reference() { return PartitionId(0xFFFFFFFFU); }
  [[nodiscard]] constexpr bool is_reference() const { return number_ == 0xFFFFFFFFU; }
  // The number, 0xFFFFFFFF for the reference partition: the key in storage.
  [[nodiscard]] constexpr std::uint32_t number() const { return number_; }
  // "0", "17", "reference": as in URLs, cuts, origins and metrics.
  [[nodiscard]] std::string name() const;
  // The inverse of name(); nothing else is accepted (no sign, no leading zero).
  static std::optional<PartitionId> parse(std::string_view name);
  friend constexpr auto operator<=>(PartitionId, PartitionId) = default;
  template <class H>
  friend H AbslHashValue(H h, PartitionId id) {
    return H::combine(std::move(h), id.number_);
  }

 private:
  std::uint32_t number_ = 0;
};

}  // namespace bukubesar

template <class Tag, class Rep>
struct std::hash<bukubesar::StrongId<Tag, Rep>> {
  std::size_t operator()(bukubesar::StrongId<Tag, Rep> id) const { return std::hash<Rep>{}(id.value()); }
};
