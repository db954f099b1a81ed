#include "adapters/demo_model.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/time.h"

namespace bukubesar {

namespace {

constexpr std::int64_t kAxisDays = 360;  // of 2023, without the quiet days
// How busy each thirtieth-day block of the axis is: little in January, most before the year's end.
constexpr std::array<std::int64_t, 12> kSeason{45, 75, 100, 85, 95, 90, 85, 85, 90, 100, 105, 45};
constexpr std::int64_t kSeasonTotal = 1000;

constexpr std::array<DemoRegion, kDemoKalselRegions> kKalsel{{
    {"63", "Kalimantan Selatan", "Pemerintah Provinsi Kalimantan Selatan (data sintetis)"},
    {"63.01", "Kab. Tanah Laut", "Pemerintah Kab. Tanah Laut (data sintetis)"},
    {"63.02", "Kab. Kotabaru", "Pemerintah Kab. Kotabaru (data sintetis)"},
    {"63.03", "Kab. Banjar", "Pemerintah Kab. Banjar (data sintetis)"},
    {"63.04", "Kab. Barito Kuala", "Pemerintah Kab. Barito Kuala (data sintetis)"},
    {"63.05", "Kab. Tapin", "Pemerintah Kab. Tapin (data sintetis)"},
    {"63.06", "Kab. Hulu Sungai Selatan", "Pemerintah Kab. Hulu Sungai Selatan (data sintetis)"},
    {"63.07", "Kab. Hulu Sungai Tengah", "Pemerintah Kab. Hulu Sungai Tengah (data sintetis)"},
    {"63.08", "Kab. Hulu Sungai Utara", "Pemerintah Kab. Hulu Sungai Utara (data sintetis)"},
    {"63.09", "Kab. Tabalong", "Pemerintah Kab. Tabalong (data sintetis)"},
    {"63.10", "Kab. Tanah Bumbu", "Pemerintah Kab. Tanah Bumbu (data sintetis)"},
    {"63.11", "Kab. Balangan", "Pemerintah Kab. Balangan (data sintetis)"},
    {"63.71", "Kota Banjarmasin", "Pemerintah Kota Banjarmasin (data sintetis)"},
    {"63.72", "Kota Banjarbaru", "Pemerintah Kota Banjarbaru (data sintetis)"},
}};
// How many of ten thousand purchases of Kalimantan Selatan each region makes; Tabalong's are 23 of 1,200.
constexpr std::array<std::int64_t, kDemoKalselRegions> kWeights{2256, 736, 834, 834, 539, 441, 539, 490, 490, 192, 932, 589, 687, 441};

constexpr std::array<DemoRegion, 8> kElsewhere{{
    {"62", "Kalimantan Tengah", "Pemerintah Provinsi Kalimantan Tengah (data sintetis)"},
    {"62.71", "Kota Palangka Raya", "Pemerintah Kota Palangka Raya (data sintetis)"},
    {"62.03", "Kab. Kapuas", "Pemerintah Kab. Kapuas (data sintetis)"},
    {"64", "Kalimantan Timur", "Pemerintah Provinsi Kalimantan Timur (data sintetis)"},
    {"64.71", "Kota Balikpapan", "Pemerintah Kota Balikpapan (data sintetis)"},
    {"64.72", "Kota Samarinda", "Pemerintah Kota Samarinda (data sintetis)"},
    {"64.01", "Kab. Paser", "Pemerintah Kab. Paser (data sintetis)"},
    {"00", "Pemerintah pusat", "Kementerian Contoh (data sintetis)"},
}};

constexpr std::array<std::string_view, kDemoWorkUnits> kWorkUnits{"Sekretariat Daerah (data sintetis)",
                                                                  "Dinas Pendidikan (data sintetis)",
                                                                  "Dinas Kesehatan (data sintetis)",
                                                                  "Rumah Sakit Umum Daerah (data sintetis)",
                                                                  "Dinas Pekerjaan Umum (data sintetis)",
                                                                  "Dinas Perhubungan (data sintetis)",
                                                                  "Dinas Pertanian (data sintetis)",
                                                                  "Dinas Sosial (data sintetis)",
                                                                  "Dinas Komunikasi dan Informatika (data sintetis)",
                                                                  "Badan Keuangan dan Aset (data sintetis)",
                                                                  "Satuan Polisi Pamong Praja (data sintetis)",
                                                                  "Sekretariat DPRD (data sintetis)"};

constexpr std::array<DemoCommodity, 20> kCommodities{{
    {"sintetis-k01", "Alat tulis kantor (data sintetis)", "kantor"},
    {"sintetis-k02", "Kertas dan cetakan (data sintetis)", "kantor"},
    {"sintetis-k03", "Mebel (data sintetis)", "kantor"},
    {"sintetis-k04", "Makan minum rapat (data sintetis)", "pangan"},
    {"sintetis-k05", "Beras dan bahan pokok (data sintetis)", "pangan"},
    {"sintetis-k06", "Komputer dan periferal (data sintetis)", "teknologi"},
    {"sintetis-k07", "Jaringan dan perangkat lunak (data sintetis)", "teknologi"},
    {"sintetis-k08", "Alat kesehatan (data sintetis)", "kesehatan"},
    {"sintetis-k09", "Obat dan bahan habis pakai (data sintetis)", "kesehatan"},
    {"sintetis-k10", "Aspal (data sintetis)", "konstruksi"},
    {"sintetis-k11", "Beton siap pakai (data sintetis)", "konstruksi"},
    {"sintetis-k12", "Batu dan pasir (data sintetis)", "konstruksi"},
    {"sintetis-k13", "Pakaian dinas (data sintetis)", "sandang"},
    {"sintetis-k14", "Sasirangan (data sintetis)", "sandang"},
    {"sintetis-k15", "Kendaraan (data sintetis)", "kendaraan"},
    {"sintetis-k16", "Suku cadang (data sintetis)", "kendaraan"},
    {"sintetis-k17", "Pupuk dan bibit (data sintetis)", "pertanian"},
    {"sintetis-k18", "Alat peraga sekolah (data sintetis)", "pendidikan"},
    {"sintetis-k19", "Jasa kebersihan (data sintetis)", "jasa"},
    {"sintetis-k20", "Jasa keamanan (data sintetis)", "jasa"},
}};

constexpr std::array<std::string_view, 6> kFarDomiciles{"31.71", "35.78", "32.73", "62.71", "64.71", "33.74"};

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// Acklam's rational approximation of the normal distribution's inverse; relative error below 1.2e-9.
double normal_quantile(double p) {
  constexpr double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                          1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
                          -1.328068155288572e+01};
  constexpr double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                          -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00};
  constexpr double kLow = 0.02425;
  if (p > 0.5) return -normal_quantile(1 - p);
  if (p < kLow) {
    const double q = std::sqrt(-2 * std::log(p));
    return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) / ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
  }
  const double q = p - 0.5;
  const double r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

