#include "projections/fold.h"

#include <algorithm>
#include <array>

#include "base/day.h"
#include "base/time.h"

namespace bukubesar {

std::string_view name_of(Account account) {
  switch (account) {
    case Account::paid:
      return "paid";
    case Account::commitment:
      return "commitment";
    case Account::payable:
      return "payable";
  }
  return name_of(stage_of(account));
}

std::string_view name_of(Component component) {
  constexpr std::array<std::string_view, 5> names = {"none", "goods", "shipping", "tax", "unallocated"};
  return names[static_cast<std::size_t>(component)];
}

MoneySum PurchaseState::value() const {
  MoneySum sum = 0;
  for (const Cell& cell : cells) sum += cell.amount;
  return sum;
}

namespace {

bool before(const Cell& cell, const CellKey& key) { return cell.key < key; }

// The first cell stands in front, the others ascend.
const Cell* find_cell(const Cells& cells, const CellKey& key) {
  if (cells.empty()) return nullptr;
  if (cells.front().key == key) return &cells.front();
  const auto at = std::lower_bound(cells.begin() + 1, cells.end(), key, before);
  return at != cells.end() && at->key == key ? &*at : nullptr;
}

// What an event makes of a purchase, before the transfers are known.
struct Image {
  Dimensions dimensions;
  Stage stage = Stage::unknown;
  const Cells* cells = nullptr;
  std::int64_t paid = 0;
};

// Writes the transfers that turn one image into the next.
class Movement {
 public:
  Movement(const PurchaseState& from, const Image& to, const FoldInput& input, std::uint64_t revision, std::vector<Transfer>& out)
      : from_(from), to_(to), input_(input), revision_(revision), out_(out), same_(from.exists && from.dimensions == to.dimensions) {}

  // False: a difference leaves 64-bit sen.
  bool write() {
    remove_cells();
    if (from_.exists && !same_ && from_.paid != 0) {
      row(Account::paid, Account::payable, from_.dimensions, from_.paid);
      row(Account::payable, Account::paid, to_.dimensions, from_.paid);
    }
    const bool pays = input_.type == EventType::paid || input_.type == EventType::refunded;
    bool ends_in_stage = false;
    for (std::size_t i = 0; i < to_.cells->size(); ++i) {
      if (!keep_or_add((*to_.cells)[i], i == 0, ends_in_stage)) return false;
    }
    if (pays) {
      if (input_.type == EventType::paid) {
        row(Account::payable, Account::paid, to_.dimensions, input_.amount, input_.reference);
      } else {
        row(Account::paid, Account::payable, to_.dimensions, input_.amount, input_.reference);
      }
    } else if (!ends_in_stage) {
      const Account stage = account_of(to_.stage);
      // A state always has a cell, but for one that a forged segment (behind a fitting hash) made.
      cell_row(stage, stage, to_.dimensions, to_.cells->empty() ? CellKey{Component::goods} : to_.cells->front().key, 0, 0, 0);
    }
    return true;
  }

