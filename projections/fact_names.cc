#include "projections/fact_names.h"

#include <algorithm>
#include <optional>

#include "base/day.h"

namespace bukubesar {

namespace {

// Where facts name the values of a dimension.
std::optional<EventType> table_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::province:
    case Dimension::district:
    case Dimension::region:
    case Dimension::vendor_domicile:
      return EventType::reference_region;
    case Dimension::institution:
      return EventType::reference_institution;
    case Dimension::vendor:
    case Dimension::distributor:
      return EventType::reference_vendor;
    case Dimension::commodity:
      return EventType::reference_commodity;
    default:
      return std::nullopt;
  }
}

}  // namespace

FactsCut facts_cut_of(const FoldSettings& settings, const Cut& cut, std::int64_t ledger_time_ms) {
  FactsCut to{cut.size(PartitionId::reference()), std::nullopt};
  if (settings.clock != LedgerClock::none && ledger_time_ms > 0)
    to.month = month_of(Date{static_cast<std::int32_t>(day_of(ledger_time_ms, settings.zone_minutes))});
  return to;
}

std::vector<std::vector<std::string>> names_of(const Facts& facts, const FactsCut& at, const TotalsAnswer& answer) {
  const std::vector<Dimension>& by = answer.query.by;
  const auto institution = static_cast<std::size_t>(std::find(by.begin(), by.end(), Dimension::institution) - by.begin());
  const auto name_of_value = [&](const TotalsRow& row, std::size_t i) -> std::string_view {
    if (by[i] != Dimension::work_unit) {
      const auto table = table_of(by[i]);
      return table ? facts.name(*table, row.key[i], at) : std::string_view();
    }
    return institution < by.size() ? facts.work_unit_name(row.key[institution], row.key[i], at) : std::string_view();
  };
  std::vector<std::vector<std::string>> names;
  names.reserve(answer.rows.size());
  for (const TotalsRow& row : answer.rows) {
    std::vector<std::string>& of_row = names.emplace_back();
    for (std::size_t i = 0; i < by.size(); ++i) of_row.emplace_back(name_of_value(row, i));
  }
  return names;
}

}  // namespace bukubesar