constexpr std::size_t kQuantiles = 4096;
constexpr double kMedianThousands = 25'000;
constexpr double kSigma = 1.842;  // ln(265 / 25) / 1.2816: p90 of Rp 265 million; p99 comes out at Rp 1.8 billion
constexpr std::int64_t kThousandsMin = 200;
constexpr std::int64_t kThousandsMax = 12'000'000;

// Package values in thousand rupiah at evenly spaced quantiles. Rounded to whole thousands, so that the last bit of exp() does not show.
const std::vector<std::int64_t>& value_table() {
  static const std::vector<std::int64_t> table = [] {
    std::vector<std::int64_t> values(kQuantiles + 1);
    for (std::size_t i = 0; i <= kQuantiles; ++i) {
      const double z = normal_quantile((static_cast<double>(i) + 0.5) / static_cast<double>(kQuantiles + 1));
      values[i] = std::clamp<std::int64_t>(std::llround(kMedianThousands * std::exp(kSigma * z)), kThousandsMin, kThousandsMax);
    }
    return values;
  }();
  return table;
}

std::int64_t package_thousands(std::uint64_t random) {
  const auto& table = value_table();
  const std::uint64_t u = random >> 40;  // 24 bits: 12 choose the interval, 12 the place in it
  const std::size_t at = u >> 12;
  const auto part = static_cast<std::int64_t>(u & 4095);
  return table[at] + (table[at + 1] - table[at]) * part / 4096;
}

