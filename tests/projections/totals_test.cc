// Totals against sums that are made another way: purchase by purchase, from the states.
#include "projections/totals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "base/cancellation.h"
#include "base/status.h"
#include "projections/scan.h"
#include "tests/projections/event_spec.h"
#include "tests/projections/fixture.h"

namespace bukubesar {
namespace {

using ::testing::HasSubstr;

struct Naive {
  std::set<std::string> packages, vendors;
  MoneySum committed = 0, strict = 0, broad = 0, stage_unknown = 0, paid = 0;
};

bool one_of(const std::string& text, std::initializer_list<std::string_view> of) {
  return std::find(of.begin(), of.end(), text) != of.end();
}

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

std::string value_of(Dimension d, const PurchaseAnswer& p, const PurchaseAnswer::Cell* cell) {
  switch (d) {
    case Dimension::region:
      return p.region;
    case Dimension::province:
      return p.region.substr(0, p.region.find('.'));
    case Dimension::district:
      return p.region;
    case Dimension::institution:
      return or_unknown(p.institution);
    case Dimension::work_unit:
      return or_unknown(p.work_unit);
    case Dimension::vendor:
      return or_unknown(p.vendor);
    case Dimension::scale:
      return p.scale;
    case Dimension::umkm:
      if (one_of(p.scale, {"micro", "small", "micro_or_small", "cooperative"})) return "umk_k";
      return p.scale;
    case Dimension::system:
      return p.system;
    case Dimension::stage:
      return p.stage;
    case Dimension::funding:
      return p.funding.empty() ? "unknown" : fmt::format("{}", fmt::join(p.funding, ";"));
    case Dimension::fiscal_year:
      return p.fiscal_year == 0 ? "unknown" : std::to_string(p.fiscal_year);
    case Dimension::order_month:
      return p.order_date ? format_month(month_of(*p.order_date)) : "unknown";
    case Dimension::component:
      return cell->component;
    case Dimension::origin:
      return cell->origin;
    case Dimension::catalogue_kind:
      return cell->catalogue_kind;
    case Dimension::commodity:
      return or_unknown(cell->commodity);
    default:
      ADD_FAILURE() << "no value";
      return {};
  }
}

void post(Naive& to, const PurchaseAnswer& p, MoneySum amount) {
  if (one_of(p.stage, {"cancelled", "withdrawn"})) return;
  to.packages.insert(p.id);
  if (!p.vendor.empty() && p.vendor != "none") to.vendors.insert(p.vendor);
  to.committed += amount;
  if (p.stage == "completed") to.strict += amount;
  if (one_of(p.stage, {"contracted", "shipping", "delivered", "addendum", "completed"})) to.broad += amount;
  if (p.stage == "unknown") to.stage_unknown += amount;
}

using NaiveTotals = std::map<std::vector<std::string>, Naive>;

NaiveTotals naive_totals(const std::vector<PurchaseAnswer>& purchases, const std::vector<Dimension>& by,
                         const std::function<bool(const PurchaseAnswer&, const PurchaseAnswer::Cell&)>& keep) {
  NaiveTotals to;
  const bool cells = std::any_of(by.begin(), by.end(), is_cell_dimension);
  for (const PurchaseAnswer& p : purchases) {
    for (const auto& cell : p.cells) {
      if (!keep(p, cell)) continue;
      std::vector<std::string> key;
      for (const Dimension d : by) key.push_back(value_of(d, p, &cell));
      post(to[key], p, cell.amount);
    }
    if (cells) continue;
    std::vector<std::string> key;
    for (const Dimension d : by) key.push_back(value_of(d, p, nullptr));
    to[key].paid += p.paid;
  }
  return to;
}

void expect_equal(const TotalsAnswer& answer, const NaiveTotals& want, bool paid) {
  std::set<std::vector<std::string>> seen;
  for (const TotalsRow& row : answer.rows) {
    seen.insert(row.key);
    const auto found = want.find(row.key);
    ASSERT_NE(found, want.end()) << fmt::format("{}", fmt::join(row.key, "/"));
    SCOPED_TRACE(fmt::format("{}", fmt::join(row.key, "/")));
    EXPECT_EQ(format_rupiah(row.measures.committed), format_rupiah(found->second.committed));
    EXPECT_EQ(format_rupiah(row.measures.strict), format_rupiah(found->second.strict));
    EXPECT_EQ(format_rupiah(row.measures.broad), format_rupiah(found->second.broad));
    EXPECT_EQ(format_rupiah(row.measures.stage_unknown), format_rupiah(found->second.stage_unknown));
    EXPECT_EQ(row.measures.packages, found->second.packages.size());
    EXPECT_EQ(row.measures.vendors, found->second.vendors.size());
    ASSERT_EQ(row.measures.paid.has_value(), paid);
    if (paid) {
      EXPECT_EQ(format_rupiah(*row.measures.paid), format_rupiah(found->second.paid));
    }
  }
  for (const auto& [key, naive] : want) {
    const bool empty = naive.packages.empty() && naive.committed == 0 && (!paid || naive.paid == 0);
    EXPECT_TRUE(empty || seen.contains(key)) << "missing " << fmt::format("{}", fmt::join(key, "/"));
  }
}

class TotalsAgainstStates : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    RandomEvents random(GetParam());
    for (int i = 0; i < 60; ++i) {
      for (const EventSpec& e : random.purchase(i)) node_.add(e.subject, event_json(e));
    }
    node_.add("institution/D1", fact_json("institution", "D1", "i", R"("valid_from":"2023-01","region":"63.71")"), true);
    node_.add("vendor/v1", fact_json("vendor", "v1", "a", R"("valid_from":"2023-04","scale":"micro")"), true);
    node_.add("vendor/v1", fact_json("vendor", "v1", "b", R"("valid_from":"2023-08","scale":"medium")"), true);
    node_.add("vendor/v2", fact_json("vendor", "v2", "c", R"("valid_from":"2020-01","kind":"cooperative")"), true);
    node_.commit();
    projections_ = open_projections(node_.options(64));
    const auto page = projections_->purchases({}, "", 10'000);
    ASSERT_TRUE(page.ok());
    for (const auto& summary : page->purchases) purchases_.push_back(*projections_->purchase(summary.id, std::nullopt));
  }
  Node node_{test_definition(3)};
  std::unique_ptr<Projections> projections_;
  std::vector<PurchaseAnswer> purchases_;
};

TEST_P(TotalsAgainstStates, GroupedAnyWay) {
  using enum Dimension;
  for (const std::vector<Dimension>& by : std::vector<std::vector<Dimension>>{{},
                                                                              {region},
                                                                              {province},
                                                                              {region, scale},
                                                                              {umkm},
                                                                              {vendor, institution, work_unit},
                                                                              {funding, fiscal_year, order_month},
                                                                              {system},
                                                                              {stage},
                                                                              {component},
                                                                              {origin, catalogue_kind},
                                                                              {commodity, vendor},
                                                                              {stage, origin}}) {
    TotalsQuery query;
    query.by = by;
    SCOPED_TRACE(fmt::format("by {}", by.size()));
    const auto answer = projections_->totals(query);
    ASSERT_TRUE(answer.ok()) << answer.status();
    const bool paid = std::none_of(by.begin(), by.end(), [](Dimension d) { return is_cell_dimension(d) || d == stage; });
    NaiveTotals want = naive_totals(purchases_, by, [](const auto&, const auto&) { return true; });
    expect_equal(*answer, want, paid);
    // Whatever the grouping, the whole is the same (I6).
    const Naive whole = naive_totals(purchases_, {}, [](const auto&, const auto&) { return true; })[{}];
    EXPECT_EQ(format_rupiah(answer->total.committed), format_rupiah(whole.committed));
    EXPECT_EQ(answer->total.packages, whole.packages.size());
    EXPECT_EQ(answer->total.vendors, whole.vendors.size());
  }
}

TEST_P(TotalsAgainstStates, FilteredAndUnknown) {
  TotalsQuery query;
  query.by = {Dimension::scale};
  query.where[Dimension::region] = {"63"};
  const auto answer = projections_->totals(query);
  ASSERT_TRUE(answer.ok());
  const auto in_63 = [](const PurchaseAnswer& p, const auto&) { return p.region.substr(0, 2) == "63"; };
  std::vector<PurchaseAnswer> inside;
  for (const auto& p : purchases_) {
    if (p.region.substr(0, 2) == "63") inside.push_back(p);
  }
  expect_equal(*answer, naive_totals(inside, {Dimension::scale}, in_63), true);
  const Naive unknown = naive_totals(inside, {Dimension::scale}, in_63)[{"unknown"}];
  EXPECT_EQ(format_rupiah(answer->unknown.at("scale").committed), format_rupiah(unknown.committed));
  EXPECT_EQ(answer->unknown.at("scale").packages, unknown.packages.size());

  TotalsQuery cells;
  cells.by = {Dimension::institution};
  cells.where[Dimension::catalogue_kind] = {"local"};
  const auto local = projections_->totals(cells);
  ASSERT_TRUE(local.ok());
  NaiveTotals want =
      naive_totals(purchases_, {Dimension::institution}, [](const auto&, const auto& cell) { return cell.catalogue_kind == "local"; });
  for (auto& [key, naive] : want) naive.paid = 0;
  expect_equal(*local, want, false);
}
INSTANTIATE_TEST_SUITE_P(Seeds, TotalsAgainstStates, testing::Values(1, 2, 3, 4, 5));

// ---- Times and facts.

std::string text_of(const Measures& m) {
  return fmt::format("{} {} {} {} {} {} {}", m.packages, m.vendors, format_rupiah(m.committed), format_rupiah(m.strict),
                     format_rupiah(m.broad), format_rupiah(m.stage_unknown), m.paid ? format_rupiah(*m.paid) : "-");
}
std::string text_of(const TotalsAnswer& answer) {
  std::string to = fmt::format("total {}\n", text_of(answer.total));
  for (const TotalsRow& row : answer.rows) to += fmt::format("{}: {}\n", fmt::join(row.key, "/"), text_of(row.measures));
  for (const auto& [dimension, part] : answer.unknown) to += fmt::format("unknown {}: {}\n", dimension, text_of(part));
  return to;
}

struct Small {
  Node node;
  std::unique_ptr<Projections> p;
  int events = 0;
  Small& add(EventSpec e) {
    e.id = fmt::format("s{}", events++);
    node.add(e.subject, event_json(e));
    return *this;
  }
  void open() {
    node.commit();
    p = open_projections(node.options());
  }
  [[nodiscard]] TotalsAnswer totals(TotalsQuery query) const {
    const auto answer = p->totals(query);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : TotalsAnswer();
  }
};

TEST(Totals, FromAndUntilBoundEventTime) {
  Small s;
  s.add({.subject = "e-katalog-6/A", .time = "2023-05-11T09:00:00+08:00"});
  s.add({.subject = "e-katalog-6/B", .time = "2023-06-11T09:00:00+08:00", .vendor = "v2"});
  s.add({.type = "cancelled", .subject = "e-katalog-6/A", .time = "2023-06-12T09:00:00+08:00"});
  s.open();
  TotalsQuery until;
  until.until_ms = parse_instant_ms("2023-06-11T09:00:00+08:00");
  EXPECT_EQ(s.totals(until).total.packages, 1U);  // an instant excludes itself
  until.until_ms = *until.until_ms + 1;
  EXPECT_EQ(s.totals(until).total.packages, 2U);
  EXPECT_EQ(s.totals(until).total.vendors, 2U);
  TotalsQuery june;
  june.from_ms = parse_instant_ms("2023-06-01T00:00:00+08:00");
  const TotalsAnswer flow = s.totals(june);
  EXPECT_EQ(format_rupiah(flow.total.committed), "0.00");  // one came, one went
  EXPECT_EQ(flow.total.packages, 1U);                      // the one that came
  EXPECT_EQ(flow.total.vendors, 1U);
  june.by = {Dimension::event_month};
  EXPECT_EQ(s.totals(june).rows.at(0).key.at(0), "2023-06");
}

TEST(Totals, MonthsAreTheZones) {
  Small s;
  s.add({.time = "2023-05-31T17:00:00Z"});  // 1 June, 01:00 in +08:00
  s.open();
  TotalsQuery query;
  query.by = {Dimension::event_month};
  EXPECT_EQ(s.totals(query).rows.at(0).key.at(0), "2023-06");
}

TEST(Totals, ScaleIsWhatWasInForceInTheOrderMonth) {
  Small s;
  s.node.add("vendor/v1", fact_json("vendor", "v1", "1", R"("valid_from":"2023-02","scale":"micro")"), true);
  s.node.add("vendor/v1", fact_json("vendor", "v1", "2", R"("valid_from":"2023-06","scale":"medium")"), true);
  s.node.add("vendor/v2", fact_json("vendor", "v2", "3", R"("valid_from":"2023-01","kind":"cooperative")"), true);
  s.add({.subject = "e-katalog-6/A", .order_date = "2023-01-31", .scale = "large"});  // before any fact: as stated
  s.add({.subject = "e-katalog-6/B", .order_date = "2023-02-01", .scale = "large"});
  s.add({.subject = "e-katalog-6/C", .order_date = "2023-06-30", .scale = "large"});
  s.add({.subject = "e-katalog-6/D", .order_date = "", .scale = "large"});  // no month: as stated
  s.add({.subject = "e-katalog-6/E", .vendor = "v2"});
  s.open();
  const auto scales = [&](ScaleBasis basis, std::optional<Cut> cut = std::nullopt) {
    TotalsQuery query;
    query.by = {Dimension::scale};
    query.scale_basis = basis;
    query.cut = cut;
    std::string to;
    const TotalsAnswer answer = s.totals(query);
    for (const TotalsRow& row : answer.rows) to += fmt::format("{}:{} ", row.key[0], row.measures.packages);
    return to;
  };
  EXPECT_EQ(scales(ScaleBasis::at_order), "cooperative:1 large:2 medium:1 micro:1 ");
  EXPECT_EQ(scales(ScaleBasis::stated), "large:4 unknown:1 ");
  EXPECT_EQ(scales(ScaleBasis::latest), "cooperative:1 medium:4 ");
  Cut cut = s.node.ledger().cut();
  cut.set(PartitionId::reference(), 1);  // when only the first fact was known
  EXPECT_EQ(scales(ScaleBasis::at_order, cut), "large:2 micro:2 unknown:1 ");
  cut.set(PartitionId::reference(), 0);
  EXPECT_EQ(scales(ScaleBasis::latest, cut), "large:4 unknown:1 ");
}

TEST(Totals, AFactHoldsFromItsMonthOnAndNotBefore) {
  Small s;
  s.node.add("institution/D262", fact_json("institution", "D262", "1", R"("valid_from":"2020-01","region":"63.09")"), true);
  s.node.add("institution/D262", fact_json("institution", "D262", "2", R"("valid_from":"2999-01","region":"99.99")"), true);
  s.node.add("vendor/v1", fact_json("vendor", "v1", "3", R"("valid_from":"2020-01","scale":"micro","domicile":"63.01")"), true);
  s.node.add("vendor/v1", fact_json("vendor", "v1", "4", R"("valid_from":"2999-01","scale":"large","domicile":"99.99")"), true);
  s.add({.institution = "D262", .vendor = "v1"});
  s.open();
  TotalsQuery query;
  query.by = {Dimension::region, Dimension::vendor_domicile, Dimension::scale};
  query.scale_basis = ScaleBasis::latest;
  const std::vector<std::string> want = {"63.09", "63.01", "micro"};
  EXPECT_EQ(s.totals(query).rows.at(0).key, want);
  query.cut = s.node.ledger().cut();
  EXPECT_EQ(s.totals(query).rows.at(0).key, want) << "as of a cut as now";
}

TEST(Totals, SetsOfFundingNeverShareAText) {
  Small s;
  s.add({.subject = "e-katalog-6/A", .funding = {"A;B"}});
  s.add({.subject = "e-katalog-6/B", .funding = {"A", "B"}});
  s.add({.subject = "e-katalog-6/C", .funding = {R"(A\\)", "B"}});
  s.open();
  TotalsQuery query;
  query.by = {Dimension::funding};
  EXPECT_EQ(s.totals(query).rows.size(), 3U);
  EXPECT_EQ(s.p->purchase("e-katalog-6/A", std::nullopt)->funding, std::vector<std::string>{"A;B"});
  EXPECT_EQ(s.p->purchase("e-katalog-6/B", std::nullopt)->funding, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(s.p->purchase("e-katalog-6/C", std::nullopt)->funding, (std::vector<std::string>{"A\\", "B"}));
}

TEST(Totals, AReclassificationMovesWhatWasSummedBefore) {
  Small s;
  s.add({.subject = "e-katalog-6/A", .scale = "large"});
  s.open();
  s.p->start();
  TotalsQuery query;
  query.by = {Dimension::scale, Dimension::vendor_domicile, Dimension::vendor_locality};
  EXPECT_EQ(s.totals(query).rows.at(0).key, (std::vector<std::string>{"large", "unknown", "unknown"}));
  s.node.add("vendor/v1", fact_json("vendor", "v1", "1", R"("valid_from":"2023-01","scale":"small","domicile":"63.09")"), true);
  s.node.add("institution/D1", fact_json("institution", "D1", "2", R"("valid_from":"2023-01","region":"63.71")"), true);
  s.p->hand_off(s.node.commit());
  ASSERT_TRUE(s.p->wait_for(s.node.ledger().cut(), std::chrono::seconds(60)).ok());
  EXPECT_EQ(s.totals(query).rows.at(0).key, (std::vector<std::string>{"small", "63.09", "same_province"}));
}

std::string random_fact(std::mt19937& random, const std::string& id, std::string& table) {
  const auto pick = [&](std::initializer_list<const char*> of) { return std::string(of.begin()[random() % of.size()]); };
  // The ledger's clock begins in November 2023: some are in force at once, some in a month to come, some never.
  std::string members = fmt::format(R"("valid_from":"{}")", pick({"2020-01", "2023-05", "2023-11", "2023-12", "2024-01", "2999-01"}));
  table = pick({"vendor", "vendor", "institution", "commodity"});
  if (table == "vendor") {
    if (random() % 2 == 0) members += fmt::format(R"(,"scale":"{}")", pick({"micro", "small", "medium", "large", "unknown"}));
    if (random() % 3 == 0) members += fmt::format(R"(,"kind":"{}")", pick({"cooperative", "company"}));
    if (random() % 2 == 0) members += fmt::format(R"(,"domicile":"{}")", pick({"63.01", "63.09", "31.71"}));
    members += fmt::format(R"(,"name":"{}")", id);
    return fact_json("vendor", pick({"v1", "v2", "v3", "v4"}), id, members);
  }
  if (table == "institution") {
    return fact_json(table, pick({"D1", "D2", "D3"}), id, members + fmt::format(R"(,"region":"{}")", pick({"63", "63.09", "63.71", "64"})));
  }
  return fact_json(table, pick({"c1", "c2", "c3"}), id, members + fmt::format(R"(,"group":"{}")", pick({"g1", "g2"})));
}

class FactsMoveRows : public testing::TestWithParam<unsigned> {};

// What is kept and moved from fact to fact is what a scan of all rows finds at that cut.
TEST_P(FactsMoveRows, AsIfAllWereSummedAnew) {
  using enum Dimension;
  std::mt19937 random(GetParam());
  RandomEvents purchases(GetParam());
  Node node(test_definition(2));
  const auto p = open_projections(node.options(64));
  p->start();
  std::vector<TotalsQuery> questions;
  for (const std::vector<Dimension>& by : std::vector<std::vector<Dimension>>{
           {region, scale}, {umkm, stage}, {commodity_group, origin}, {vendor_locality}, {vendor_domicile, order_month}, {institution}}) {
    TotalsQuery query;
    query.by = by;
    questions.push_back(query);
    query.where[region] = {"63"};
    query.scale_basis = ScaleBasis::latest;
    questions.push_back(query);
    query.where[umkm] = {"umk_k"};
    query.until_ms = parse_instant_ms("2023-07-01T00:00:00+08:00");
    questions.push_back(query);
  }
  for (int step = 0; step < 25; ++step) {
    for (const EventSpec& e : purchases.purchase(step)) node.add(e.subject, event_json(e));
    for (unsigned fact = 0; fact < random() % 4; ++fact) {
      std::string table;
      const std::string json = random_fact(random, fmt::format("f{}-{}", step, fact), table);
      node.add(nlohmann::json::parse(json)["subject"], json, true);
    }
    if (random() % 6 == 0) node.pass(std::chrono::hours(24 * 20));
    p->hand_off(node.commit());
    const Cut now = node.ledger().cut();
    ASSERT_TRUE(p->wait_for(now, std::chrono::seconds(60)).ok());
    ASSERT_EQ(node.last_rejection(), "");
    for (TotalsQuery query : questions) {
      SCOPED_TRACE(fmt::format("step {} question {}", step, query_key(query)));
      const auto kept = p->totals(query);
      query.cut = now;
      const auto anew = p->totals(query);
      ASSERT_TRUE(kept.ok() && anew.ok());
      ASSERT_EQ(text_of(*kept), text_of(*anew));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, FactsMoveRows, testing::Values(1, 2, 3, 4));

TEST(Totals, ADistrictIsItsOwnOfficesToo) {
  Small s;
  s.add({.subject = "e-katalog-6/A", .region = "63"});
  s.add({.subject = "e-katalog-6/B", .region = "63.09"});
  s.add({.subject = "e-katalog-6/C", .region = "64"});
  s.add({.subject = "e-katalog-6/D"});
  s.open();
  TotalsQuery query;
  query.by = {Dimension::district};
  query.where[Dimension::region] = {"63"};
  const TotalsAnswer answer = s.totals(query);
  ASSERT_EQ(answer.rows.size(), 2U);
  EXPECT_EQ(answer.rows[0].key[0], "63");
  EXPECT_EQ(answer.rows[1].key[0], "63.09");
  query.where.clear();
  query.by = {Dimension::province};
  ASSERT_EQ(s.totals(query).rows.size(), 3U);
  EXPECT_EQ(s.totals(query).rows[2].key[0], "unknown");
}

TEST(Totals, SumsBeyond64Bits) {
  Small s;
  for (int i = 0; i < 5; ++i) s.add({.subject = fmt::format("e-katalog-6/{}", i), .total = "92233720368547758.07"});
  s.open();
  EXPECT_EQ(format_rupiah(s.totals({}).total.committed), "461168601842738790.35");
}

// Nobody waits any more: it stops, and what it had summed harms no later answer.
TEST(Totals, AnAbandonedReadStopsAndSpoilsNothing) {
  Small s;
  for (int i = 0; i < 5; ++i) s.add({.subject = fmt::format("e-katalog-6/{}", i)});
  s.open();
  TotalsQuery query;
  query.by = {Dimension::district};
  TotalsQuery as_of = query;
  as_of.cut = s.p->cut();
  {
    const auto abandoned = std::make_shared<std::atomic<bool>>(false);
    const ComputesFor asker(abandoned);
    EXPECT_EQ(s.p->totals({}).status(), absl::OkStatus()) << "somebody waits";
    *abandoned = true;
    EXPECT_TRUE(absl::IsCancelled(s.p->totals(query).status()));
    EXPECT_TRUE(absl::IsCancelled(s.p->totals(as_of).status()));
    EXPECT_TRUE(absl::IsCancelled(s.p->purchases({}, "", 10).status()));
    EXPECT_TRUE(absl::IsCancelled(s.p->purchases_at(*as_of.cut, {}, "", 10).status()));
  }
  EXPECT_EQ(s.totals(query).total.packages, 5U);
  EXPECT_EQ(s.totals(as_of).total.packages, 5U);
}

TEST(Totals, RefusesWhatCanNotBeAsked) {
  Small s;
  s.open();
  TotalsQuery twice;
  twice.by = {Dimension::region, Dimension::region};
  EXPECT_THAT(message_of(s.p->totals(twice).status()), HasSubstr("region is named twice"));
  TotalsQuery stage;
  stage.where[Dimension::stage] = {"done"};
  EXPECT_THAT(message_of(s.p->totals(stage).status()), HasSubstr("'done' is not one of unknown, negotiating"));
}

TEST(Dimensions, HaveNamesThatParse) {
  for (std::size_t i = 0; i < kDimensionCount; ++i) {
    const auto dimension = static_cast<Dimension>(i);
    EXPECT_EQ(parse_dimension(name_of(dimension)), dimension);
  }
  EXPECT_FALSE(parse_dimension("nothing"));
  for (const ScaleBasis basis : {ScaleBasis::at_order, ScaleBasis::stated, ScaleBasis::latest})
    EXPECT_EQ(parse_scale_basis(name_of(basis)), basis);
}

}  // namespace
}  // namespace bukubesar
