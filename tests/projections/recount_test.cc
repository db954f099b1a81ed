// The entries that a report stands on give it by themselves, whatever it is grouped by.
#include "projections/recount.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "projections/evidence.h"
#include "tests/projections/event_spec.h"
#include "tests/projections/fixture.h"

namespace bukubesar {
namespace {

// Purchases of several months of ledger time; in the middle stamps that lie behind those before them.
class SeveralMonths : public ::testing::Test {
 protected:
  SeveralMonths() {
    for (int i = 0; i < 120; ++i) {
      if (i % 20 == 19) node_.pass(std::chrono::hours(24 * 17));
      if (i == 70) node_.pass(-std::chrono::hours(24 * 40));
      EventSpec e;
      e.subject = fmt::format("e-katalog-6/P{}", i % 37);
      e.id = fmt::format("e{}", i);
      e.type = i < 37 ? "ordered" : i % 3 == 0 ? "paid" : i % 3 == 1 ? "advanced" : "amended";
      e.vendor = fmt::format("v{}", i % 5);
      e.region = i % 2 == 0 ? "63.09" : "63.71";
      e.stage = i % 4 == 0 ? "completed" : "contracted";
      e.total = std::to_string(1000 + i);
      if (e.type == "paid") e.amount = std::to_string(10 + i), e.reference = fmt::format("r{}", i);
      node_.add(e.subject, event_json(e));
    }
    node_.commit();
    projections_ = open_projections(node_.options(64));
  }

  static std::string text_of(const TotalsAnswer& answer) {
    const auto text = [](const Measures& m) {
      return fmt::format("{} {} {} {} {} {} {}", m.packages, m.vendors, format_rupiah(m.committed), format_rupiah(m.strict),
                         format_rupiah(m.broad), format_rupiah(m.stage_unknown), m.paid ? format_rupiah(*m.paid) : "-");
    };
    std::string all;
    for (const TotalsRow& row : answer.rows) all += fmt::format("{}: {}\n", fmt::join(row.key, ","), text(row.measures));
    return all + text(answer.total);
  }

  // The same question to nothing but the entries that it stands on.
  std::string from_entries_alone(const TotalsQuery& query) {
    const auto places = projections_->evidence(query);
    EXPECT_TRUE(places.ok()) << places.status();
    Recount recount(node_.definition());
    for (const auto& [partition, sequences] : places->entries) {
      for (const std::uint64_t sequence : sequences) {
        const auto run = node_.ledger().read(partition, Sequence(sequence), 1);
        EXPECT_TRUE(run.ok()) << run.status();
        const StoredEntry& stored = run->entries.front();
        const absl::Status added = recount.add(partition, stored.sequence, stored.entry, stored.folded());
        EXPECT_TRUE(added.ok()) << added;
      }
    }
    const auto totals = recount.totals(query);
    EXPECT_TRUE(totals.ok()) << totals.status();
    return totals.ok() ? text_of(*totals) : "";
  }

  Node node_;
  std::unique_ptr<Projections> projections_;
};

TEST_F(SeveralMonths, OfLedgerTimeComeOutOfTheEntriesAlone) {
  TotalsQuery query;
  query.by = {Dimension::event_month, Dimension::ledger_month};
  for (const std::uint64_t size : {std::uint64_t{120}, std::uint64_t{75}}) {
    query.cut = node_.ledger().cut();
    query.cut->set(PartitionId(0), size);
    const auto totals = projections_->totals(query);
    ASSERT_TRUE(totals.ok()) << totals.status();
    std::set<std::string> months;
    for (const TotalsRow& row : totals->rows) months.insert(row.key[1]);
    EXPECT_GT(months.size(), 2U);
    EXPECT_EQ(from_entries_alone(query), text_of(*totals));
    for (const std::string& month : months) {
      TotalsQuery of_month = query;
      of_month.by = {Dimension::vendor};
      of_month.where = {{Dimension::ledger_month, {month}}, {Dimension::region, {"63.09"}}};
      EXPECT_EQ(from_entries_alone(of_month), text_of(*projections_->totals(of_month))) << month;
    }
  }
}

TEST_F(SeveralMonths, AreNotAskedForWhereTheyDoNotCount) {
  TotalsQuery query;
  query.cut = node_.ledger().cut();
  query.where = {{Dimension::vendor, {"v3"}}};
  const auto without = projections_->evidence(query);
  query.by = {Dimension::ledger_month};
  const auto with = projections_->evidence(query);
  ASSERT_TRUE(without.ok() && with.ok());
  EXPECT_LE(without->entries.at(PartitionId(0)).size(), with->entries.at(PartitionId(0)).size());
  EXPECT_LT(with->entries.at(PartitionId(0)).size(), 120U) << "not the whole ledger";
}

// An amendment that names the institution of another feed changes nothing, and the purchase that decided which feed counts there belongs to
// the evidence; after its erasure too.
TEST(Evidence, HasWhoDecidedAFeedWhereTheEventThatAsksWasErased) {
  Node node;
  EventSpec first, own, amended;
  first.id = "1";
  own.subject = "e-katalog-6/B", own.id = "2", own.source = "/feed/b", own.institution = "D2";
  amended = own;
  amended.id = "3", amended.type = "amended", amended.institution = "D1";
  for (const EventSpec& e : {first, own, amended}) node.add(e.subject, event_json(e));
  node.commit();
  Redaction redaction;
  redaction.substitute = *node.ledger().read_payload(PartitionId(0), Sequence(2));
  ASSERT_TRUE(node.ledger().redact(PartitionId(0), Sequence(2), redaction).ok());
  const auto projections = open_projections(node.options());
  TotalsQuery query;
  query.cut = node.ledger().cut();
  query.where = {{Dimension::institution, {"D2"}}};
  const auto places = projections->evidence(query);
  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_EQ(places->entries.at(PartitionId(0)), (std::vector<std::uint64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace bukubesar
