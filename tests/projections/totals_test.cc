// Totals against sums that are made another way: purchase by purchase, from the states.
#include "projections/totals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "base/cancellation.h"
#include "base/status.h"
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
  for (int i = 0; i <= static_cast<int>(Dimension::vendor_locality); ++i) {
    const auto dimension = static_cast<Dimension>(i);
    EXPECT_EQ(parse_dimension(name_of(dimension)), dimension);
  }
  EXPECT_FALSE(parse_dimension("nothing"));
  for (const ScaleBasis basis : {ScaleBasis::at_order, ScaleBasis::stated, ScaleBasis::latest})
    EXPECT_EQ(parse_scale_basis(name_of(basis)), basis);
}

}  // namespace
}  // namespace bukubesar
