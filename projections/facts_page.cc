#include "projections/facts_page.h"

#include "base/status.h"
#include "projections/projections_impl.h"

namespace bukubesar {

namespace {

std::string_view table_name(EventType type) {
  const std::string_view name = name_of(type);  // "reference.vendor"
  return name.substr(name.find('.') + 1);
}

}  // namespace

std::string_view place_name(std::string_view table) {
  if (table == "vendor") return "domicile";
  if (table == "institution") return "region";
  return table == "commodity" ? "group" : "parent";
}

absl::StatusOr<FactsPage> read_facts(const Projections& projections, const FactsRange& range) {
  Projections::Impl& all = *projections.impl_;
  const Snapshot now = all.snapshot();
  FactsPage page;
  page.cut = range.cut.value_or(now.cut);
  if (!now.cut.covers(page.cut)) return out_of_range("cut {}: read is {}", page.cut.text(), now.cut.text());
  ASSIGN_OR_RETURN(const FactsCut at, range.cut ? all.facts_cut(page.cut) : absl::StatusOr<FactsCut>(all.facts_cut(now)));
  page.month = at.month;
  absl::ReaderMutexLock lock(&all.facts_mutex);
  for (const Facts::Stated& one : all.facts.stated(range.first, page.cut.size(PartitionId::reference()))) {
    const Facts::Statement& statement = *one.statement;
    if (page.rows.size() == range.limit) {
      page.next = statement.sequence;
      break;
    }
    FactRow row{statement.sequence, table_name(one.table), std::string(one.code), statement.valid_from, statement.name,
                std::nullopt,       std::nullopt,          statement.place,       statement.work_units};
    if (statement.scale) row.scale = name_of(*statement.scale);
    if (statement.vendor_kind) row.vendor_kind = name_of(*statement.vendor_kind);
    page.rows.push_back(std::move(row));
  }
  return page;
}

}  // namespace bukubesar
