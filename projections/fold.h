// Fold: a purchase's state machine, a pure function of (state, event, context) → state, transfers, findings.
//
// A state has an image: for each cell its amount in the account of its stage, one package on its first cell, and the sum paid in
// `paid`. An event makes a new image; the transfers turn the old one into the new one: straight from account to account where the
// dimensions are the same, through `commitment` (value) or `payable` (payments) where they differ.
//
// Invariants  I5: no clock, no randomness, no float. I6: every transfer names two accounts. An event that would leave 64-bit sen
//             moves nothing. restore() of an event's transfers gives the state that fold() left.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/money.h"
#include "projections/finding_kinds.h"
#include "projections/transfer.h"

namespace bukubesar {

struct Cell {
  std::int64_t amount = 0;
  CellKey key;
  friend bool operator==(const Cell&, const Cell&) = default;
};
// The first one carries the package; the others ascend by key and are not zero.
using Cells = absl::InlinedVector<Cell, 1>;

inline constexpr std::uint64_t kNoDocument = ~std::uint64_t{0};
inline constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();

struct PurchaseState {
  Dimensions dimensions;
  Stage stage = Stage::unknown;
  bool exists = false;
  std::uint32_t last_finding = 0;  // number + 1; not part of the image
  Cells cells;
  std::int64_t paid = 0;
  std::uint64_t revision = 0;                     // plus 1; 0: none
  std::int64_t time_max = kNoTime;                // the latest time that an applied event stated
  std::uint64_t last_sequence = 0;                // of the last event that was applied
  std::uint64_t document_sequence = kNoDocument;  // of the document in force
  std::uint64_t last_row = 0;                     // number + 1 of its last transfer

  [[nodiscard]] bool has_document() const { return document_sequence != kNoDocument; }
  [[nodiscard]] MoneySum value() const;
};

// A document in the codes of a partition's dictionaries, split into cells.
struct FoldDocumentHead {
  Dimensions dimensions;  // feed: the event's
  Stage stage = Stage::unknown;
  bool stage_unmapped = false;
  std::uint64_t revision = 0;  // plus 1; 0: none
  std::int64_t total = 0;
  std::int64_t unallocated = 0;     // remainder of lines against the total; 0 where there are no lines
  std::int64_t lines_off = 0;       // lines whose quantity × price is not their amount
  std::int64_t first_line_off = 0;  // 1-based
  std::uint32_t vendor_of_id = 0;   // vendor that the purchase id names; 0: none
};
struct FoldDocument : FoldDocumentHead {
  Cells cells;
};

struct FoldInput {
  std::uint64_t sequence = 0;
  EventType type = EventType::ordered;
  std::uint32_t purchase = 0;
  std::uint32_t system = 0, feed = 0;
  std::int64_t time_ms = 0;
  bool time_absent = false;
  bool from_authority = false;             // a correction by an authority: the purchase stays with its feed
  std::uint32_t counting_feed = 0;         // the feed that counts for this purchase; 0: the event's own
  const FoldDocument* document = nullptr;  // null where the event has none
  bool overflow = false;                   // the document's cells leave 64-bit sen
  Stage stage = Stage::unknown;            // advanced
  std::int64_t amount = 0;                 // paid, refunded
  std::uint64_t reference = 0;
  bool reference_repeated = false;
  int zone_minutes = 0;
};

struct FoldOutput {
  std::vector<Transfer> transfers;
  std::vector<FindingRow> findings;
  void clear() {
    transfers.clear();
    findings.clear();
  }
};

// False: the event changed nothing (stale, other feed, overflow), and a finding says why.
bool fold(PurchaseState& state, const FoldInput& input, FoldOutput& output);

// Applies one stored transfer. `row_number` is its number in the partition, from 0.
void restore(PurchaseState& state, const Transfer& transfer, std::uint64_t row_number);

// Brings cells into the order that a state keeps: `first` in front, the others ascending, without zeros.
void arrange(Cells& cells, CellKey first);

}  // namespace bukubesar
