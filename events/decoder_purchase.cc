// Rules version 1, frozen: the data of purchase events, docs/EVENTS.md member by member.
#include <fmt/format.h>

#include <limits>

#include "events/decoder.h"

namespace bukubesar {

namespace {

const MemberTable kData("salt", "observation", "document", "correction", "stage", "source_status", "amount", "reference", "date", "reason");
enum : std::size_t { kSalt, kObservation, kDocument, kCorrection, kStage, kSourceStatus, kAmount, kReference, kDate, kReason };

const MemberTable kDocumentMembers("revision", "fiscal_year", "order_date", "stage", "source_status", "method", "institution", "work_unit",
                                   "vendor", "distributor", "stated", "funding", "plan", "commodity", "catalogue_kind", "amounts", "lines",
                                   "literals");
const MemberTable kStated("region", "scale");
const MemberTable kAmounts("total", "shipping", "tax");
const MemberTable kLine("line", "product", "commodity", "catalogue_kind", "origin", "tkdn", "bmp", "quantity", "unit_price", "amount",
                        "derived");
const MemberTable kCorrectionMembers("reason", "authority", "approver", "corrects");
const MemberTable kCorrects("source", "id");
const MemberTable kSourceStatusMembers("package", "shipment");

bool check_source_status(Fields& fields, const JsonValue* status, bool& stated) {
  if (status == nullptr) return true;
  if (!fields.object(status)) return false;
  const auto [package, shipment] = fields.members(*status, kSourceStatusMembers);
  std::string_view package_text, shipment_text;  // kept in the payload: an answer quotes them from there
  if (!fields.text(package, kShortTextSizeMax, package_text) || !fields.text(shipment, kShortTextSizeMax, shipment_text)) return false;
  stated = !package_text.empty() || !shipment_text.empty();
  return true;
}

bool decode_funding(Fields& fields, const JsonValue* funding, Arena& arena, DecoderScratch& scratch, Document& to) {
  if (funding == nullptr) return true;
  if (!fields.array(funding)) return false;
  scratch.texts.clear();
  for (std::uint32_t i = fields.first_in(*funding); i < funding->end; i = fields.at(i).end) {
    std::string_view name;
    if (!fields.text(&fields.at(i), kCodeSizeMax, name)) return false;
    // One spelling of a set: else two documents that say the same would differ.
    if (!scratch.texts.empty() && !(scratch.texts.back() < name))
      return fields.fail(Reason::invalid_value, &fields.at(i), "funding is distinct and sorted by bytes");
    scratch.texts.push_back(name);
  }
  to.funding = arena.copy(std::span<const std::string_view>(scratch.texts));
  return true;
}

bool decode_line(Fields& fields, const JsonValue& value, Line& to) {
  if (!fields.object(&value)) return false;
  const auto [line, product, commodity, catalogue_kind, origin, tkdn, bmp, quantity, unit_price, amount, derived] =
      fields.members(value, kLine);
  std::optional<std::int64_t> percent;
  std::optional<std::int64_t> ten_thousandths;
  if (!fields.code(line, to.line) || !fields.code(product, to.product) || !fields.code(commodity, to.commodity) ||
      !fields.choice(catalogue_kind, parse_catalogue_kind, to.catalogue_kind) || !fields.choice(origin, parse_origin, to.origin) ||
      !fields.decimal(tkdn, 4, percent) || !fields.decimal(bmp, 4, percent) || !fields.decimal(quantity, 4, ten_thousandths) ||
      !fields.money(unit_price, to.unit_price) || !fields.require(amount, value, "amount") || !fields.money(amount, to.amount) ||
      !fields.boolean(derived, to.derived)) {
    return false;
  }
  if (ten_thousandths) to.quantity = Quantity{*ten_thousandths};
  return true;
}

bool decode_lines(Fields& fields, const JsonValue* lines, Arena& arena, DecoderScratch& scratch, Document& to) {
  if (lines == nullptr) return true;
  if (!fields.array(lines)) return false;
  scratch.lines.clear();
  for (std::uint32_t i = fields.first_in(*lines); i < lines->end; i = fields.at(i).end) {
    if (!decode_line(fields, fields.at(i), scratch.lines.emplace_back())) return false;
  }
  to.lines = arena.copy(std::span<const Line>(scratch.lines));
  return true;
}

bool check_literals(Fields& fields, const JsonValue* literals) {
  if (literals == nullptr) return true;
  if (!fields.object(literals)) return false;
  for (std::uint32_t i = fields.first_in(*literals); i < literals->end; i = fields.at(i).end) {
    if (!fields.string(&fields.at(i))) return false;
  }
  return true;
}

bool decode_amounts(Fields& fields, const JsonValue& amounts, Document& to) {
  if (!fields.object(&amounts)) return false;
  const auto [total, shipping, tax] = fields.members(amounts, kAmounts);
  return fields.require(total, amounts, "total") && fields.money(total, to.total) && fields.money(shipping, to.shipping) &&
         fields.money(tax, to.tax);
}

bool decode_correction(Fields& fields, const JsonValue& value, Arena& arena, Event& event) {
  if (!fields.object(&value)) return false;
  const auto [reason, authority, approver, corrects] = fields.members(value, kCorrectionMembers);
  Correction to;
  if (!fields.require(reason, value, "reason") || !fields.text(reason, kTextSizeMax, to.reason) ||
      !fields.require(authority, value, "authority") || !fields.text(authority, kShortTextSizeMax, to.authority) ||
      !fields.require(approver, value, "approver") || !fields.text(approver, kShortTextSizeMax, to.approver) ||
      !fields.require(corrects, value, "corrects") || !fields.object(corrects)) {
    return false;
  }
  const auto [source, id] = fields.members(*corrects, kCorrects);
  if (!fields.require(source, *corrects, "source") || !fields.text(source, kIdSizeMax, to.corrects_source) ||
      !fields.require(id, *corrects, "id") || !fields.text(id, kIdSizeMax, to.corrects_id)) {
    return false;
  }
  event.correction = arena.make<Correction>(to);
  return true;
}

}  // namespace

bool decode_document(Fields& fields, const JsonValue& document, Arena& arena, DecoderScratch& scratch, const Document*& to) {
  if (!fields.object(&document)) return false;
  const auto [revision, fiscal_year, order_date, stage, source_status, method, institution, work_unit, vendor, distributor, stated, funding,
              plan, commodity, catalogue_kind, amounts, lines, literals] = fields.members(document, kDocumentMembers);
  auto* made = arena.make<Document>();
  std::optional<std::int64_t> number;
  if (!fields.integer(revision, 0, std::numeric_limits<std::int64_t>::max(), number)) return false;
  if (number) made->revision = static_cast<std::uint64_t>(*number);
  if (!fields.require(fiscal_year, document, "fiscal_year") || !fields.integer(fiscal_year, kFiscalYearMin, kFiscalYearMax, number))
    return false;
  made->fiscal_year = static_cast<std::int32_t>(*number);
  if (!fields.date(order_date, made->order_date) || !fields.require(stage, document, "stage") ||
      !fields.choice(stage, parse_stage, made->stage) || !check_source_status(fields, source_status, made->source_status_stated) ||
      !fields.code(method, made->method) || !fields.require(institution, document, "institution") ||
      !fields.code(institution, made->institution) || !fields.code(work_unit, made->work_unit) || !fields.code(vendor, made->vendor) ||
      !fields.code(distributor, made->distributor) || !fields.object(stated)) {
    return false;
  }
  if (stated != nullptr) {
    const auto [region, scale] = fields.members(*stated, kStated);
    if (!fields.code(region, made->stated_region) || !fields.choice(scale, parse_scale, made->stated_scale)) return false;
  }
  if (!decode_funding(fields, funding, arena, scratch, *made) || !fields.text(plan, kShortTextSizeMax, made->plan) ||
      !fields.code(commodity, made->commodity) || !fields.choice(catalogue_kind, parse_catalogue_kind, made->catalogue_kind) ||
      !fields.require(amounts, document, "amounts") || !decode_amounts(fields, *amounts, *made) ||
      !decode_lines(fields, lines, arena, scratch, *made) || !check_literals(fields, literals)) {
    return false;
  }
  to = made;
  return true;
}

bool decode_purchase(Fields& fields, const JsonValue& data, Arena& arena, DecoderScratch& scratch, Event& event) {
  const auto members = fields.members(data, kData);
  std::string_view text;
  bool stated = false;
  if (!fields.require(members[kSalt], data, "salt") || !fields.hex(members[kSalt], 1, 64, text) ||
      !fields.text(members[kObservation], kIdSizeMax, text)) {
    return false;
  }
  switch (event.type) {
    case EventType::corrected:
    case EventType::ordered:
    case EventType::amended:
      if (!fields.require(members[kDocument], data, "document") ||
          !decode_document(fields, *members[kDocument], arena, scratch, event.document)) {
        return false;
      }
      if (event.type != EventType::corrected) return true;
      return fields.require(members[kCorrection], data, "correction") && decode_correction(fields, *members[kCorrection], arena, event);
    case EventType::advanced:
      return fields.require(members[kStage], data, "stage") && fields.choice(members[kStage], parse_stage, event.stage) &&
             check_source_status(fields, members[kSourceStatus], stated);
    case EventType::paid:
    case EventType::refunded:
      return fields.require(members[kAmount], data, "amount") && fields.money(members[kAmount], event.amount) &&
             fields.text(members[kReference], kShortTextSizeMax, event.reference) && fields.date(members[kDate], event.date);
    case EventType::cancelled:
    case EventType::withdrawn:
      return fields.text(members[kReason], kTextSizeMax, text) && check_source_status(fields, members[kSourceStatus], stated);
    default:
      return fields.fail(Reason::unknown_type, std::string(name_of(event.type)));
  }
}

}  // namespace bukubesar
