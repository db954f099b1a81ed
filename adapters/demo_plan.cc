#include "adapters/demo_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/time.h"

namespace bukubesar {

namespace {

constexpr std::int64_t kSenPerThousand = 100'000;  // sen in a thousand rupiah
constexpr std::int64_t kCalibrationAt = kDemoQuietDay * kDaySeconds;

struct StatusNames {
  std::string_view package, shipment;
};
// What e-katalog 5 and 6 call the stages.
StatusNames status_names(std::string_view system, Stage stage) {
  const bool v6 = system == "e-katalog-6";
  switch (stage) {
    case Stage::negotiating:
      return v6 ? StatusNames{"ON_NEGOTIATION", ""} : StatusNames{"proses_negosiasi", ""};
    case Stage::ordered:
      return v6 ? StatusNames{"ESIGN_IN_PROGRESS", ""} : StatusNames{"persiapan", ""};
    case Stage::contracted:
      return v6 ? StatusNames{"ON_PROCESS", "DRAFT"} : StatusNames{"proses_kontrak_ppk", ""};
    case Stage::shipping:
      return v6 ? StatusNames{"ON_PROCESS", "SHIPPING"} : StatusNames{"melakukan_pengiriman_dan_penerimaan", ""};
    case Stage::delivered:
      return v6 ? StatusNames{"ON_PROCESS", "DELIVERED"} : StatusNames{"verifikasi_penyelesaian_paket", ""};
    case Stage::addendum:
      return v6 ? StatusNames{"ON_ADDENDUM", "PROCESSING"} : StatusNames{"adendum_kontrak", ""};
    case Stage::completed:
      return v6 ? StatusNames{"COMPLETED", "COMPLETED"} : StatusNames{"paket_selesai", ""};
    case Stage::cancelled:
      return v6 ? StatusNames{"CANCELLED", ""} : StatusNames{"dibatalkan", ""};
    case Stage::withdrawn:
    case Stage::unknown:
      return {"", ""};
  }
  return {"", ""};
}
StatedStatus source_status(std::string_view system, Stage stage) {
  const StatusNames names = status_names(system, stage);
  return {std::string(names.package), std::string(names.shipment)};
}

std::string axis_date(std::int64_t axis_seconds) {
  const std::int64_t local_ms = demo_instant_ms(axis_seconds) + kDemoZoneMinutes * 60'000LL;
  return format_date(Date{static_cast<std::int32_t>(local_ms / (kDaySeconds * 1000))});
}

std::string axis_instant(std::int64_t axis_seconds) { return format_instant_ms(demo_instant_ms(axis_seconds), kDemoZoneMinutes); }

EventType type_of(DemoStepKind kind) {
  switch (kind) {
    case DemoStepKind::ordered:
      return EventType::ordered;
    case DemoStepKind::advanced:
      return EventType::advanced;
    case DemoStepKind::amended:
    case DemoStepKind::stale:
      return EventType::amended;
    case DemoStepKind::paid:
      return EventType::paid;
    case DemoStepKind::refunded:
      return EventType::refunded;
    case DemoStepKind::cancelled:
      return EventType::cancelled;
    case DemoStepKind::withdrawn:
      return EventType::withdrawn;
    case DemoStepKind::corrected:
      return EventType::corrected;
  }
  return EventType::ordered;
}

Scale stated_scale(Scale scale, std::uint64_t random) {
  // The feed does not state every vendor's class, and some classes less finely than they are.
  if (random % 100 < 15) return Scale::unknown;
  if (random % 100 < 25 && (scale == Scale::micro || scale == Scale::small)) return Scale::micro_or_small;
  return scale;
}

// A year later a vendor may have outgrown its class, or turn out to be smaller.
Scale reclassified_scale(Scale scale) {
  switch (scale) {
    case Scale::micro:
      return Scale::small;
    case Scale::small:
      return Scale::medium;
    case Scale::medium:
      return Scale::large;
    case Scale::large:
      return Scale::medium;
    case Scale::micro_or_small:
      return Scale::micro;
    case Scale::unknown:
      return Scale::small;
    case Scale::cooperative:
      return Scale::cooperative;
  }
  return scale;
}

}  // namespace

DemoPlan::DemoPlan(const DemoOptions& options) : options_(options), core_count_(std::min(options.purchases, kDemoCorePurchases)) {
  BB_CHECK(options.purchases >= kDemoPurchasesMin && options.purchases <= kDemoPurchasesMax, "the caller has checked the number");
  std::array<std::int64_t, kDemoKalselRegions> largest_plain{};
  std::vector<std::pair<std::size_t, std::int64_t>> counted;  // region, raw
  for (std::uint64_t i = 0; i < core_count_; ++i) {
    const DemoPurchase purchase = make_demo_purchase(options_.seed, false, i, core_count_);
    if (!purchase.calibrated()) continue;
    const int last = demo_step_before(purchase, kCalibrationAt);
    if (last < 0 || !is_broad(purchase.steps[static_cast<std::size_t>(last)].stage)) continue;
    const std::int64_t raw = purchase.raw_thousands[purchase.steps[static_cast<std::size_t>(last)].version];
    Region& region = regions_[purchase.region];
    region.sum_thousands += raw;
    counted.emplace_back(purchase.region, raw);
    if (purchase.plain && raw > largest_plain[purchase.region]) {
      largest_plain[purchase.region] = raw;
      region.absorber = i;
    }
  }
  const auto weights = demo_kalsel_weights();
  std::int64_t others = 0;
  for (std::size_t r = 0; r < regions_.size(); ++r) others += r == kDemoTabalong ? 0 : weights[r];
  std::int64_t left = kDemoKalselRupiah / 1000;
  for (std::size_t r = 1; r < regions_.size(); ++r) {
    regions_[r].target_thousands =
        r == kDemoTabalong ? kDemoTabalongRupiah / 1000 : (kDemoKalselRupiah - kDemoTabalongRupiah) / 1000 / others * weights[r];
    left -= regions_[r].target_thousands;
  }
  regions_[0].target_thousands = left;
  for (Region& region : regions_) {
    BB_CHECK(region.sum_thousands > 0, "every region has purchases that count by June: the first ones go round the regions");
    region.residue_thousands = region.target_thousands;
  }
  for (const auto& [r, raw] : counted) regions_[r].residue_thousands -= scaled_thousands(r, raw);
}

std::int64_t DemoPlan::scaled_thousands(std::size_t region, std::int64_t raw) const {
  return static_cast<std::int64_t>(static_cast<__int128>(raw) * regions_[region].target_thousands / regions_[region].sum_thousands);
}

Money DemoPlan::total(const DemoPurchase& purchase, std::size_t version) const {
  std::int64_t thousands = purchase.raw_thousands[version];
  if (purchase.kalsel && !purchase.bulk) {
    thousands = scaled_thousands(purchase.region, thousands);
    if (regions_[purchase.region].absorber == purchase.index) thousands += regions_[purchase.region].residue_thousands;
  }
  return {thousands * kSenPerThousand};
}

Money DemoPlan::broad_after(const DemoPurchase& purchase, std::size_t steps) const {
  if (steps == 0 || !purchase.calibrated()) return {};
  const DemoStep& last = purchase.steps[steps - 1];
  return is_broad(last.stage) ? total(purchase, last.version) : Money{};
}

double DemoPlan::scale_of(std::size_t region) const {
  return static_cast<double>(regions_[region].target_thousands) / static_cast<double>(regions_[region].sum_thousands);
}

std::string DemoPlan::subject(const DemoPurchase& purchase) const {
  return purchase.bulk ? fmt::format("{}/sintetis-{}b-{:08}", purchase.system, options_.seed, purchase.index)
                       : fmt::format("{}/sintetis-{}-{:06}", purchase.system, options_.seed, purchase.index);
}

void DemoPlan::lines(const DemoPurchase& purchase, DocumentDraft& to) const {
  DemoRandom random(purchase.details, 3, 0);
  std::int64_t thousands = to.total.sen / kSenPerThousand;
  if (thousands >= 1000 && random.chance(350'000)) {
    const std::int64_t shipping = std::max<std::int64_t>(1, thousands * random.between(2, 25) / 1000);
    to.shipping = Money{shipping * kSenPerThousand};
    thousands -= shipping;
  }
  // Now and then the lines do not add up to the total, as in real data.
  if (thousands >= 1000 && random.chance(3'000)) thousands -= random.between(1, 50);
  const std::int64_t count = std::clamp<std::int64_t>(random.between(-2, 5), 1, std::max<std::int64_t>(1, thousands / 100));
  const std::string& commodity = to.commodity;
  for (std::int64_t i = 1; i <= count; ++i) {
    const std::int64_t share = i == count ? thousands : std::max<std::int64_t>(1, thousands * random.between(10, 70) / 100);
    thousands -= share;
    LineDraft line;
    line.line = fmt::format("{}", i);
    line.product = fmt::format("sintetis-p{}", random.between(10'000, 99'999));
    line.commodity = commodity;
    line.catalogue_kind = to.catalogue_kind;
    const std::int64_t origin = random.between(0, 99);
    line.origin = origin < 62 ? Origin::domestic : origin < 87 ? Origin::other : Origin::unknown;
    if (line.origin == Origin::domestic) {
      // One statement a draw: the order of a call's arguments is the compiler's choice, and a seed's bytes must not be.
      const std::int64_t hundredths = random.between(0, 99);
      line.tkdn = fmt::format("{}.{:02}", random.between(25, 90), hundredths);
      line.bmp = fmt::format("{}.00", random.between(0, 15));
    }
    // Quantities that divide a thousand rupiah, so that quantity × price is the amount to the sen.
    constexpr std::array<std::int64_t, 9> kQuantities{1, 2, 4, 5, 10, 20, 25, 50, 100};
    const std::int64_t quantity = kQuantities[static_cast<std::size_t>(random.between(0, kQuantities.size() - 1))];
    line.quantity = fmt::format("{}", quantity);
    line.amount = {share * kSenPerThousand};
    line.unit_price = Money{line.amount.sen / quantity};
    to.lines.push_back(std::move(line));
  }
}

void DemoPlan::document(const DemoPurchase& purchase, std::size_t version, Stage stage, DocumentDraft& to) const {
  DemoRandom random(purchase.details, 4, 0);
  const DemoRegion& region = purchase.kalsel ? demo_kalsel()[purchase.region] : demo_elsewhere()[purchase.region];
  const DemoVendor vendor = demo_vendor(options_.seed, purchase.vendor);
  to.revision = version + 1;
  to.fiscal_year = purchase.fiscal_year;
  if (purchase.order_at >= 0) to.order_date = axis_date(purchase.order_at);
  to.stage = stage;
  to.source_status = source_status(purchase.system, stage);
  to.method = "e-purchasing";
  to.institution = demo_institution(purchase);
  to.work_unit = fmt::format("{}-{:02}", to.institution, purchase.work_unit + 1);
  to.vendor = demo_vendor_code(purchase.vendor);
  if (purchase.distributor != 0) to.distributor = demo_vendor_code(purchase.distributor);
  to.stated_region = region.code;
  to.stated_scale = stated_scale(vendor.scale, random.next() >> 20);
  const std::int64_t funding = random.between(0, 99);
  to.funding = region.code == "00" ? std::vector<std::string>{"APBN"}
               : funding < 88      ? std::vector<std::string>{"APBD"}
               : funding < 95      ? std::vector<std::string>{"BLUD"}
                                   : std::vector<std::string>{"APBD", "BLUD"};
  to.plan = fmt::format("{}", random.between(30'000'000, 49'999'999));
  to.commodity = demo_commodities()[purchase.commodity].code;
  to.catalogue_kind = purchase.system == "toko-daring" ? CatalogueKind::unknown : purchase.catalogue_kind;
  to.total = total(purchase, version);
  lines(purchase, to);
}

Outgoing DemoPlan::event(const DemoPurchase& purchase, std::size_t number, EventIds& ids) const {
  const DemoStep& step = purchase.steps[number];
  Outgoing out;
  out.key = subject(purchase);
  std::string members;
  const auto add_document = [&](std::size_t version) {
    DocumentDraft draft;
    document(purchase, version, step.stage, draft);
    members += "\"document\":";
    append_document(members, draft);
  };
  switch (step.kind) {
    case DemoStepKind::ordered:
    case DemoStepKind::amended:
      add_document(step.version);
      break;
    case DemoStepKind::stale:
      add_document(0);
      break;
    case DemoStepKind::corrected: {
      add_document(step.version);
      const Outgoing first = event(purchase, 0, ids);
      constexpr std::string_view kId = "\"id\":\"";
      const std::size_t at = first.value->find(kId) + kId.size();
      members += fmt::format(R"x(,"correction":{{"reason":"salah ketik nilai (data sintetis)","authority":"Inspektorat (data sintetis)",)x"
                             R"x("approver":"Bagian Pengadaan (data sintetis)","corrects":{{"source":"{}","id":"{}"}}}})x",
                             kDemoSource, first.value->substr(at, 32));
      break;
    }
    case DemoStepKind::advanced:
      members = fmt::format(R"("stage":"{}",)", name_of(step.stage));
      append_source_status(members, source_status(purchase.system, step.stage));
      break;
    case DemoStepKind::paid:
    case DemoStepKind::refunded: {
      members = "\"amount\":";
      append_money(members, {total(purchase, step.version).sen / 1000 * step.share});
      members += fmt::format(R"(,"reference":"{}-sintetis-{}-{}-{}","date":"{}")", step.kind == DemoStepKind::paid ? "SP2D" : "STS",
                             purchase.bulk ? "b" : "c", purchase.index, number, axis_date(step.at));
      break;
    }
    case DemoStepKind::cancelled:
    case DemoStepKind::withdrawn:
      members = step.kind == DemoStepKind::cancelled ? R"x("reason":"dibatalkan pembeli (data sintetis)",)x"
                                                     : R"x("reason":"not in the snapshot (data sintetis)",)x";
      append_source_status(members, source_status(purchase.system, step.stage));
      break;
  }
  const std::string time = axis_instant(std::max<std::int64_t>(0, step.at - step.shown_earlier));
  // The step's number stands for the event before it: each has its own id, whatever the documents say.
  const std::string predecessor = fmt::format("{}", number);
  out.value = build_event(ids, {type_of(step.kind), kDemoSource, out.key, time, "", predecessor}, members).text;
  return out;
}

Outgoing DemoPlan::vendor_fact(std::uint64_t number, std::string_view valid_from, bool reclassified, EventIds& ids) const {
  const DemoVendor vendor = demo_vendor(options_.seed, number);
  Outgoing out;
  out.reference_topic = true;
  out.key = "vendor/" + demo_vendor_code(number);
  std::string members = fmt::format(R"("valid_from":"{}")", valid_from);
  if (!reclassified) {
    members += fmt::format(R"(,"name":"Penyedia Sintetis {}","domicile":"{}","kind":"{}")", number, vendor.domicile, name_of(vendor.kind));
  }
  members += fmt::format(R"(,"scale":"{}")", name_of(reclassified ? reclassified_scale(vendor.scale) : vendor.scale));
  out.value = build_event(ids, {EventType::reference_vendor, kDemoSource, out.key, "", "", ""}, members).text;
  return out;
}

Outgoing DemoPlan::stray_payment(std::uint64_t number, std::int64_t at, EventIds& ids) const {
  Outgoing out;
  out.key = fmt::format("e-katalog-5/sintetis-{}-tak-dikenal-{}", options_.seed, number);
  const std::string members =
      fmt::format(R"("amount":"{}000000.00","reference":"SP2D-sintetis-t-{}","date":"{}")", number + 1, number, axis_date(at));
  out.value = build_event(ids, {EventType::paid, kDemoSource, out.key, axis_instant(at), "", ""}, members).text;
  return out;
}

std::vector<Outgoing> DemoPlan::opening_facts(EventIds& ids) const {
  std::vector<Outgoing> facts;
  const auto add = [&](EventType type, std::string subject, const std::string& members) {
    Outgoing out;
    out.reference_topic = true;
    out.value = build_event(ids, {type, kDemoSource, subject, "", "", ""}, members).text;
    out.key = std::move(subject);
    facts.push_back(std::move(out));
  };
  const auto add_region = [&](const DemoRegion& region, bool kalsel, std::size_t index) {
    std::string members = fmt::format(R"("valid_from":"2020-01","name":"{}")", region.name);
    if (region.code.size() > 2) members += fmt::format(R"(,"parent":"{}")", region.code.substr(0, 2));
    add(EventType::reference_region, fmt::format("region/{}", region.code), members);
    DemoPurchase purchase;
    purchase.kalsel = kalsel;
    purchase.region = index;
    const std::string institution = demo_institution(purchase);
    members = fmt::format(R"("valid_from":"2020-01","name":"{}","kind":"{}","region":"{}","work_units":{{)", region.institution_name,
                          region.code == "00" ? "ministry" : "region", region.code);
    for (std::size_t unit = 0; unit < kDemoWorkUnits; ++unit)
      members += fmt::format(R"({}"{}-{:02}":"{}")", unit == 0 ? "" : ",", institution, unit + 1, demo_work_unit_name(unit));
    add(EventType::reference_institution, "institution/" + institution, members + "}");
  };
  for (std::size_t i = 0; i < demo_kalsel().size(); ++i) add_region(demo_kalsel()[i], true, i);
  for (std::size_t i = 0; i < demo_elsewhere().size(); ++i) add_region(demo_elsewhere()[i], false, i);
  for (const DemoCommodity& commodity : demo_commodities())
    add(EventType::reference_commodity, fmt::format("commodity/{}", commodity.code),
        fmt::format(R"("valid_from":"2020-01","name":"{}","group":"{}")", commodity.name, commodity.group));
  return facts;
}

EventIds demo_event_ids() { return EventIds("bukubesar demo: synthetic data, no secret"); }

std::string demo_institution(const DemoPurchase& purchase) {
  return fmt::format("sintetis-{}", (purchase.kalsel ? demo_kalsel()[purchase.region] : demo_elsewhere()[purchase.region]).code);
}

std::string demo_vendor_code(std::uint64_t number) { return fmt::format("sintetis-v{}", number); }

}  // namespace bukubesar
