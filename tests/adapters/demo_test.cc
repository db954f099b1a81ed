// The demo: deterministic, calibrated whatever its size and seed, valid, and bad only where it means to be.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "adapters/demo_run.h"
#include "adapters/demo_stream.h"
#include "base/bytes.h"
#include "base/time.h"
#include "events/payload.h"
#include "events/rules.h"

namespace bukubesar {
namespace {

using Json = nlohmann::json;

constexpr const char* kGoldenYear = "5bac826d72e806e1bcc21d2e46c1b756272d4a16f36e5565d4ac7d15e79d2b01";  // seed 1, 500 purchases

std::string payload_of(const Outgoing& record) {
  const Header headers[] = {{"content-type", "application/cloudevents+json"}};
  std::optional<std::string_view> value;
  if (record.value) value = *record.value;
  return encode_payload(record.key, headers, value);
}

// An own small fold, from the text of the events alone: what the published figures are checked with.
class SmallFold {
 public:
  void take(const std::string& text, std::int64_t until_ms) {
    const Json event = Json::parse(text);
    if (!ids_.insert(event["id"].get<std::string>()).second) return;
    const std::string type = event["type"];
    const Json& data = event["data"];
    if (type == "id.bukubesar.reference.institution.v1") regions_[std::string(event["subject"]).substr(12)] = data["region"];
    if (type.find(".purchase.") == std::string::npos) return;
    if (*parse_instant_ms(std::string(event["time"])) >= until_ms) return;
    Purchase& purchase = purchases_[event["subject"]];
    if (data.contains("document")) {
      const Json& document = data["document"];
      if (document["revision"] < purchase.revision) return;
      purchase.revision = document["revision"];
      purchase.total = parse_rupiah(std::string(document["amounts"]["total"])).money.sen;
      purchase.local = document.value("catalogue_kind", "") == "local";
      purchase.year = document["fiscal_year"];
      purchase.institution = document["institution"];
      purchase.stage = document["stage"];
    } else if (data.contains("stage")) {
      purchase.stage = data["stage"];
    } else if (type.find("cancelled") != std::string::npos || type.find("withdrawn") != std::string::npos) {
      purchase.stage = "gone";
    }
  }
  // Broad, fiscal year 2023, local catalogue, by region.
  std::map<std::string, std::int64_t> broad() const {
    static const std::set<std::string> kBroad{"contracted", "shipping", "delivered", "addendum", "completed"};
    std::map<std::string, std::int64_t> sums;
    for (const auto& [id, purchase] : purchases_)
      if (purchase.local && purchase.year == 2023 && kBroad.contains(purchase.stage))
        sums[regions_.at(purchase.institution)] += purchase.total;
    return sums;
  }
  std::size_t purchases() const { return purchases_.size(); }

