// Facts: what is stated about vendors, institutions, commodities and regions, valid from a month on, by the reference partition.
//
// Facts join at read: every lookup names what of them its cut sees, so that an answer as of an earlier cut uses what was stated and in
// force then. A statement replaces, from its month on, the members that it states; for the same month the later entry wins.
//
// Threads  apply() by one thread; both under the owner's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/ids.h"
#include "base/time.h"
#include "events/event.h"

namespace bukubesar {

// What of the facts a read sees.
struct FactsCut {
  std::uint64_t size = 0;      // entries of the reference partition within the cut
  std::optional<Month> month;  // of the ledger time at the cut: later statements are not in force yet; nothing: no such bound
  // Of what is stated about vendors, where that is read up to another size: a difference tells apart what moved a figure.
  std::optional<std::uint64_t> vendor_size{};
  [[nodiscard]] std::uint64_t vendors() const { return vendor_size.value_or(size); }
  friend bool operator==(const FactsCut&, const FactsCut&) = default;
};

class Facts {
 public:
  struct Statement {
    Sequence sequence;
    Month valid_from;
    std::optional<std::string> name;
    std::optional<Scale> scale;
    std::optional<VendorKind> vendor_kind;
    std::optional<std::string> place;  // vendor: domicile; institution: region; commodity: group; region: parent
    std::vector<std::pair<std::string, std::string>> work_units;
  };
  // A statement with the table and code that it is about.
  struct Stated {
    EventType table;
    std::string_view code;
    const Statement* statement;
  };
  // Those of the entries [first, size), by sequence.
  [[nodiscard]] std::vector<Stated> stated(Sequence first, std::uint64_t size) const;

  void apply(Sequence sequence, EventType type, const Fact& fact);

  // The names that this entry stated, after its payload was erased: what a start after it would not know either.
  void forget_names(Sequence sequence);

  // Empty or nothing: not stated.
  [[nodiscard]] std::string_view name(EventType table, std::string_view code, const FactsCut& at) const;
  // In force in `month`; without one, the latest at the cut. A stated kind `cooperative` stands for a scale that is not stated.
  [[nodiscard]] Scale vendor_scale(std::string_view code, const FactsCut& at, std::optional<Month> month) const;
  // Whether any statement about the vendor's scale is within the cut: without one, months need not be looked at.
  [[nodiscard]] bool has_vendor_scale(std::string_view code, const FactsCut& at) const;
  [[nodiscard]] std::string_view vendor_domicile(std::string_view code, const FactsCut& at) const;
  [[nodiscard]] std::string_view institution_region(std::string_view code, const FactsCut& at) const;
  [[nodiscard]] std::string_view commodity_group(std::string_view code, const FactsCut& at) const;
  [[nodiscard]] std::string_view work_unit_name(std::string_view institution, std::string_view work_unit, const FactsCut& at) const;

  // Codes of which some statement that can move an amount from one group to another (names can not) is seen at one of two cuts alone.
  struct Changed {
    absl::flat_hash_set<std::string> vendors, institutions, commodities;
    [[nodiscard]] bool empty() const { return vendors.empty() && institutions.empty() && commodities.empty(); }
  };
  [[nodiscard]] Changed changed(const FactsCut& a, const FactsCut& b) const;
  // The entries below `size` that state something about the code, ascending, appended to `to`.
  void add_sequences(EventType table, std::string_view code, std::uint64_t size, std::vector<std::uint64_t>& to) const;
  // The entries within [first, limit) that state something about `code` that can move an amount from one group to another; `after`: only
  // what is valid from a later month on.
  [[nodiscard]] std::vector<Sequence> classifications_of(EventType table, std::string_view code, std::uint64_t first, std::uint64_t limit,
                                                         std::optional<Month> after) const;
  [[nodiscard]] std::uint64_t statements() const { return statements_; }

 private:
  using Table = absl::flat_hash_map<std::string, std::vector<Statement>>;
  [[nodiscard]] const Table& table(EventType type) const {
    return tables_[static_cast<std::size_t>(type) - static_cast<std::size_t>(EventType::reference_vendor)];
  }
  // The statement in force whose member is stated; null where there is none.
  template <class Has>
  const Statement* in_force(EventType type, std::string_view code, const FactsCut& at, Has has) const;
  [[nodiscard]] std::string_view place(EventType type, std::string_view code, const FactsCut& at) const;

  // A statement that classifies, by the code that it is about.
  struct Classification {
    std::uint64_t sequence;
    Month valid_from;
    EventType table;
    std::string code;
  };

  Table tables_[4];
  std::vector<Classification> classifications_;  // by sequence, ascending
  std::uint64_t statements_ = 0;
};

}  // namespace bukubesar