// When the index-th of `count` purchases comes to be: evenly in the season's measure, between 08:00 and 16:30.
std::int64_t creation_second(std::uint64_t index, std::uint64_t count, std::uint32_t jitter) {
  const auto place = (static_cast<unsigned __int128>(index) << 32) + jitter;
  const auto whole = static_cast<unsigned __int128>(count) << 32;
  auto scaled = static_cast<std::int64_t>(place * static_cast<std::uint64_t>(kSeasonTotal * 1'000'000'000) / whole);
  std::size_t block = 0;
  while (block + 1 < kSeason.size() && scaled >= kSeason[block] * 1'000'000'000) scaled -= kSeason[block++] * 1'000'000'000;
  constexpr std::int64_t kBlockSeconds = kAxisDays / 12 * kDaySeconds;
  const std::int64_t within = std::min(scaled / kSeason[block] * kBlockSeconds / 1'000'000'000, kBlockSeconds - 1);
  const std::int64_t second = static_cast<std::int64_t>(block) * kBlockSeconds + within;
  return second / kDaySeconds * kDaySeconds + 8 * 3600 + second % kDaySeconds * 17 / 48;
}

// Builds a purchase's steps, one after the other, each on a later day.
class Steps {
 public:
  Steps(DemoPurchase& purchase, DemoRandom& random, std::int64_t start) : purchase_(purchase), random_(random), now_(start) {}

  DemoStep& add(DemoStepKind kind, Stage stage) {
    BB_CHECK(purchase_.step_count < kDemoStepsMax, "a purchase has room for its steps");
    DemoStep& step = purchase_.steps[purchase_.step_count++];
    step.at = now_;
    step.kind = kind;
    step.stage = stage_ = stage;
    step.version = version_;
    return step;
  }
  // Moves on by some days; most of what happens, happens in office hours, one in a hundred shortly before midnight.
  Steps& later(std::int64_t days_min, std::int64_t days_max) {
    const std::int64_t day = now_ / kDaySeconds + random_.between(days_min, days_max);
    const bool odd_hour = random_.chance(10'000);
    now_ = day * kDaySeconds + (odd_hour ? random_.between(23 * 3600, 24 * 3600 - 1) : random_.between(8 * 3600, 16 * 3600 + 1800));
    return *this;
  }
  void advance(Stage stage) { add(DemoStepKind::advanced, stage); }
  void change_document(DemoStepKind kind, Stage stage, std::int64_t per_mille_min, std::int64_t per_mille_max) {
    const std::int64_t raw = purchase_.raw_thousands[version_];
    BB_CHECK(purchase_.version_count < kDemoVersionsMax, "a purchase has room for its documents");
    purchase_.raw_thousands[++version_] = std::max(kThousandsMin, raw * random_.between(per_mille_min, per_mille_max) / 1000);
    purchase_.version_count = version_ + 1;
    purchase_.plain = false;
    add(kind, stage);
  }
  void pay(std::uint16_t share) { add(DemoStepKind::paid, stage_).share = share; }
  [[nodiscard]] Stage stage() const { return stage_; }

 private:
  DemoPurchase& purchase_;
  DemoRandom& random_;
  std::int64_t now_;
  Stage stage_ = Stage::unknown;
  std::uint8_t version_ = 0;
};

void deliver(Steps& steps, DemoPurchase& purchase, DemoRandom& random) {
  steps.later(2, 15).advance(Stage::shipping);
  // The addendum cycle goes both ways, and some go round twice.
  if (random.chance(120'000)) {
    const int rounds = random.chance(200'000) ? 2 : 1;
    for (int i = 0; i < rounds; ++i) {
      steps.later(1, 8).advance(Stage::addendum);
      steps.later(1, 3).change_document(DemoStepKind::amended, Stage::addendum, 800, 1300);
      if (!purchase.kalsel && random.chance(30'000)) steps.later(1, 2).add(DemoStepKind::stale, Stage::addendum);
      steps.later(1, 5).advance(Stage::shipping);
    }
  }
  const bool paid_early = random.chance(10'000);  // a red flag: payment before delivery
  if (paid_early) {
    steps.later(1, 4);
    steps.pay(1000);
  }
  steps.later(2, 12).advance(Stage::delivered);
  if (!purchase.kalsel && random.chance(3'000)) purchase.steps[purchase.step_count - 1].shown_earlier = 20 * kDaySeconds;
  steps.later(1, 10).advance(Stage::completed);
  if (!paid_early && random.chance(920'000)) {
    steps.later(2, 20);
    if (random.chance(250'000)) {
      steps.pay(300);
      steps.later(7, 30);
      steps.pay(700);
    } else {
      steps.pay(1000);
    }
    if (random.chance(15'000)) steps.later(3, 20).add(DemoStepKind::refunded, Stage::completed).share = 50;
  }
  if (random.chance(10'000)) steps.later(5, 30).change_document(DemoStepKind::corrected, Stage::completed, 900, 1050);
}

void live(DemoPurchase& purchase, DemoRandom& random, std::int64_t start) {
  Steps steps(purchase, random, start);
  const std::int64_t way = random.between(0, 99);
  steps.add(DemoStepKind::ordered, way < 55 ? Stage::negotiating : way < 70 ? Stage::ordered : Stage::contracted);
  if (random.chance(30'000)) {
    purchase.plain = false;
    steps.later(1, 6).add(DemoStepKind::cancelled, Stage::cancelled);
    return;
  }
  if (steps.stage() != Stage::contracted) steps.later(1, 5).advance(Stage::contracted);
  if (random.chance(8'000)) {
    purchase.plain = false;
    steps.later(5, 40).add(DemoStepKind::withdrawn, Stage::withdrawn);
    if (random.chance(100'000)) steps.later(5, 20).advance(Stage::contracted);  // the source shows it again
    return;
  }
  if (random.chance(15'000)) {
    purchase.plain = false;
    if (random.chance(50'000)) {
      steps.later(1, 4);
      steps.pay(300);  // cancelled after payment
    }
    steps.later(3, 20).add(DemoStepKind::cancelled, Stage::cancelled);
    return;
  }
  deliver(steps, purchase, random);
}

std::size_t weighted_kalsel(DemoRandom& random) {
  std::int64_t total = 0;
  for (const std::int64_t weight : kWeights) total += weight;
  std::int64_t draw = random.between(0, total - 1);
  for (std::size_t i = 0; i < kWeights.size(); ++i) {
    if (draw < kWeights[i]) return i;
    draw -= kWeights[i];
  }
  return 0;
}

CatalogueKind wider_kind(DemoRandom& random) { return random.chance(700'000) ? CatalogueKind::national : CatalogueKind::sectoral; }

void place_core(DemoPurchase& purchase, DemoRandom& random, std::int64_t start) {
  const std::int64_t draw = random.between(0, 999);
  purchase.kalsel = draw < 900;
  purchase.region = purchase.kalsel ? weighted_kalsel(random) : static_cast<std::size_t>(random.between(0, kElsewhere.size() - 1));
  if (draw >= 720 && draw < 850) purchase.catalogue_kind = wider_kind(random);
  if (draw >= 850 && draw < 900) purchase.fiscal_year = start < 250 * kDaySeconds ? 2022 : 2024;
  if (draw >= 900 && random.chance(400'000)) purchase.catalogue_kind = wider_kind(random);
}

void place_bulk(DemoPurchase& purchase, DemoRandom& random) {
  purchase.kalsel = random.chance(100'000);
  purchase.region = purchase.kalsel ? weighted_kalsel(random) : static_cast<std::size_t>(random.between(0, kElsewhere.size() - 1));
  if (purchase.kalsel) purchase.fiscal_year = random.chance(500'000) ? 2022 : 2024;
  if (random.chance(400'000)) purchase.catalogue_kind = wider_kind(random);
}

std::uint64_t draw_vendor(const DemoPurchase& purchase, DemoRandom& random, std::uint64_t count) {
  // The square makes some vendors sell much more than others.
  const auto square = [&](std::uint64_t vendors) {
    const std::uint64_t u = random.next() >> 32;
    return static_cast<std::uint64_t>(static_cast<unsigned __int128>(u) * u * vendors >> 64);
  };
  if (!purchase.bulk) return 1 + square(kDemoCoreVendors);
  return kDemoCoreVendors + 1 + square(std::clamp<std::uint64_t>(count / 50, 100, 50'000));
}

}  // namespace

DemoRandom::DemoRandom(std::uint64_t seed, std::uint64_t stream, std::uint64_t index)
    : state_(mix(mix(mix(seed + 0x9e3779b97f4a7c15ULL) + stream * 0xd1342543de82ef95ULL) + index * 0x9e3779b97f4a7c15ULL)) {}

std::uint64_t DemoRandom::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  return mix(state_);
}

std::int64_t DemoRandom::between(std::int64_t first, std::int64_t last) {
  const auto width = static_cast<std::uint64_t>(last - first) + 1;
  return first + static_cast<std::int64_t>((next() >> 32) * width >> 32);
}

std::int64_t demo_instant_ms(std::int64_t axis_seconds) {
  static const std::int64_t kStart = day_start_ms(*parse_date("2023-01-01"), kDemoZoneMinutes);
  if (axis_seconds >= kDemoQuietDay * kDaySeconds) axis_seconds += kDemoQuietDays * kDaySeconds;
  return kStart + axis_seconds * 1000;
}

std::span<const DemoRegion> demo_kalsel() { return kKalsel; }
std::span<const std::int64_t> demo_kalsel_weights() { return kWeights; }
std::span<const DemoRegion> demo_elsewhere() { return kElsewhere; }
std::string_view demo_work_unit_name(std::size_t unit) { return kWorkUnits[unit]; }
std::span<const DemoCommodity> demo_commodities() { return kCommodities; }

DemoVendor demo_vendor(std::uint64_t seed, std::uint64_t number) {
  DemoRandom random(seed, 2, number);
  constexpr std::array<Scale, 20> kScales{Scale::micro,  Scale::micro, Scale::micro,          Scale::micro,       Scale::micro,
                                          Scale::micro,  Scale::small, Scale::small,          Scale::small,       Scale::small,
                                          Scale::small,  Scale::small, Scale::micro_or_small, Scale::medium,      Scale::medium,
                                          Scale::medium, Scale::large, Scale::large,          Scale::cooperative, Scale::unknown};
  DemoVendor vendor;
  vendor.scale = kScales[static_cast<std::size_t>(random.between(0, kScales.size() - 1))];
  vendor.kind = vendor.scale == Scale::cooperative                       ? VendorKind::cooperative
                : vendor.scale == Scale::micro && random.chance(500'000) ? VendorKind::person
                                                                         : VendorKind::company;
  vendor.domicile = random.chance(750'000) ? kKalsel[static_cast<std::size_t>(random.between(1, kDemoKalselRegions - 1))].code
                                           : kFarDomiciles[static_cast<std::size_t>(random.between(0, kFarDomiciles.size() - 1))];
  return vendor;
}

DemoPurchase make_demo_purchase(std::uint64_t seed, bool bulk, std::uint64_t index, std::uint64_t count) {
  DemoRandom random(seed, bulk ? 1 : 0, index);
  DemoPurchase purchase;
  purchase.index = index;
  purchase.bulk = bulk;
  const std::int64_t start = creation_second(index, count, static_cast<std::uint32_t>(random.next() >> 32));
  // The first ones go round the regions and live plainly, so that every region has something to calibrate, however small the demo.
  const bool first = !bulk && index < 2 * kDemoKalselRegions;
  if (first) {
    purchase.kalsel = true;
    purchase.region = index % kDemoKalselRegions;
  } else if (bulk) {
    place_bulk(purchase, random);
  } else {
    place_core(purchase, random, start);
  }
  purchase.system = purchase.fiscal_year == 2024                                                ? "e-katalog-6"
                    : purchase.catalogue_kind != CatalogueKind::local && random.chance(150'000) ? "toko-daring"
                                                                                                : "e-katalog-5";
  purchase.work_unit = static_cast<std::size_t>(random.between(0, kDemoWorkUnits - 1));
  purchase.commodity = static_cast<std::size_t>(random.between(0, kCommodities.size() - 1));
  purchase.vendor = draw_vendor(purchase, random, count);
  if (random.chance(120'000)) purchase.distributor = draw_vendor(purchase, random, count);
  purchase.raw_thousands[0] = package_thousands(random.next());
  purchase.details = random.next();
  // An order date is unknown now and then, and sometimes earlier than the event that tells of it.
  purchase.order_at = random.chance(30'000) ? -1 : start;
  if (purchase.order_at >= 0 && random.chance(20'000))
    purchase.order_at = std::max<std::int64_t>(0, start - random.between(5, 40) * kDaySeconds);
  if (first) {
    Steps steps(purchase, random, start);
    steps.add(DemoStepKind::ordered, Stage::contracted);
    steps.later(2, 10).advance(Stage::shipping);
    steps.later(2, 10).advance(Stage::delivered);
    steps.later(1, 5).advance(Stage::completed);
    steps.later(2, 10);
    steps.pay(1000);
  } else {
    live(purchase, random, start);
  }
  return purchase;
}

int demo_step_before(const DemoPurchase& purchase, std::int64_t axis_seconds) {
  int last = -1;
  for (std::size_t i = 0; i < purchase.step_count && purchase.steps[i].at < axis_seconds; ++i) last = static_cast<int>(i);
  return last;
}

}  // namespace bukubesar
