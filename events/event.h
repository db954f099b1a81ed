// Event: a payload that decoded and validated, as plain values. docs/EVENTS.md has the documents, member by member.
//
// Text members are views into the payload or into the arena it was decoded with, and live as long as both.
// Unknown is an empty code, a null optional, or the enumeration's `unknown`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/money.h"
#include "base/time.h"

namespace bukubesar {

enum class EventType : std::uint8_t {
  ordered,
  advanced,
  amended,
  paid,
  refunded,
  cancelled,
  withdrawn,
  corrected,  // on purchase topics
  reference_vendor,
  reference_institution,
  reference_commodity,
  reference_region,  // on the reference topic
  source_observed,
  ledger_redacted,
};
// "purchase.ordered" … "ledger.redacted": the CloudEvents type without `id.bukubesar.` and `.v1`.
[[nodiscard]] std::string_view name_of(EventType type);
[[nodiscard]] constexpr bool is_purchase(EventType type) { return type <= EventType::corrected; }

// Values are stored in segments: never renumbered.
enum class Stage : std::uint8_t {
  unknown,
  negotiating,
  ordered,
  contracted,
  shipping,
  delivered,
  addendum,
  completed,
  cancelled,
  withdrawn
};
inline constexpr std::size_t kStageCount = 10;
enum class Scale : std::uint8_t { unknown, micro, small, micro_or_small, medium, large, cooperative };
enum class Origin : std::uint8_t { unknown, domestic, other };
enum class CatalogueKind : std::uint8_t { unknown, local, sectoral, national };
enum class VendorKind : std::uint8_t { unknown, person, company, cooperative };

[[nodiscard]] std::string_view name_of(Stage);
[[nodiscard]] std::string_view name_of(Scale);
[[nodiscard]] std::string_view name_of(Origin);
[[nodiscard]] std::string_view name_of(CatalogueKind);
[[nodiscard]] std::string_view name_of(VendorKind);
[[nodiscard]] std::optional<Stage> parse_stage(std::string_view);
[[nodiscard]] std::optional<Scale> parse_scale(std::string_view);
[[nodiscard]] std::optional<Origin> parse_origin(std::string_view);
[[nodiscard]] std::optional<CatalogueKind> parse_catalogue_kind(std::string_view);
[[nodiscard]] std::optional<VendorKind> parse_vendor_kind(std::string_view);

// SHA-256(source ‖ 00 ‖ id), first 128 bits.
using Fingerprint = std::array<std::uint8_t, 16>;
[[nodiscard]] Fingerprint fingerprint_of(std::string_view source, std::string_view id);

// `<system>/<package id>[/<vendor id>]`, the subject of a purchase event and its Kafka key.
struct PurchaseId {
  std::string_view text;  // the whole
  std::string_view system;
  std::string_view package;
  std::string_view vendor;  // empty where the system's ids do not need it
};
[[nodiscard]] std::optional<PurchaseId> parse_purchase_id(std::string_view subject);

// Four decimals: 90.65 is 906500.
struct Quantity {
  std::int64_t ten_thousandths = 0;
};

struct Line {
  std::string_view line, product, commodity;
  CatalogueKind catalogue_kind = CatalogueKind::unknown;
  Origin origin = Origin::unknown;
  std::optional<Quantity> quantity;
  std::optional<Money> unit_price;
  Money amount;  // stated, never computed
  bool derived = false;
};

struct Document {
  std::optional<std::uint64_t> revision;
  std::int32_t fiscal_year = 0;
  std::optional<Date> order_date;
  Stage stage = Stage::unknown;
  bool source_status_stated = false;  // the source names a status, whether or not it could be mapped to a stage
  std::string_view method, institution, work_unit, vendor, distributor;
  std::string_view stated_region;
  Scale stated_scale = Scale::unknown;
  std::span<const std::string_view> funding;  // distinct, sorted
  std::string_view plan, commodity;
  CatalogueKind catalogue_kind = CatalogueKind::unknown;
  Money total;
  std::optional<Money> shipping, tax;
  std::span<const Line> lines;
};

struct Correction {
  std::string_view reason, authority, approver, corrects_source, corrects_id;
};

struct WorkUnit {
  std::string_view code, name;
};

// What a reference event states. A member that is absent (null optional or empty) is not replaced.
struct Fact {
  std::string_view code;
  Month valid_from;
  std::optional<std::string_view> name;
  std::optional<Scale> scale;                // vendor
  std::optional<std::string_view> domicile;  // vendor: region code
  std::optional<VendorKind> vendor_kind;     // vendor
  std::optional<std::string_view> institution_kind;
  std::optional<std::string_view> region;  // institution
  std::span<const WorkUnit> work_units;    // institution
  std::optional<std::string_view> group;   // commodity
  std::optional<std::string_view> parent;  // region
};

// A snapshot that an adapter looked at (source.observed).
struct Observation {
  std::string_view sha256, institution;
  std::uint64_t rows = 0;
  bool complete = false;
  std::optional<std::int32_t> fiscal_year;
  std::optional<std::int64_t> observed_at_ms;
};

struct Event {
  EventType type = EventType::ordered;
  std::string_view source, id, subject;
  std::optional<std::int64_t> time_ms;
  Fingerprint fingerprint{};
  PurchaseId purchase;                       // purchase events
  const Document* document = nullptr;        // ordered, amended, corrected
  const Correction* correction = nullptr;    // corrected
  Stage stage = Stage::unknown;              // advanced
  Money amount;                              // paid, refunded
  std::string_view reference;                // paid, refunded
  std::optional<Date> date;                  // paid, refunded
  const Fact* fact = nullptr;                // reference_*
  const Observation* observation = nullptr;  // source_observed
};

}  // namespace bukubesar
