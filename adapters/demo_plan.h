// Demo plan: the year calibrated to two published figures, and its purchases and steps as event text.
//
// Calibration  by 15 June 2023 the purchases of fiscal year 2023 through the local catalogue come, by the broad definition, to exactly
//              Rp 1,200,000,000,000 for Kalimantan Selatan and exactly Rp 23,000,000,000 for Tabalong. Done by construction: for each of
//              the 14 regions the model's raw values that count at that moment (after cancellations, addenda, corrections until then) are
//              summed, every value of the region is scaled by target / sum and cut to whole thousand rupiah, and what the cutting lost
//              is added to one plain purchase of the region.
// Threads      const functions from any; build functions use the caller's EventIds.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "adapters/demo_model.h"
#include "adapters/event_builder.h"
#include "adapters/publisher.h"
#include "base/money.h"

namespace bukubesar {

inline constexpr std::string_view kDemoSource = "/feed/demo-synthetic";
inline constexpr std::int64_t kDemoKalselRupiah = 1'200'000'000'000;
inline constexpr std::int64_t kDemoTabalongRupiah = 23'000'000'000;

struct DemoOptions {
  std::uint64_t seed = 1;
  std::uint64_t purchases = kDemoCorePurchases;  // kDemoPurchasesMin … kDemoPurchasesMax
};

class DemoPlan {
 public:
  explicit DemoPlan(const DemoOptions& options);
  [[nodiscard]] const DemoOptions& options() const { return options_; }
  [[nodiscard]] std::uint64_t core_count() const { return core_count_; }
  [[nodiscard]] std::uint64_t bulk_count() const { return options_.purchases - core_count_; }
  [[nodiscard]] DemoPurchase purchase(bool bulk, std::uint64_t index) const {
    return make_demo_purchase(options_.seed, bulk, index, bulk ? bulk_count() : core_count_);
  }

  // The stated total of a document version.
  [[nodiscard]] Money total(const DemoPurchase& purchase, std::size_t version) const;
  // What the purchase adds to the calibrated figures after its first `steps` steps.
  [[nodiscard]] Money broad_after(const DemoPurchase& purchase, std::size_t steps) const;
  // target / sum of the region, for people: near 1 with the default number of purchases.
  [[nodiscard]] double scale_of(std::size_t region) const;

  [[nodiscard]] std::string subject(const DemoPurchase& purchase) const;
  // The event of one step.
  [[nodiscard]] Outgoing event(const DemoPurchase& purchase, std::size_t step, EventIds& ids) const;
  // What the vendor is from the month `valid_from` on; `reclassified`: what it was found to be later.
  [[nodiscard]] Outgoing vendor_fact(std::uint64_t number, std::string_view valid_from, bool reclassified, EventIds& ids) const;
  // A payment for a purchase that no event ordered: it makes a stub, and a finding.
  [[nodiscard]] Outgoing stray_payment(std::uint64_t number, std::int64_t at, EventIds& ids) const;
  // Regions, institutions with their work units, commodities.
  [[nodiscard]] std::vector<Outgoing> opening_facts(EventIds& ids) const;

 private:
  struct Region {
    __int128 sum_thousands = 0;  // of raw values that count on the day
    std::int64_t target_thousands = 0, residue_thousands = 0;
    std::uint64_t absorber = 0;  // the purchase that takes the residue
  };
  [[nodiscard]] std::int64_t scaled_thousands(std::size_t region, std::int64_t raw) const;
  void document(const DemoPurchase& purchase, std::size_t version, Stage stage, DocumentDraft& to) const;
  void lines(const DemoPurchase& purchase, DocumentDraft& to) const;

  DemoOptions options_;
  std::uint64_t core_count_;
  std::array<Region, kDemoKalselRegions> regions_;
};

// The demo's secret is known, so that a seed gives the same bytes everywhere: synthetic data has nothing to hide.
[[nodiscard]] EventIds demo_event_ids();
[[nodiscard]] std::string demo_institution(const DemoPurchase& purchase);
[[nodiscard]] std::string demo_vendor_code(std::uint64_t number);

}  // namespace bukubesar
