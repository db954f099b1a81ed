// Facts: what is stated about vendors, institutions, commodities and regions, valid from a month on, by the reference partition.
//
// Facts join at read: every lookup names the reference partition's size in its cut, so that an answer as of an earlier cut uses what was
// stated then. A statement replaces, from its month on, the members that it states; for the same month the later entry wins.
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
#include "base/ids.h"
#include "base/time.h"
#include "events/event.h"

namespace bukubesar {

class Facts {
 public:
  void apply(Sequence sequence, EventType type, const Fact& fact);

  // `size`: entries of the reference partition within the cut. Empty or nothing: not stated.
  [[nodiscard]] std::string_view name(EventType table, std::string_view code, std::uint64_t size) const;
  // In force in `month`; without one, the newest by month. A stated kind `cooperative` stands for a scale that is not stated.
  [[nodiscard]] Scale vendor_scale(std::string_view code, std::uint64_t size, std::optional<Month> month) const;
  // Whether any statement about the vendor's scale is within the cut: without one, months need not be looked at.
  [[nodiscard]] bool has_vendor_scale(std::string_view code, std::uint64_t size) const;
  [[nodiscard]] std::string_view vendor_domicile(std::string_view code, std::uint64_t size) const;
  [[nodiscard]] std::string_view institution_region(std::string_view code, std::uint64_t size) const;
  [[nodiscard]] std::string_view commodity_group(std::string_view code, std::uint64_t size) const;
  [[nodiscard]] std::string_view region_parent(std::string_view code, std::uint64_t size) const;
  [[nodiscard]] std::string_view work_unit_name(std::string_view institution, std::string_view work_unit, std::uint64_t size) const;

  // How many statements below `size` can move an amount from one group to another; names do not.
  [[nodiscard]] std::uint64_t classifications(std::uint64_t size) const;
  [[nodiscard]] std::uint64_t statements() const { return statements_; }

 private:
  struct Statement {
    Sequence sequence;
    Month valid_from;
    std::optional<std::string> name;
    std::optional<Scale> scale;
    std::optional<VendorKind> vendor_kind;
    std::optional<std::string> place;  // vendor: domicile; institution: region; commodity: group; region: parent
    std::vector<std::pair<std::string, std::string>> work_units;
  };
  using Table = absl::flat_hash_map<std::string, std::vector<Statement>>;
  [[nodiscard]] const Table& table(EventType type) const {
    return tables_[static_cast<std::size_t>(type) - static_cast<std::size_t>(EventType::reference_vendor)];
  }
  // The statement in force whose member is stated; null where there is none.
  template <class Has>
  const Statement* in_force(const Table& table, std::string_view code, std::uint64_t size, std::optional<Month> month, Has has) const;
  [[nodiscard]] std::string_view place(EventType type, std::string_view code, std::uint64_t size) const;

  Table tables_[4];
  std::vector<std::uint64_t> classifications_;  // sequences, ascending
  std::uint64_t statements_ = 0;
};

}  // namespace bukubesar
