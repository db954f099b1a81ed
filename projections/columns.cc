#include "projections/columns.h"

namespace bukubesar {

namespace {

// Calls `visit(column, member)` for each member of a transfer: the one place that ties columns to members.
template <class T, class Visit>
void for_each_member(T& t, Visit visit) {
  visit(Column::sequence, t.sequence);
  visit(Column::row, t.row);
  visit(Column::purchase, t.purchase);
  visit(Column::from, t.from);
  visit(Column::to, t.to);
  visit(Column::amount, t.amount);
  visit(Column::packages, t.packages);
  visit(Column::cells, t.cells);
  visit(Column::kind, t.kind);
  visit(Column::flags, t.flags);
  visit(Column::event_time, t.event_time_ms);
  visit(Column::order_date, t.dimensions.order_date);
  visit(Column::fiscal_year, t.dimensions.fiscal_year);
  visit(Column::system, t.dimensions.system);
  visit(Column::method, t.dimensions.method);
  visit(Column::institution, t.dimensions.institution);
  visit(Column::work_unit, t.dimensions.work_unit);
  visit(Column::vendor, t.dimensions.vendor);
  visit(Column::distributor, t.dimensions.distributor);
  visit(Column::funding, t.dimensions.funding);
  visit(Column::region, t.dimensions.region);
  visit(Column::scale, t.dimensions.scale);
  visit(Column::feed, t.dimensions.feed);
  visit(Column::component, t.cell.component);
  visit(Column::origin, t.cell.origin);
  visit(Column::catalogue_kind, t.cell.catalogue_kind);
  visit(Column::commodity, t.cell.commodity);
  visit(Column::revision, t.revision);
  visit(Column::reference, t.reference);
  visit(Column::previous, t.previous);
}

}  // namespace

void RowChunk::put(std::size_t at, const Transfer& transfer) {
  for_each_member(transfer, [&](Column c, const auto& member) { values<std::remove_cvref_t<decltype(member)>>(c)[at] = member; });
}

Transfer RowChunk::get(std::size_t at) const {
  Transfer transfer;
  for_each_member(transfer, [&](Column c, auto& member) { member = values<std::remove_cvref_t<decltype(member)>>(c)[at]; });
  return transfer;
}

Transfer gather(const ColumnPointers& columns, std::size_t index) {
  Transfer transfer;
  for_each_member(transfer, [&](Column c, auto& member) { member = columns.values<std::remove_cvref_t<decltype(member)>>(c)[index]; });
  return transfer;
}

}  // namespace bukubesar
