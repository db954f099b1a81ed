// Demo model: a synthetic year of purchases, each one a function of (seed, index). Nothing in it is about a real vendor or purchase.
//
// Time    runs on an axis of seconds from 2023-01-01T00:00+08:00 with five days cut out, 13 to 17 June 2023: so no event falls on 15 June
//         or near it, in any zone, and every reading of "by 15 June 2023" agrees.
// Core    the first kDemoCorePurchases purchases: mostly Kalimantan Selatan, fiscal year 2023, local catalogue.
// Bulk    all beyond them, for load: outside 63 or outside fiscal year 2023, so they never touch the calibrated figures.
// Values  log-normal, median Rp 25 million, p90 265 million, p99 1.9 billion, at most 12 billion; scaled for each region (demo_plan.h).
//
// The numbers are integers throughout, so that a seed gives the same bytes on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "events/event.h"

namespace bukubesar {

inline constexpr std::uint64_t kDemoCorePurchases = 36'000;  // the default number of purchases
inline constexpr std::uint64_t kDemoPurchasesMin = 100;
inline constexpr std::uint64_t kDemoPurchasesMax = 100'000'000;
inline constexpr int kDemoZoneMinutes = 480;
inline constexpr std::int64_t kDaySeconds = 86'400;
inline constexpr std::int64_t kDemoQuietDay = 163;  // 13 June 2023: the first day cut out, on the axis the day that follows 12 June
inline constexpr std::int64_t kDemoQuietDays = 5;
inline constexpr std::int64_t kDemoDaysMax = 700;  // no step is later on the axis

// A pseudo-random sequence that is a function of its key (splitmix64).
class DemoRandom {
 public:
  DemoRandom(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);
  std::uint64_t next();
  // Evenly in [first, last]; the bias of one part in 2^32 is of no account here.
  std::int64_t between(std::int64_t first, std::int64_t last);
  bool chance(std::uint32_t per_million) { return static_cast<std::uint32_t>(next() >> 32) % 1'000'000 < per_million; }

 private:
  std::uint64_t state_;
};

// Seconds on the axis → milliseconds since 1970.
[[nodiscard]] std::int64_t demo_instant_ms(std::int64_t axis_seconds);

struct DemoRegion {
  std::string_view code, name;
  std::string_view institution_name;  // of its government
};
// The province's own offices first, then its 13 districts.
[[nodiscard]] std::span<const DemoRegion> demo_kalsel();
// Of ten thousand purchases, beside demo_kalsel().
[[nodiscard]] std::span<const std::int64_t> demo_kalsel_weights();
inline constexpr std::size_t kDemoKalselRegions = 14;
inline constexpr std::size_t kDemoTabalong = 9;  // index in demo_kalsel()
// Buyers elsewhere.
[[nodiscard]] std::span<const DemoRegion> demo_elsewhere();
inline constexpr std::size_t kDemoWorkUnits = 12;  // of each institution
[[nodiscard]] std::string_view demo_work_unit_name(std::size_t unit);

struct DemoCommodity {
  std::string_view code, name, group;
};
[[nodiscard]] std::span<const DemoCommodity> demo_commodities();

inline constexpr std::uint64_t kDemoCoreVendors = 2'400;
struct DemoVendor {
  Scale scale = Scale::unknown;
  VendorKind kind = VendorKind::company;
  std::string_view domicile;
};
[[nodiscard]] DemoVendor demo_vendor(std::uint64_t seed, std::uint64_t number);  // numbers from 1

enum class DemoStepKind : std::uint8_t { ordered, advanced, amended, stale, paid, refunded, cancelled, withdrawn, corrected };

struct DemoStep {
  std::int64_t at = 0;  // when it is sent, on the axis; steps of a purchase are on different days
  DemoStepKind kind = DemoStepKind::ordered;
  Stage stage = Stage::unknown;    // the purchase's after it
  std::uint8_t version = 0;        // of the document: which of raw_thousands is in force after it
  std::uint16_t share = 0;         // paid, refunded: of the value in force, per mille
  std::int32_t shown_earlier = 0;  // the event's time is that many seconds earlier: time going back
};

inline constexpr std::size_t kDemoStepsMax = 24;
inline constexpr std::size_t kDemoVersionsMax = 5;

struct DemoPurchase {
  std::uint64_t index = 0;
  bool bulk = false;
  bool kalsel = false;
  bool plain = true;       // one document, never changed
  std::size_t region = 0;  // in demo_kalsel() or demo_elsewhere()
  std::size_t work_unit = 0, commodity = 0;
  std::int32_t fiscal_year = 2023;
  CatalogueKind catalogue_kind = CatalogueKind::local;
  std::string_view system;
  std::uint64_t vendor = 1, distributor = 0;  // distributor 0: none
  std::int64_t order_at = 0;                  // the order date, on the axis; -1 unknown
  std::uint64_t details = 0;                  // seeds what only the document needs: lines, funding, plan
  std::size_t version_count = 1, step_count = 0;
  std::array<std::int64_t, kDemoVersionsMax> raw_thousands{};  // thousand rupiah, before scaling
  std::array<DemoStep, kDemoStepsMax> steps{};

  [[nodiscard]] bool calibrated() const { return kalsel && fiscal_year == 2023 && catalogue_kind == CatalogueKind::local; }
};

// count: how many there are of its class, core or bulk. Purchases of a class come to be in the order of their index.
[[nodiscard]] DemoPurchase make_demo_purchase(std::uint64_t seed, bool bulk, std::uint64_t index, std::uint64_t count);

[[nodiscard]] constexpr bool is_broad(Stage stage) {
  return stage == Stage::contracted || stage == Stage::shipping || stage == Stage::delivered || stage == Stage::addendum ||
         stage == Stage::completed;
}
// The last step before `axis_seconds`; -1: none.
[[nodiscard]] int demo_step_before(const DemoPurchase& purchase, std::int64_t axis_seconds);

}  // namespace bukubesar