 private:
  void remove_cells() {
    if (!from_.exists) return;
    for (std::size_t i = 0; i < from_.cells.size(); ++i) {
      const Cell& cell = from_.cells[i];
      if (same_ && find_cell(*to_.cells, cell.key) != nullptr) continue;
      cell_row(account_of(from_.stage), Account::commitment, from_.dimensions, cell.key, cell.amount, i == 0 ? 1 : 0, 1);
    }
  }
  bool keep_or_add(const Cell& cell, bool first, bool& ends_in_stage) {
    const Account stage = account_of(to_.stage);
    const Cell* old = same_ ? find_cell(from_.cells, cell.key) : nullptr;
    if (old == nullptr) {
      cell_row(Account::commitment, stage, to_.dimensions, cell.key, cell.amount, first ? 1 : 0, 1);
      ends_in_stage = true;
      return true;
    }
    const bool was_first = old == &from_.cells.front();
    if (from_.stage != to_.stage) {
      cell_row(account_of(from_.stage), stage, to_.dimensions, cell.key, old->amount, was_first ? 1 : 0, 1);
      ends_in_stage = true;
    }
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(cell.amount, old->amount, &difference)) return false;
    if (difference != 0 || first != was_first) {
      cell_row(Account::commitment, stage, to_.dimensions, cell.key, difference, (first ? 1 : 0) - (was_first ? 1 : 0), 0);
      ends_in_stage = true;
    }
    return true;
  }
  Transfer& row(Account from, Account to, const Dimensions& dimensions, std::int64_t amount, std::uint64_t reference = 0) {
    Transfer& t = out_.emplace_back();
    t.sequence = input_.sequence;
    t.row = static_cast<std::uint32_t>(out_.size() - 1);
    t.purchase = input_.purchase;
    t.from = from;
    t.to = to;
    t.amount = amount;
    t.kind = input_.type;
    t.flags = input_.time_absent ? kFlagTimeAbsent : 0;
    t.event_time_ms = input_.time_ms;
    t.dimensions = dimensions;
    t.revision = revision_;
    t.reference = reference;
    return t;
  }
  void cell_row(Account from, Account to, const Dimensions& dimensions, const CellKey& key, std::int64_t amount, int packages, int cells) {
    Transfer& t = row(from, to, dimensions, amount);
    t.cell = key;
    t.packages = static_cast<std::int8_t>(packages);
    t.cells = static_cast<std::int8_t>(cells);
  }

  const PurchaseState& from_;
  const Image& to_;
  const FoldInput& input_;
  const std::uint64_t revision_;
  std::vector<Transfer>& out_;
  const bool same_;
};

// How far along a stage is; the addendum cycle (contracted … addendum) is one step, and what ended or is unknown has no place.
int place_of(Stage stage) {
  switch (stage) {
    case Stage::negotiating:
      return 1;
    case Stage::ordered:
      return 2;
    case Stage::contracted:
    case Stage::shipping:
    case Stage::delivered:
    case Stage::addendum:
      return 3;
    case Stage::completed:
      return 4;
    default:
      return 0;
  }
}

class Step {
 public:
  Step(PurchaseState& state, const FoldInput& input, FoldOutput& output) : s_(state), in_(input), out_(output) {}

  bool run() {
    if (in_.counting_feed != 0 && in_.counting_feed != in_.feed && !in_.from_authority) {
      finding(FindingKind::other_feed, in_.feed, in_.counting_feed);
      return false;
    }
    if (in_.document != nullptr && in_.document->revision != 0 && in_.document->revision < s_.revision) {
      finding(FindingKind::stale, static_cast<std::int64_t>(in_.document->revision - 1), static_cast<std::int64_t>(s_.revision - 1));
      return false;
    }
    Image next = next_image();
    const std::uint64_t revision = in_.document != nullptr && in_.document->revision != 0 ? in_.document->revision : s_.revision;
    bool fits = !in_.overflow && next_paid(next.paid);
    if (fits) fits = Movement(s_, next, in_, revision, out_.transfers).write();
    if (!fits) {
      out_.transfers.clear();
      finding(FindingKind::overflow, static_cast<std::int64_t>(in_.type));
      return false;
    }
    observe(next);
    commit(next, revision);
    return true;
  }

