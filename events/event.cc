#include "events/event.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/sha256.h"
#include "events/decoder.h"

namespace bukubesar {

namespace {

constexpr std::array<std::string_view, 14> kTypes = {
    "purchase.ordered",    "purchase.advanced",  "purchase.amended",   "purchase.paid",    "purchase.refunded",
    "purchase.cancelled",  "purchase.withdrawn", "purchase.corrected", "reference.vendor", "reference.institution",
    "reference.commodity", "reference.region",   "source.observed",    "ledger.redacted",
};
constexpr std::array<std::string_view, kStageCount> kStages = {"unknown",   "negotiating", "ordered",   "contracted", "shipping",
                                                               "delivered", "addendum",    "completed", "cancelled",  "withdrawn"};
constexpr std::array<std::string_view, 7> kScales = {"unknown", "micro", "small", "micro_or_small", "medium", "large", "cooperative"};
constexpr std::array<std::string_view, 3> kOrigins = {"unknown", "domestic", "other"};
constexpr std::array<std::string_view, 4> kCatalogueKinds = {"unknown", "local", "sectoral", "national"};
constexpr std::array<std::string_view, 4> kVendorKinds = {"unknown", "person", "company", "cooperative"};

// Systems that name a purchase by package alone, and those that repeat package ids with other vendors.
constexpr std::array<std::string_view, 4> kPlainSystems = {"e-katalog-5", "e-katalog-6", "toko-daring", "swakelola"};
constexpr std::array<std::string_view, 3> kVendorSystems = {"tender", "non-tender", "pencatatan"};

template <std::size_t N, class Enum>
std::string_view name_in(const std::array<std::string_view, N>& names, Enum value) {
  const auto at = static_cast<std::size_t>(value);
  return at < N ? names[at] : std::string_view("?");
}

template <class Enum, std::size_t N>
std::optional<Enum> parse_in(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string_view name_of(EventType type) { return name_in(kTypes, type); }
std::string_view name_of(Stage stage) { return name_in(kStages, stage); }
std::string_view name_of(Scale scale) { return name_in(kScales, scale); }
std::string_view name_of(Origin origin) { return name_in(kOrigins, origin); }
std::string_view name_of(CatalogueKind kind) { return name_in(kCatalogueKinds, kind); }
std::string_view name_of(VendorKind kind) { return name_in(kVendorKinds, kind); }
std::optional<Stage> parse_stage(std::string_view name) { return parse_in<Stage>(kStages, name); }
std::optional<Scale> parse_scale(std::string_view name) { return parse_in<Scale>(kScales, name); }
std::optional<Origin> parse_origin(std::string_view name) { return parse_in<Origin>(kOrigins, name); }
std::optional<CatalogueKind> parse_catalogue_kind(std::string_view name) { return parse_in<CatalogueKind>(kCatalogueKinds, name); }
std::optional<VendorKind> parse_vendor_kind(std::string_view name) { return parse_in<VendorKind>(kVendorKinds, name); }

std::optional<EventType> parse_event_type(std::string_view type) {
  constexpr std::string_view kBefore = "id.bukubesar.";
  constexpr std::string_view kAfter = ".v1";
  if (type.size() <= kBefore.size() + kAfter.size() || type.substr(0, kBefore.size()) != kBefore ||
      type.substr(type.size() - kAfter.size()) != kAfter) {
    return std::nullopt;
  }
  return parse_in<EventType>(kTypes, type.substr(kBefore.size(), type.size() - kBefore.size() - kAfter.size()));
}

bool is_code(std::string_view text) {
  if (text.empty() || text.size() > kCodeSizeMax) return false;
  // By table: eight codes an event, on the hot path.
  static constexpr auto kAllowed = [] {
    std::array<bool, 256> allowed{};
    for (unsigned c = '0'; c <= '9'; ++c) allowed[c] = true;
    for (unsigned c = 'a'; c <= 'z'; ++c) allowed[c] = allowed[c - 'a' + 'A'] = true;
    allowed['.'] = allowed['_'] = allowed['-'] = true;
    return allowed;
  }();
  bool all = true;
  for (const char c : text) all &= kAllowed[static_cast<unsigned char>(c)];
  return all;
}

bool is_known_system(std::string_view system) { return holds(kPlainSystems, system) || holds(kVendorSystems, system); }

std::optional<PurchaseId> parse_purchase_id(std::string_view subject) {
  PurchaseId id;
  id.text = subject;
  const std::size_t slash = subject.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  id.system = subject.substr(0, slash);
  id.package = subject.substr(slash + 1);
  if (holds(kVendorSystems, id.system)) {
    const std::size_t second = id.package.find('/');
    if (second == std::string_view::npos) return std::nullopt;
    id.vendor = id.package.substr(second + 1);
    id.package = id.package.substr(0, second);
    if (!is_code(id.vendor)) return std::nullopt;
  } else if (!holds(kPlainSystems, id.system)) {
    return std::nullopt;
  }
  if (!is_code(id.package)) return std::nullopt;
  return id;
}

Fingerprint fingerprint_of(std::string_view source, std::string_view id) {
  const Hash256 hash = sha256_joined({source, std::string_view("\0", 1), id});
  Fingerprint fingerprint;
  std::memcpy(fingerprint.data(), hash.data(), fingerprint.size());
  return fingerprint;
}

}  // namespace bukubesar
