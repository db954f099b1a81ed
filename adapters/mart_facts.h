// MartFacts: the statements of GET /v1/facts, and what is in force of them, as the server's totals join them.
//
// Threads  one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/time.h"
#include "events/event.h"

namespace bukubesar {

// A vendor's scale in the order months [from, until): dates of first days.
struct ScalePeriod {
  Month from;
  std::optional<Month> until;
  Scale scale = Scale::unknown;
  friend bool operator==(const ScalePeriod&, const ScalePeriod&) = default;
};

class MartFacts {
 public:
  // The text of one answer; Unavailable: it is not what the route promises. `next`: where the next page begins; nothing: it was the last.
  [[nodiscard]] absl::Status add(std::string_view answer, std::optional<std::uint64_t>& next);
  // The month that bounds what is in force; nothing: no bound.
  [[nodiscard]] const std::optional<Month>& month() const { return month_; }
  [[nodiscard]] std::uint64_t statements() const { return statements_; }

  // table: "vendor", "institution", "commodity", "region". Empty where nothing is stated.
  [[nodiscard]] std::string name(std::string_view table, std::string_view code) const;
  [[nodiscard]] std::string place(std::string_view table, std::string_view code) const;
  [[nodiscard]] std::string work_unit_name(std::string_view institution, std::string_view work_unit) const;
  [[nodiscard]] std::vector<ScalePeriod> scales(std::string_view vendor) const;

 private:
  struct Statement {
    Month valid_from;
    std::optional<std::string> name, place;
    std::optional<Scale> scale;
    std::optional<bool> cooperative;
    std::vector<std::pair<std::string, std::string>> work_units;
  };
  template <class Has>
  const Statement* in_force(std::string_view table, std::string_view code, const std::optional<Month>& by, Has has) const;
  [[nodiscard]] Scale scale_in(std::string_view vendor, Month month) const;

  std::map<std::pair<std::string, std::string>, std::vector<Statement>, std::less<>> all_;  // by table and code, in ledger order
  std::optional<Month> month_;
  std::uint64_t statements_ = 0;
};

}  // namespace bukubesar