 private:
  Image next_image() {
    Image next{s_.dimensions, s_.stage, &s_.cells, s_.paid};
    if (!s_.exists) {
      stub_cells_.push_back(Cell{0, CellKey{Component::goods}});
      next.cells = &stub_cells_;
      next.dimensions = Dimensions{};
      next.dimensions.system = in_.system;
      next.dimensions.feed = in_.feed;
      next.stage = Stage::unknown;
    }
    if (const FoldDocument* document = in_.document) {
      next.dimensions = document->dimensions;
      if (s_.exists && in_.from_authority) next.dimensions.feed = s_.dimensions.feed;
      next.cells = &document->cells;
      if (!s_.exists || document->stage != Stage::unknown) next.stage = document->stage;
    }
    switch (in_.type) {
      case EventType::advanced:
        next.stage = in_.stage;
        break;
      case EventType::cancelled:
        next.stage = Stage::cancelled;
        break;
      case EventType::withdrawn:
        next.stage = Stage::withdrawn;
        break;
      default:
        break;
    }
    return next;
  }
  bool next_paid(std::int64_t& paid) const {
    if (in_.type == EventType::paid) return !__builtin_add_overflow(s_.paid, in_.amount, &paid);
    if (in_.type == EventType::refunded) return !__builtin_sub_overflow(s_.paid, in_.amount, &paid);
    return true;
  }
  void finding(FindingKind kind, std::int64_t a = 0, std::int64_t b = 0) {
    out_.findings.push_back(FindingRow{in_.sequence, in_.purchase, 0, kind, a, b});
  }
  // Findings about an event that is applied.
  void observe(const Image& next) {
    const auto type = static_cast<std::int64_t>(in_.type);
    if (in_.document == nullptr && !s_.has_document()) finding(FindingKind::stub, type);
    if (in_.type == EventType::ordered && s_.has_document()) {
      finding(FindingKind::ordered_again, static_cast<std::int64_t>(s_.document_sequence));
    }
    if (!in_.time_absent && s_.time_max != kNoTime && in_.time_ms < s_.time_max) {
      finding(FindingKind::time_went_back, in_.time_ms, s_.time_max);
    }
    if (s_.exists && (s_.stage == Stage::cancelled || s_.stage == Stage::withdrawn)) {
      finding(FindingKind::revived, type, static_cast<std::int64_t>(s_.stage));
    }
    observe_stage(next, type);
    observe_payment(next, type);
    if (in_.document != nullptr) observe_document(*in_.document);
  }
  void observe_stage(const Image& next, std::int64_t type) {
    const bool unmapped =
        in_.document != nullptr ? in_.document->stage_unmapped : in_.type == EventType::advanced && in_.stage == Stage::unknown;
    if (unmapped) finding(FindingKind::stage_unknown, type);
    const int before = s_.exists ? place_of(s_.stage) : 0;
    const int after = place_of(next.stage);
    if (after != 0 && after < before) {
      finding(FindingKind::stage_went_back, static_cast<std::int64_t>(s_.stage), static_cast<std::int64_t>(next.stage));
    }
    if (after == 4 && (before == 1 || before == 2)) {
      finding(FindingKind::stage_jumped, static_cast<std::int64_t>(s_.stage), static_cast<std::int64_t>(next.stage));
    }
    if ((in_.type == EventType::cancelled || in_.type == EventType::withdrawn) && next.paid > 0) {
      finding(FindingKind::cancelled_after_payment, next.paid, static_cast<std::int64_t>(next.stage));
    }
  }
  void observe_payment(const Image& next, std::int64_t type) {
    const bool pays = in_.type == EventType::paid || in_.type == EventType::refunded;
    if (pays && in_.amount <= 0) finding(FindingKind::negative_payment, in_.amount, type);
    if (pays && in_.reference_repeated) finding(FindingKind::repeated_reference, in_.amount, type);
    if (in_.document == nullptr && !s_.has_document()) return;  // a stub's total is not known
    MoneySum total = 0;
    for (std::size_t i = 0; i < next.cells->size(); ++i) total += (*next.cells)[i].amount;
    const bool was_overpaid = s_.has_document() && s_.paid > s_.value();
    if (next.paid > total && (!was_overpaid || next.paid > s_.paid)) {
      finding(FindingKind::overpaid, next.paid, static_cast<std::int64_t>(total));
    }
  }
  void observe_document(const FoldDocument& document) {
    if (document.unallocated != 0) finding(FindingKind::lines_do_not_add_up, document.unallocated, document.total);
    if (document.lines_off != 0) finding(FindingKind::quantity_times_price, document.lines_off, document.first_line_off);
    if (document.vendor_of_id != 0 && document.vendor_of_id != document.dimensions.vendor) {
      finding(FindingKind::vendor_differs, document.dimensions.vendor, document.vendor_of_id);
    }
    const std::int32_t date = document.dimensions.order_date;
    if (date == kNoOrderDate) return;
    if (s_.has_document() && s_.dimensions.order_date != kNoOrderDate && date < s_.dimensions.order_date) {
      finding(FindingKind::order_date_moved_back, date, s_.dimensions.order_date);
    }
    const std::int64_t event_day = day_of(in_.time_ms, in_.zone_minutes);
    if (!in_.time_absent && date > event_day) finding(FindingKind::order_after_event, date, event_day);
  }
  void commit(const Image& next, std::uint64_t revision) {
    if (next.cells != &s_.cells) {
      Cells cells = *next.cells;
      s_.cells = std::move(cells);
    }
    s_.exists = true;
    s_.dimensions = next.dimensions;
    s_.stage = next.stage;
    s_.paid = next.paid;
    s_.revision = revision;
    if (!in_.time_absent) s_.time_max = std::max(s_.time_max, in_.time_ms);
    s_.last_sequence = in_.sequence;
    if (in_.document != nullptr) s_.document_sequence = in_.sequence;
  }

