// Transfer: one movement of money between two accounts, with its dimensions, as codes. The columns of a segment are its members.
//
// Invariants  I6: two accounts are named, so over all accounts every transfer sums to zero, in every combination of dimensions.
//             The last transfer of an event carries the purchase's dimensions after the event; where the event touched the value it
//             ends in the account of the purchase's stage. So states can be rebuilt from transfers alone.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string_view>

#include "events/event.h"

namespace bukubesar {

// Stored in segments: never renumbered. The first kStageCount are the stages, by their own numbers.
enum class Account : std::uint8_t { paid = 10, commitment = 11, payable = 12 };
inline constexpr std::size_t kAccountCount = 13;
[[nodiscard]] constexpr Account account_of(Stage stage) { return static_cast<Account>(stage); }
[[nodiscard]] constexpr bool is_stage(Account account) { return static_cast<std::size_t>(account) < kStageCount; }
[[nodiscard]] constexpr Stage stage_of(Account account) { return static_cast<Stage>(account); }
[[nodiscard]] std::string_view name_of(Account account);

// `none`: a payment, which belongs to no cell. Stored in segments: never renumbered.
enum class Component : std::uint8_t { none, goods, shipping, tax, unallocated };
[[nodiscard]] std::string_view name_of(Component component);

inline constexpr std::int32_t kNoOrderDate = std::numeric_limits<std::int32_t>::min();
inline constexpr std::uint32_t kNoPurchase = 0xFFFFFFFFU;

// A purchase's dimensions, as numbers of the partition's dictionaries; 0 is unknown.
struct Dimensions {
  std::uint32_t system = 0, method = 0, institution = 0, work_unit = 0, vendor = 0, distributor = 0, funding = 0, region = 0, feed = 0;
  std::int32_t order_date = kNoOrderDate;
  std::int32_t fiscal_year = 0;  // 0: unknown
  Scale scale = Scale::unknown;
  friend bool operator==(const Dimensions&, const Dimensions&) = default;
};

struct CellKey {
  Component component = Component::none;
  Origin origin = Origin::unknown;
  CatalogueKind catalogue_kind = CatalogueKind::unknown;
  std::uint32_t commodity = 0;
  friend auto operator<=>(const CellKey&, const CellKey&) = default;
};

// The event gave no time: its entry's ledger time stands in.
inline constexpr std::uint8_t kFlagTimeAbsent = 1;

struct Transfer {
  std::uint64_t sequence = 0;
  std::uint32_t row = 0;  // within the event
  std::uint32_t purchase = 0;
  Account from = Account::commitment, to = Account::commitment;
  std::int64_t amount = 0;   // sen
  std::int8_t packages = 0;  // packages moved with it
  std::int8_t cells = 0;     // cells moved with it: what distinct purchases by a cell dimension are counted from
  EventType kind = EventType::ordered;
  std::uint8_t flags = 0;
  std::int64_t event_time_ms = 0;
  Dimensions dimensions;
  CellKey cell;
  std::uint64_t revision = 0;   // of the document in force, plus 1; 0: none
  std::uint64_t reference = 0;  // of a payment: first 64 bits of SHA-256(reference); 0: none
  std::uint64_t previous = 0;   // rows back to the purchase's row before this one; 0: none
  friend bool operator==(const Transfer&, const Transfer&) = default;
};

}  // namespace bukubesar
