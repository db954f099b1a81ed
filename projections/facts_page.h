// FactsPage: what is stated about vendors, institutions, commodities and regions at a cut, statement by statement, in ledger order.
//
// Threads  any.
// Errors   OutOfRange: a cut beyond what has been read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cut.h"
#include "base/ids.h"
#include "base/time.h"
#include "projections/projections.h"

namespace bukubesar {

// A member that the statement does not have is nothing.
struct FactRow {
  Sequence sequence;       // of the reference partition
  std::string_view table;  // "vendor", "institution", "commodity", "region"
  std::string code;
  Month valid_from;
  std::optional<std::string> name;
  std::optional<std::string_view> scale, vendor_kind;  // of a vendor
  std::optional<std::string> place;                    // vendor: domicile; institution: region; commodity: group; region: parent
  std::vector<std::pair<std::string, std::string>> work_units;
};

struct FactsRange {
  Sequence first;
  std::optional<Cut> cut;  // nothing: what the projections have read
  std::size_t limit = 0;
};

struct FactsPage {
  Cut cut;
  std::optional<Month>
      month;  // what holds from a later month on is not in force yet, but for a vendor's scale at an order; nothing: no bound
  std::vector<FactRow> rows;
  std::optional<Sequence> next;
};
[[nodiscard]] absl::StatusOr<FactsPage> read_facts(const Projections& projections, const FactsRange& range);

// What `place` is called in a table: "domicile", "region", "group", "parent".
[[nodiscard]] std::string_view place_name(std::string_view table);

}  // namespace bukubesar