  PurchaseState& s_;
  const FoldInput& in_;
  FoldOutput& out_;
  Cells stub_cells_;
};

}  // namespace

bool fold(PurchaseState& state, const FoldInput& input, FoldOutput& output) { return Step(state, input, output).run(); }

void arrange(Cells& cells, CellKey first) {
  std::sort(cells.begin(), cells.end(), [&](const Cell& a, const Cell& b) {
    if ((a.key == first) != (b.key == first)) return a.key == first;
    return a.key < b.key;
  });
  cells.erase(std::remove_if(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.amount == 0 && cell.key != first; }),
              cells.end());
}

namespace {
// A stored transfer was checked when it was made; a segment that is not ours must still not be undefined behaviour.
std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  (void)__builtin_add_overflow(a, b, &sum);
  return sum;
}
// A cell leaves whole; one that enters or changes is found or put in its place.
void restore_cell(Cells& cells, const Transfer& t, bool leaves) {
  auto at = cells.end();
  if (const Cell* found = find_cell(cells, t.cell)) at = cells.begin() + (found - cells.data());
  if (leaves) {
    if (at != cells.end()) cells.erase(at);
    // What follows the first cell ascends; without a first one the next becomes it, until the package comes to another.
    return;
  }
  if (at == cells.end()) {
    const auto from = cells.empty() ? cells.begin() : cells.begin() + 1;
    at = cells.insert(std::lower_bound(from, cells.end(), t.cell, before), Cell{0, t.cell});
  }
  at->amount = wrapping_add(at->amount, t.amount);
  if (t.packages <= 0 || at == cells.begin()) return;
  // The package came: this cell goes in front, and the one that stood there to its place among the others.
  std::rotate(cells.begin(), at, at + 1);
  const auto place = std::lower_bound(cells.begin() + 2, cells.end(), cells[1].key, before);
  std::rotate(cells.begin() + 1, cells.begin() + 2, place);
}

}  // namespace

void restore(PurchaseState& state, const Transfer& t, std::uint64_t row_number) {
  const bool leaves = is_stage(t.from);
  const bool enters = is_stage(t.to);
  if (leaves != enters) restore_cell(state.cells, t, leaves);
  if (enters) state.stage = stage_of(t.to);
  if (t.to == Account::paid) state.paid = wrapping_add(state.paid, t.amount);
  if (t.from == Account::paid && t.to != Account::paid) {
    (void)__builtin_sub_overflow(state.paid, t.amount, &state.paid);
  }
  state.exists = true;
  state.dimensions = t.dimensions;
  state.revision = t.revision;
  if ((t.flags & kFlagTimeAbsent) == 0) state.time_max = std::max(state.time_max, t.event_time_ms);
  state.last_sequence = t.sequence;
  if (t.kind == EventType::ordered || t.kind == EventType::amended || t.kind == EventType::corrected) state.document_sequence = t.sequence;
  state.last_row = row_number + 1;
}

}  // namespace bukubesar