 private:
  struct Purchase {
    std::int64_t total = 0, revision = 0;
    bool local = false;
    int year = 0;
    std::string institution, stage;
  };
  std::unordered_map<std::string, Purchase> purchases_;
  std::set<std::string> ids_;
  std::map<std::string, std::string> regions_;
};

struct Size {
  std::uint64_t purchases, seed;
};
class Calibration : public ::testing::TestWithParam<Size> {};

TEST_P(Calibration, TheTwoPublishedFiguresComeOutToTheRupiah) {
  const DemoPlan plan({GetParam().seed, GetParam().purchases});
  DemoStream stream(plan);
  EventIds ids = demo_event_ids();
  SmallFold fold;
  DemoItem item;
  const std::int64_t until = day_start_ms(*parse_date("2023-06-16"), kDemoZoneMinutes);
  // All of the year is folded, so that what comes late but says an early time would count too.
  while (stream.next(item)) {
    const bool of_purchase = item.kind == DemoItem::Kind::step || item.kind == DemoItem::Kind::same_again;
    if (of_purchase && demo_instant_ms(item.at) >= until + 40 * kDaySeconds * 1000) continue;  // nothing reaches back that far
    if (item.kind == DemoItem::Kind::bad) continue;
    fold.take(*stream.build(item, ids).value, until);
  }
  std::int64_t kalsel = 0;
  const auto sums = fold.broad();
  for (const auto& [region, sum] : sums)
    if (region.substr(0, 2) == "63") kalsel += sum;
  EXPECT_EQ(kalsel, kDemoKalselRupiah * 100);
  EXPECT_EQ(sums.at("63.09"), kDemoTabalongRupiah * 100);
  for (const DemoRegion& region : demo_kalsel()) EXPECT_GT(sums.at(std::string(region.code)), 0) << region.code;
}

INSTANTIATE_TEST_SUITE_P(SizesAndSeeds, Calibration,
                         ::testing::Values(Size{100, 1}, Size{100, 99}, Size{101, 2}, Size{1000, 3}, Size{7777, 1}, Size{36'000, 1},
                                           Size{40'000, 2}),
                         [](const auto& of) { return "N" + std::to_string(of.param.purchases) + "Seed" + std::to_string(of.param.seed); });

Hash256 hash_of_year(std::uint64_t seed, std::uint64_t purchases) {
  const DemoPlan plan({seed, purchases});
  DemoStream stream(plan);
  EventIds ids = demo_event_ids();
  Sha256 hasher;
  DemoItem item;
  while (stream.next(item)) {
    const Outgoing out = stream.build(item, ids);
    hasher.update(out.key).update(out.value.value_or("null"));
  }
  return hasher.finish();
}

TEST(Demo, TheSameSeedGivesTheSameBytes) {
  EXPECT_EQ(hash_of_year(5, 500), hash_of_year(5, 500));
  EXPECT_NE(hash_of_year(5, 500), hash_of_year(6, 500));
  // Golden: bytes that change make every demo ledger another one, so a change here is deliberate.
  EXPECT_EQ(hex(as_view(hash_of_year(1, 500))), kGoldenYear);
}

TEST(Demo, BuildingAnItemLaterGivesTheSameBytes) {
  const DemoPlan plan({3, 200});
  DemoStream stream(plan);
  EventIds ids = demo_event_ids();
  std::vector<std::pair<DemoItem, std::optional<std::string>>> built;
  DemoItem item;
  while (stream.next(item)) built.emplace_back(item, stream.build(item, ids).value);
  for (const auto& [kept, text] : built) EXPECT_EQ(stream.build(kept, ids).value, text);
}

TEST(Demo, MoreThanTheDefaultTouchesNothingOfTheCore) {
  const auto core_of = [](std::uint64_t purchases) {
    const DemoPlan plan({1, purchases});
    Sha256 hasher;
    EventIds ids = demo_event_ids();
    for (std::uint64_t i = 0; i < plan.core_count(); i += 97) {
      const DemoPurchase purchase = plan.purchase(false, i);
      for (std::size_t step = 0; step < purchase.step_count; ++step) hasher.update(*plan.event(purchase, step, ids).value);
    }
    return hasher.finish();
  };
  EXPECT_EQ(core_of(kDemoCorePurchases), core_of(10'000'000));
  const DemoPlan large({1, 10'000'000});
  for (std::uint64_t i = 0; i < large.bulk_count(); i += 997) {
    const DemoPurchase purchase = large.purchase(true, i);
    EXPECT_TRUE(!purchase.kalsel || purchase.fiscal_year != 2023);
  }
}

TEST(Demo, NothingHappensNear15JuneInAnyZone) {
  const DemoPlan plan({1, kDemoCorePurchases});
  DemoStream stream(plan);
  EventIds ids = demo_event_ids();
  const std::int64_t first = *parse_instant_ms("2023-06-14T00:00:00+14:00");
  const std::int64_t limit = *parse_instant_ms("2023-06-17T00:00:00-12:00");
  DemoItem item;
  std::uint64_t before = 0, after = 0;
  std::int64_t last = 0;
  while (stream.next(item)) {
    const std::int64_t at = demo_instant_ms(item.at);
    EXPECT_GE(at, last) << "in the order of time";
    last = at;
    ASSERT_FALSE(at >= first && at < limit);
    ++(at < first ? before : after);
    if (item.kind != DemoItem::Kind::step || item.index % 50 != 0) continue;
    const Json event = Json::parse(*stream.build(item, ids).value);
    const std::int64_t time = *parse_instant_ms(std::string(event["time"]));
    ASSERT_FALSE(time >= first && time < limit) << event;
  }
  // At the default rate of one event a second for every 85 purchases that date comes within five minutes, with room for start-up.
  EXPECT_LT(static_cast<double>(before) / (static_cast<double>(kDemoCorePurchases) / 85), 240);
  EXPECT_GT(after, before);
}

TEST(Demo, EveryEventIsAcceptedByTheRules) {
  const DemoPlan plan({4, 3000});
  DemoStream stream(plan);
  EventIds ids = demo_event_ids();
  Judge judge{Routing{}};
  std::map<EventType, int> types;
  std::map<DemoItem::Kind, int> kinds;
  DemoItem item;
  while (stream.next(item)) {
    ++kinds[item.kind];
    if (item.kind == DemoItem::Kind::bad) continue;
    const Outgoing out = stream.build(item, ids);
    const std::string payload = payload_of(out);
    Arena arena;
    const Judgement judgement = judge.judge(1, out.reference_topic ? PartitionId::reference() : PartitionId(0), payload, arena);
    ASSERT_NE(judgement.event, nullptr) << name_of(judgement.reason) << " " << judgement.detail << "\n" << *out.value;
    ++types[judgement.event->type];
  }
  for (const EventType type : {EventType::ordered, EventType::advanced, EventType::amended, EventType::paid, EventType::refunded,
                               EventType::cancelled, EventType::withdrawn, EventType::corrected, EventType::reference_vendor,
                               EventType::reference_institution, EventType::reference_commodity, EventType::reference_region})
    EXPECT_GT(types[type], 0) << name_of(type);
  EXPECT_GT(kinds[DemoItem::Kind::reclassified], 0);
  EXPECT_GT(kinds[DemoItem::Kind::same_again], 0);
  EXPECT_GT(kinds[DemoItem::Kind::stray_payment], 0);
}

TEST(Demo, IdsAreDistinctButForTheDuplicatesOnPurpose) {
  const DemoPlan plan({1, kDemoCorePurchases});
  DemoStream stream(plan);
  EventIds ids = demo_event_ids();
  std::map<std::string, std::string> seen;
  DemoItem item;
  int same = 0, different = 0;
  for (int i = 0; i < 120'000 && stream.next(item); ++i) {
    if (item.kind == DemoItem::Kind::bad) continue;
    const std::string text = *stream.build(item, ids).value;
    const std::string id = text.substr(text.find("\"id\":\"") + 6, 32);
    const auto [at, fresh] = seen.emplace(id, text);
    if (item.kind == DemoItem::Kind::same_again) {
      ++same;
      EXPECT_EQ(at->second, text);
    } else if (item.kind == DemoItem::Kind::different_again) {
      ++different;
      EXPECT_FALSE(fresh);
      EXPECT_NE(at->second, text);
    } else {
      EXPECT_TRUE(fresh) << text;
    }
  }
  EXPECT_GT(same, 10);
  EXPECT_GT(different, 0);
}

TEST(Demo, BadRecordsGetTheReasonsThatTheyAreMeantToGet) {
  EventIds ids = demo_event_ids();
  Judge judge{Routing{}};
  std::set<Reason> reasons;
  for (std::size_t kind = 0; kind < demo_bad_kinds(); ++kind) {
    const DemoBadRecord bad = make_demo_bad_record(kind, 1, kind, ids);
    EXPECT_TRUE(bad.record.verbatim);
    const std::string payload = payload_of(bad.record);
    Arena arena;
    const Judgement judgement = judge.judge(1, bad.record.reference_topic ? PartitionId::reference() : PartitionId(0), payload, arena);
    EXPECT_EQ(judgement.event, nullptr) << kind;
    EXPECT_EQ(judgement.reason, bad.reason) << kind << ": got " << name_of(judgement.reason) << ", want " << name_of(bad.reason) << " "
                                            << judgement.detail;
    reasons.insert(bad.reason);
  }
  EXPECT_GE(reasons.size(), 25U);
}

TEST(Demo, PackageValuesLookLikeRealOnes) {
  std::vector<std::int64_t> values;
  for (std::uint64_t i = 0; i < 200'000; ++i) values.push_back(make_demo_purchase(1, true, i, 200'000).raw_thousands[0]);
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double p) { return static_cast<double>(values[static_cast<std::size_t>(p * 200'000)]); };
  EXPECT_NEAR(quantile(0.5), 25'000, 1'000);
  EXPECT_NEAR(quantile(0.9), 265'000, 10'000);
  EXPECT_NEAR(quantile(0.99), 1'900'000, 190'000);
  EXPECT_LE(values.back(), 12'000'000);
  // Calibration scales them, but not out of recognition.
  const DemoPlan plan({1, kDemoCorePurchases});
  for (std::size_t region = 0; region < kDemoKalselRegions; ++region) {
    EXPECT_GT(plan.scale_of(region), 0.5) << region;
    EXPECT_LT(plan.scale_of(region), 2.0) << region;
  }
}

TEST(Demo, TenMillionPurchasesStreamInLittleMemory) {
  const DemoPlan plan({1, 10'000'000});
  DemoStream stream(plan);
  DemoItem item;
  std::uint64_t events = 0;
  while (events < 1'500'000 && stream.next(item)) ++events;
  EXPECT_EQ(events, 1'500'000U);
  EXPECT_LT(stream.open_purchases_max(), 2'000'000U);
}

// Keeps what was sent, as a sink does.
class KeepingSink : public EventSink {
 public:
  absl::Status send(std::span<const Outgoing> records) override {
    for (const Outgoing& record : records) kept.push_back(record);
    counts_.sent += records.size();
    windows.push_back(records.size());
    return absl::OkStatus();
  }
  absl::Status flush() override { return absl::OkStatus(); }
  std::vector<Outgoing> kept;
  std::vector<std::size_t> windows;
};

TEST(DemoRun, SendsTheWholeYearOnceAndReportsIt) {
  KeepingSink sink;
  DemoRunOptions options;
  options.demo = {1, 300};
  DemoProgress last;
  const auto report = run_demo(options, sink, nullptr, [&](const DemoProgress& progress) { last = progress; });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->year_over);
  EXPECT_EQ(report->last.sent, sink.kept.size());
  EXPECT_EQ(report->last.purchases, 300U);
  EXPECT_EQ(last.sent, report->last.sent);
  EXPECT_GT(report->bad_sent, demo_bad_kinds());
}

TEST(DemoRun, UntilJuneTheProgressShowsThePublishedFigure) {
  KeepingSink sink;
  DemoRunOptions options;
  options.demo = {1, 300};
  options.until_ms = day_start_ms(*parse_date("2023-06-18"), kDemoZoneMinutes);
  const auto report = run_demo(options, sink, nullptr, [](const DemoProgress&) {});
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->year_over);
  // The stream has looked at one step beyond; the figure moves only with it.
  SmallFold fold;
  for (const Outgoing& record : sink.kept)
    if (!record.verbatim) fold.take(*record.value, *options.until_ms);
  std::int64_t kalsel = 0;
  for (const auto& [region, sum] : fold.broad())
    if (region.substr(0, 2) == "63") kalsel += sum;
  EXPECT_EQ(kalsel, kDemoKalselRupiah * 100);
}

TEST(DemoRun, RefusesSizesAndRatesThatMakeNoSense) {
  KeepingSink sink;
  DemoRunOptions options;
  options.demo.purchases = 99;
  EXPECT_EQ(run_demo(options, sink, nullptr, [](const DemoProgress&) {}).status().code(), absl::StatusCode::kInvalidArgument);
  options.demo.purchases = 100;
  options.rate = -1;
  EXPECT_EQ(run_demo(options, sink, nullptr, [](const DemoProgress&) {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(DemoRun, StopsAfterTheEventsAskedFor) {
  KeepingSink sink;
  DemoRunOptions options;
  options.demo = {1, 300};
  options.events_max = 250;
  const auto report = run_demo(options, sink, nullptr, [](const DemoProgress&) {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(sink.kept.size(), 250U);
}

}  // namespace
}  // namespace bukubesar
