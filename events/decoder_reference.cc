// Rules version 1, frozen: the data of events on the reference topic, docs/EVENTS.md member by member.
#include <limits>

#include "events/decoder.h"

namespace bukubesar {

namespace {

const MemberTable kFact("salt", "observation", "valid_from", "name", "kind", "scale", "domicile", "region", "work_units", "group",
                        "parent");
const MemberTable kObserved("salt", "sha256", "rows", "complete", "scope", "observed_at");
const MemberTable kScope("institution", "fiscal_year");
const MemberTable kRedacted("salt", "ground", "authority", "replacement");

bool decode_work_units(Fields& fields, const JsonValue* units, Arena& arena, DecoderScratch& scratch, Fact& to) {
  if (units == nullptr) return true;
  if (!fields.object(units)) return false;
  scratch.work_units.clear();
  for (std::uint32_t i = fields.first_in(*units); i < units->end; i = fields.at(i).end) {
    const JsonValue& unit = fields.at(i);
    if (!is_code(unit.key())) return fields.fail(Reason::invalid_code, &unit, "the member's name is the work unit's code");
    if (unit.kind == JsonKind::null) continue;
    WorkUnit& made = scratch.work_units.emplace_back();
    made.code = unit.key();
    if (!fields.text(&unit, kTextSizeMax, made.name)) return false;
  }
  to.work_units = arena.copy(std::span<const WorkUnit>(scratch.work_units));
  return true;
}

bool decode_fact(Fields& fields, const JsonValue& data, Arena& arena, DecoderScratch& scratch, Event& event) {
  const auto [salt, observation, valid_from, name, kind, scale, domicile, region, work_units, group, parent] = fields.members(data, kFact);
  auto* fact = arena.make<Fact>();
  fact->code = event.subject.substr(event.subject.find('/') + 1);
  std::string_view text;
  if (!fields.require(salt, data, "salt") || !fields.hex(salt, 1, 64, text) || !fields.text(observation, kIdSizeMax, text) ||
      !fields.require(valid_from, data, "valid_from") || !fields.month(valid_from, fact->valid_from) ||
      !fields.text(name, kTextSizeMax, fact->name)) {
    return false;
  }
  // A member of another table means nothing, as any unknown one.
  switch (event.type) {
    case EventType::reference_vendor: {
      Scale stated_scale = Scale::unknown;
      VendorKind stated_kind = VendorKind::unknown;
      if (!fields.choice(kind, parse_vendor_kind, stated_kind) || !fields.choice(scale, parse_scale, stated_scale) ||
          !fields.code(domicile, fact->domicile)) {
        return false;
      }
      if (kind != nullptr) fact->vendor_kind = stated_kind;
      if (scale != nullptr) fact->scale = stated_scale;
      break;
    }
    case EventType::reference_institution:
      if (!fields.text(kind, kCodeSizeMax, fact->institution_kind) || !fields.code(region, fact->region) ||
          !decode_work_units(fields, work_units, arena, scratch, *fact)) {
        return false;
      }
      break;
    case EventType::reference_commodity:
      if (!fields.code(group, fact->group)) return false;
      break;
    default:
      if (!fields.code(parent, fact->parent)) return false;
  }
  event.fact = fact;
  return true;
}

bool decode_observed(Fields& fields, const JsonValue& data, Arena& arena, Event& event) {
  const auto [salt, sha256, rows, complete, scope, observed_at] = fields.members(data, kObserved);
  auto* made = arena.make<Observation>();
  std::string_view text;
  std::optional<std::int64_t> number;
  if (!fields.require(salt, data, "salt") || !fields.hex(salt, 1, 64, text) || !fields.require(sha256, data, "sha256") ||
      !fields.hex(sha256, 64, 64, made->sha256) || !fields.require(rows, data, "rows") ||
      !fields.integer(rows, 0, std::numeric_limits<std::int64_t>::max(), number) || !fields.require(complete, data, "complete") ||
      !fields.boolean(complete, made->complete) || !fields.object(scope)) {
    return false;
  }
  made->rows = static_cast<std::uint64_t>(*number);
  if (scope != nullptr) {
    const auto [institution, fiscal_year] = fields.members(*scope, kScope);
    number.reset();
    if (!fields.code(institution, made->institution) || !fields.integer(fiscal_year, kFiscalYearMin, kFiscalYearMax, number)) return false;
    if (number) made->fiscal_year = static_cast<std::int32_t>(*number);
  }
  if (!fields.instant(observed_at, made->observed_at_ms)) return false;
  event.observation = made;
  return true;
}

bool decode_redacted(Fields& fields, const JsonValue& data, Arena& arena, DecoderScratch& scratch, Event& event) {
  const auto [salt, ground, authority, replacement] = fields.members(data, kRedacted);
  std::string_view text;
  if (!fields.require(salt, data, "salt") || !fields.hex(salt, 1, 64, text) || !fields.require(ground, data, "ground") ||
      !fields.text(ground, kTextSizeMax, text) || !fields.require(authority, data, "authority") ||
      !fields.text(authority, kShortTextSizeMax, text)) {
    return false;
  }
  return replacement == nullptr || decode_document(fields, *replacement, arena, scratch, event.document);
}

}  // namespace

bool decode_reference(Fields& fields, const JsonValue& data, Arena& arena, DecoderScratch& scratch, Event& event) {
  switch (event.type) {
    case EventType::source_observed:
      return decode_observed(fields, data, arena, event);
    case EventType::ledger_redacted:
      return decode_redacted(fields, data, arena, scratch, event);
    default:
      return decode_fact(fields, data, arena, scratch, event);
  }
}

}  // namespace bukubesar
