#include "projections/facts.h"

#include <algorithm>

#include "absl/strings/string_view.h"

namespace bukubesar {

void Facts::apply(Sequence sequence, EventType type, const Fact& fact) {
  const auto text = [](const std::optional<std::string_view>& from) -> std::optional<std::string> {
    if (!from) return std::nullopt;
    return std::string(*from);
  };
  Statement statement;
  statement.sequence = sequence;
  statement.valid_from = fact.valid_from;
  statement.name = text(fact.name);
  statement.scale = fact.scale;
  statement.vendor_kind = fact.vendor_kind;
  switch (type) {
    case EventType::reference_vendor:
      statement.place = text(fact.domicile);
      break;
    case EventType::reference_institution:
      statement.place = text(fact.region);
      break;
    case EventType::reference_commodity:
      statement.place = text(fact.group);
      break;
    case EventType::reference_region:
      statement.place = text(fact.parent);
      break;
    default:
      return;
  }
  for (const WorkUnit& unit : fact.work_units) statement.work_units.emplace_back(unit.code, unit.name);
  if (statement.scale || statement.vendor_kind || statement.place)
    classifications_.push_back({sequence.value(), fact.valid_from, type, std::string(fact.code)});
  ++statements_;
  tables_[static_cast<std::size_t>(type) - static_cast<std::size_t>(EventType::reference_vendor)][std::string(fact.code)].push_back(
      std::move(statement));
}

template <class Has>
const Facts::Statement* Facts::in_force(EventType type, std::string_view code, const FactsCut& at, Has has) const {
  const auto found = table(type).find(absl::string_view(code.data(), code.size()));
  if (found == table(type).end()) return nullptr;
  const std::uint64_t size = type == EventType::reference_vendor ? at.vendors() : at.size;
  const Statement* best = nullptr;
  for (const Statement& statement : found->second) {  // by entry, so that a later one of the same month wins
    if (statement.sequence.value() >= size || (at.month && statement.valid_from > *at.month) || !has(statement)) continue;
    if (best == nullptr || statement.valid_from >= best->valid_from) best = &statement;
  }
  return best;
}

void Facts::forget_names(Sequence sequence) {
  for (Table& table : tables_)
    for (auto& [code, statements] : table)
      for (Statement& statement : statements) {
        if (statement.sequence != sequence) continue;
        statement.name.reset();
        statement.work_units.clear();
      }
}

std::string_view Facts::name(EventType type, std::string_view code, const FactsCut& at) const {
  const Statement* s = in_force(type, code, at, [](const Statement& one) { return one.name.has_value(); });
  return s == nullptr ? std::string_view() : *s->name;
}

Scale Facts::vendor_scale(std::string_view code, const FactsCut& at, std::optional<Month> month) const {
  const FactsCut then{at.vendors(), month ? month : at.month};
  const EventType vendors = EventType::reference_vendor;
  const Statement* s = in_force(vendors, code, then, [](const Statement& one) { return one.scale.has_value(); });
  if (s != nullptr && *s->scale != Scale::unknown) return *s->scale;
  const Statement* k = in_force(vendors, code, then, [](const Statement& one) { return one.vendor_kind.has_value(); });
  return k != nullptr && *k->vendor_kind == VendorKind::cooperative ? Scale::cooperative : Scale::unknown;
}

bool Facts::has_vendor_scale(std::string_view code, const FactsCut& at) const {
  return in_force(EventType::reference_vendor, code, {at.vendors(), std::nullopt},
                  [](const Statement& one) { return one.scale.has_value() || one.vendor_kind.has_value(); }) != nullptr;
}

std::string_view Facts::place(EventType type, std::string_view code, const FactsCut& at) const {
  const Statement* s = in_force(type, code, at, [](const Statement& one) { return one.place.has_value(); });
  return s == nullptr ? std::string_view() : *s->place;
}

std::string_view Facts::vendor_domicile(std::string_view code, const FactsCut& at) const {
  return place(EventType::reference_vendor, code, at);
}
std::string_view Facts::institution_region(std::string_view code, const FactsCut& at) const {
  return place(EventType::reference_institution, code, at);
}
std::string_view Facts::commodity_group(std::string_view code, const FactsCut& at) const {
  return place(EventType::reference_commodity, code, at);
}

std::string_view Facts::work_unit_name(std::string_view institution, std::string_view work_unit, const FactsCut& at) const {
  const auto named = [&](const Statement& one) {
    return std::find_if(one.work_units.begin(), one.work_units.end(), [&](const auto& unit) { return unit.first == work_unit; });
  };
  const Statement* s =
      in_force(EventType::reference_institution, institution, at, [&](const Statement& one) { return named(one) != one.work_units.end(); });
  return s == nullptr ? std::string_view() : std::string_view(named(*s)->second);
}

std::vector<Sequence> Facts::classifications_of(EventType type, std::string_view code, std::uint64_t first, std::uint64_t limit,
                                                std::optional<Month> after) const {
  std::vector<Sequence> to;
  const auto found = table(type).find(absl::string_view(code.data(), code.size()));
  if (found == table(type).end()) return to;
  for (const Statement& s : found->second) {
    if (after && s.valid_from <= *after) continue;
    if (s.sequence.value() >= first && s.sequence.value() < limit && (s.scale || s.vendor_kind || s.place)) to.push_back(s.sequence);
  }
  return to;
}

Facts::Changed Facts::changed(const FactsCut& a, const FactsCut& b) const {
  Changed to;
  const auto seen = [](const Classification& one, const FactsCut& at) {
    return one.sequence < at.size && (!at.month || one.valid_from <= *at.month);
  };
  // The scale at the order month looks at months of its own: there, a statement is seen as soon as the size covers it.
  const auto covered = [](const Classification& one, const FactsCut& at) { return one.sequence < at.size; };
  const std::uint64_t common = a.month == b.month ? std::min(a.size, b.size) : 0;  // what stands before it is seen, or not, by both
  const auto first = std::lower_bound(classifications_.begin(), classifications_.end(), common,
                                      [](const Classification& one, std::uint64_t sequence) { return one.sequence < sequence; });
  for (auto one = first; one != classifications_.end() && one->sequence < std::max(a.size, b.size); ++one) {
    if (seen(*one, a) == seen(*one, b) && covered(*one, a) == covered(*one, b)) continue;
    if (one->table == EventType::reference_vendor) to.vendors.insert(one->code);
    if (one->table == EventType::reference_institution) to.institutions.insert(one->code);
    if (one->table == EventType::reference_commodity) to.commodities.insert(one->code);
  }
  return to;
}

std::vector<Facts::Stated> Facts::stated(Sequence first, std::uint64_t size) const {
  std::vector<Stated> to;
  for (std::size_t i = 0; i < std::size(tables_); ++i) {
    const auto type = static_cast<EventType>(i + static_cast<std::size_t>(EventType::reference_vendor));
    for (const auto& [code, statements] : tables_[i]) {
      for (const Statement& statement : statements) {
        if (statement.sequence >= first && statement.sequence.value() < size) to.push_back({type, {code.data(), code.size()}, &statement});
      }
    }
  }
  std::sort(to.begin(), to.end(), [](const Stated& a, const Stated& b) { return a.statement->sequence < b.statement->sequence; });
  return to;
}

void Facts::add_sequences(EventType type, std::string_view code, std::uint64_t size, std::vector<std::uint64_t>& to) const {
  const auto found = table(type).find(absl::string_view(code.data(), code.size()));
  if (found == table(type).end()) return;
  for (const Statement& statement : found->second)
    if (statement.sequence.value() < size) to.push_back(statement.sequence.value());
}

}  // namespace bukubesar
