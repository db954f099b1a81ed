// What makes up a figure sums to it; what changed between two cuts sums to the difference; history is what the states went through.
#include "projections/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/status.h"
#include "projections/scan.h"
#include "tests/projections/answers.h"
#include "tests/projections/event_spec.h"
#include "tests/projections/fixture.h"

namespace bukubesar {
namespace {

using ::testing::HasSubstr;

std::string text(const MeasuresChange& m) {
  return fmt::format("packages={} vendors={} committed={} strict={} broad={} stage_unknown={} paid={}", m.packages, m.vendors,
                     format_rupiah(m.committed), format_rupiah(m.strict), format_rupiah(m.broad), format_rupiah(m.stage_unknown),
                     m.paid ? format_rupiah(*m.paid) : "null");
}
std::string text(const PostingSums& s) {
  return fmt::format("packages={} committed={} strict={} broad={} stage_unknown={} paid={}", s.packages, format_rupiah(s.committed),
                     format_rupiah(s.strict), format_rupiah(s.broad), format_rupiah(s.stage_unknown), format_rupiah(s.paid));
}

// Everything that explain has to say of a question, page by page; each level must be the sum of the one below it.
struct Explained {
  PostingSums sums;
  std::set<std::string> vendors, purchases;
  std::size_t pages = 0;
};

Explained explain_all(const Projections& p, ExplainQuery query) {
  Explained to;
  query.limit = 7;
  for (;;) {
    const auto answer = p.explain(query);
    EXPECT_TRUE(answer.ok()) << answer.status();
    if (!answer.ok()) return to;
    ++to.pages;
    for (const ExplainedPurchase& purchase : answer->purchases) {
      EXPECT_TRUE(to.purchases.insert(purchase.id).second) << purchase.id << " stands twice";
      PostingSums of_events;
      for (const ExplainedEvent& event : purchase.events) {
        PostingSums of_transfers;
        for (const ExplainedTransfer& transfer : event.transfers) of_transfers += transfer.adds;
        EXPECT_EQ(text(of_transfers), text(event.adds)) << purchase.id;
        of_events += event.adds;
      }
      EXPECT_EQ(text(of_events), text(purchase.adds)) << purchase.id;
      to.sums += purchase.adds;
      to.vendors.insert(purchase.vendors.begin(), purchase.vendors.end());
    }
    if (!answer->next_cursor) return to;
    query.cursor = *answer->next_cursor;
  }
}

void expect_sums(const Explained& explained, const MeasuresChange& figure, bool vendors) {
  EXPECT_EQ(explained.sums.packages, figure.packages);
  EXPECT_EQ(format_rupiah(explained.sums.committed), format_rupiah(figure.committed));
  EXPECT_EQ(format_rupiah(explained.sums.strict), format_rupiah(figure.strict));
  EXPECT_EQ(format_rupiah(explained.sums.broad), format_rupiah(figure.broad));
  EXPECT_EQ(format_rupiah(explained.sums.stage_unknown), format_rupiah(figure.stage_unknown));
  if (figure.paid) {
    EXPECT_EQ(format_rupiah(explained.sums.paid), format_rupiah(*figure.paid));
  }
  if (vendors) {
    EXPECT_EQ(static_cast<std::int64_t>(explained.vendors.size()), figure.vendors);
  }
}

class AuditorsDesk : public testing::TestWithParam<unsigned> {
 protected:
  // Purchases' events mixed with one another, facts among them, in commits of about forty; `cuts_` stand between the commits.
  void SetUp() override {
    RandomEvents random(GetParam());
    std::vector<std::vector<EventSpec>> purchases;
    for (int i = 0; i < 50; ++i) purchases.push_back(random.purchase(i));
    std::vector<std::size_t> next(purchases.size());
    int added = 0;
    for (std::size_t left = purchases.size(); left > 0;) {
      const std::size_t i = random.pick(purchases.size());
      if (next[i] == purchases[i].size()) continue;
      const EventSpec& e = purchases[i][next[i]++];
      if (next[i] == purchases[i].size()) --left;
      node_.add(e.subject, event_json(e));
      if (random.pick(9) == 0) node_.add(e.subject, event_json(e));  // a duplicate
      if (random.pick(15) == 0) add_fact(random, added);
      if (++added % 40 != 0) continue;
      node_.commit();
      cuts_.push_back(node_.ledger().cut());
    }
    node_.commit();
    cuts_.push_back(node_.ledger().cut());
    projections_ = open_projections(node_.options(64));
  }
  void add_fact(RandomEvents& random, int number) {
    const std::string id = fmt::format("f{}", number);
    const std::string month = fmt::format("2023-{:02}", 1 + random.pick(12));
    const std::string vendor = random.choose({"v1", "v2", "v3", "v4"});
    const std::string institution = random.choose({"D1", "D2", "D3"});
    switch (random.pick(4)) {
      case 0:
        node_.add(
            "vendor/" + vendor,
            fact_json("vendor", vendor, id, fmt::format(R"("valid_from":"{}","scale":"{}")", month, random.choose({"micro", "large"}))),
            true);
        break;
      case 1:
        node_.add(
            "vendor/" + vendor,
            fact_json("vendor", vendor, id, fmt::format(R"("valid_from":"{}","domicile":"{}")", month, random.choose({"63.09", "64.01"}))),
            true);
        break;
      case 2:
        node_.add("commodity/k1",
                  fact_json("commodity", "k1", id, fmt::format(R"("valid_from":"{}","group":"{}")", month, random.choose({"g1", "g2"}))),
                  true);
        break;
      default:
        node_.add("institution/" + institution,
                  fact_json("institution", institution, id,
                            fmt::format(R"("valid_from":"{}","region":"{}")", month, random.choose({"63.09", "63.71"}))),
                  true);
    }
  }
  static std::vector<TotalsQuery> questions() {
    const auto ms = [](std::string_view text) { return *parse_instant_ms(text); };
    std::vector<TotalsQuery> all;
    const auto ask = [&](std::vector<Dimension> by, std::map<Dimension, std::vector<std::string>> where = {}, bool timed = false) {
      TotalsQuery query;
      query.by = std::move(by);
      query.where = std::move(where);
      if (timed) query.from_ms = ms("2023-03-01T00:00:00+08:00"), query.until_ms = ms("2023-09-01T00:00:00+08:00");
      all.push_back(std::move(query));
    };
    ask({});
    ask({Dimension::region, Dimension::scale});
    ask({Dimension::vendor}, {{Dimension::region, {"63"}}});
    ask({Dimension::stage});
    ask({Dimension::origin, Dimension::commodity_group}, {{Dimension::catalogue_kind, {"local", "unknown"}}});
    ask({Dimension::vendor_locality}, {{Dimension::umkm, {"umk_k", "medium"}}});
    ask({Dimension::institution}, {}, true);
    ask({Dimension::stage, Dimension::component}, {{Dimension::fiscal_year, {"2023"}}}, true);
    ask({Dimension::event_month, Dimension::ledger_month});
    return all;
  }
  Node node_{test_definition(3)};
  std::unique_ptr<Projections> projections_;
  std::vector<Cut> cuts_;
};

TEST_P(AuditorsDesk, WhatMakesUpAFigureSumsToIt) {
  std::size_t rows = 0, pages = 0;
  for (TotalsQuery question : questions()) {
    for (const std::optional<Cut>& cut : {std::optional<Cut>(), std::optional<Cut>(cuts_[cuts_.size() / 2])}) {
      question.cut = cut;
      const auto totals = projections_->totals(question);
      ASSERT_TRUE(totals.ok()) << totals.status();
      ExplainQuery query;
      query.totals = question;
      SCOPED_TRACE(query_key(question) + (cut ? " as of " + cut->text() : ""));
      expect_sums(explain_all(*projections_, query),
                  change_between({},
                                 [&] {
                                   TotalsQuery whole = question;
                                   whole.by.clear();
                                   return projections_->totals(whole)->total;
                                 }()),
                  true);
      for (const TotalsRow& row : totals->rows) {
        SCOPED_TRACE(fmt::format("row {}", fmt::join(row.key, ",")));
        query.row = row.key;
        const Explained explained = explain_all(*projections_, query);
        expect_sums(explained, change_between({}, row.measures), true);
        pages += explained.pages;
        ++rows;
      }
    }
  }
  EXPECT_GT(rows, 100U);
  EXPECT_GT(pages, rows) << "no question had a second page";
}

// Nobody has asked for the table: only as much of it is summed as the row needs.
TEST_P(AuditorsDesk, ARowThatIsAskedForFirstIsTheOneOfTheTable) {
  for (TotalsQuery question : questions()) {
    if (question.by.empty()) continue;
    for (const std::optional<Cut>& cut : {std::optional<Cut>(), std::optional<Cut>(cuts_[cuts_.size() / 3])}) {
      question.cut = cut;
      const auto fresh = open_projections(node_.options(64));
      const auto totals = projections_->totals(question);
      ASSERT_TRUE(totals.ok()) << totals.status();
      for (const TotalsRow& row : totals->rows) {
        ExplainQuery query;
        query.totals = question;
        query.row = row.key;
        const auto answer = fresh->explain(query);
        ASSERT_TRUE(answer.ok()) << answer.status();
        EXPECT_EQ(text(*answer->figure), text(change_between({}, row.measures))) << fmt::format("{}", fmt::join(row.key, ","));
      }
      ExplainQuery none;
      none.totals = question;
      none.row = std::vector<std::string>(question.by.size(), "none of these");
      EXPECT_TRUE(absl::IsNotFound(fresh->explain(none).status()));
    }
  }
}

TEST_P(AuditorsDesk, OnlyWhatAddsToTheMeasureIsListed) {
  ExplainQuery query;
  for (const Measure measure : {Measure::packages, Measure::vendors, Measure::committed, Measure::strict, Measure::paid}) {
    query.measure = measure;
    const auto answer = projections_->explain(query);
    ASSERT_TRUE(answer.ok()) << answer.status();
    for (const ExplainedPurchase& purchase : answer->purchases) {
      if (measure == Measure::strict) {
        EXPECT_NE(purchase.adds.strict, 0);
      }
      if (measure == Measure::paid) {
        EXPECT_NE(purchase.adds.paid, 0);
      }
      if (measure == Measure::vendors) {
        EXPECT_FALSE(purchase.vendors.empty());
      }
    }
  }
}

TEST_P(AuditorsDesk, TheDifferencesPartsSumToIt) {
  std::set<ChangeKind> seen;
  for (const TotalsQuery& question : questions()) {
    for (const auto& [a, b] : std::vector<std::pair<std::size_t, std::size_t>>{{0, cuts_.size() - 1}, {1, cuts_.size() / 2}, {0, 0}}) {
      const auto difference = projections_->difference(question, cuts_[a], cuts_[b]);
      ASSERT_TRUE(difference.ok()) << difference.status();
      SCOPED_TRACE(query_key(question) + " from " + cuts_[a].text() + " to " + cuts_[b].text());
      TotalsQuery at = question;
      at.cut = cuts_[a];
      const auto before = projections_->totals(at);
      at.cut = cuts_[b];
      const auto after = projections_->totals(at);
      ASSERT_TRUE(before.ok() && after.ok());
      EXPECT_EQ(text(difference->total.before), text(before->total));
      EXPECT_EQ(text(difference->total.after), text(after->total));
      std::map<std::vector<std::string>, std::pair<Measures, Measures>> want;
      for (const TotalsRow& row : before->rows) want[row.key].first = row.measures;
      for (const TotalsRow& row : after->rows) want[row.key].second = row.measures;
      std::vector<DifferenceRow> rows = difference->rows;
      for (const DifferenceRow& row : rows) {
        SCOPED_TRACE(fmt::format("row {}", fmt::join(row.key, ",")));
        auto& [a_row, b_row] = want[row.key];  // a row that neither has: its parts cancel each other out
        if (row.change.paid && !a_row.paid && !b_row.paid) a_row.paid = b_row.paid = 0;
        EXPECT_EQ(text(row.change), text(change_between(a_row, b_row)));
        want.erase(row.key);
      }
      for (const auto& [key, measures] : want) EXPECT_TRUE(change_between(measures.first, measures.second).is_zero());
      rows.push_back(difference->total);
      for (const DifferenceRow& row : rows) {
        SCOPED_TRACE(fmt::format("row {}", fmt::join(row.key, ",")));
        MeasuresChange sum;
        if (row.change.paid) sum.paid = 0;
        for (std::size_t k = 0; k < kChangeKindCount; ++k) {
          if (!row.parts[k]) continue;
          seen.insert(static_cast<ChangeKind>(k));
          sum += *row.parts[k];
        }
        EXPECT_EQ(text(sum), text(row.change));
      }
    }
  }
  for (const ChangeKind kind : {ChangeKind::new_purchases, ChangeKind::amendments, ChangeKind::stage_moves, ChangeKind::payments,
                                ChangeKind::reclassified_vendors, ChangeKind::late_facts})
    EXPECT_TRUE(seen.contains(kind)) << name_of(kind) << " never happened";
}

TEST_P(AuditorsDesk, EachPartOfADifferenceIsExplainedDownToItsEntries) {
  const Cut from = cuts_[0], to = cuts_.back();
  std::size_t facts = 0;
  for (const TotalsQuery& question : questions()) {
    const auto difference = projections_->difference(question, from, to);
    ASSERT_TRUE(difference.ok()) << difference.status();
    std::vector<DifferenceRow> rows(difference->rows.begin(),
                                    difference->rows.begin() + std::min<std::ptrdiff_t>(2, std::ssize(difference->rows)));
    rows.push_back(difference->total);
    for (const DifferenceRow& row : rows) {
      for (std::size_t k = 0; k < kChangeKindCount; ++k) {
        if (!row.parts[k]) continue;
        ExplainQuery query;
        query.totals = question;
        query.totals.cut = to;
        query.since = from;
        query.part = static_cast<ChangeKind>(k);
        if (&row != &rows.back()) query.row = row.key;
        SCOPED_TRACE(fmt::format("{} row {} part {}", query_key(question), fmt::join(row.key, ","), name_of(*query.part)));
        expect_sums(explain_all(*projections_, query), *row.parts[k], false);
        const auto page = projections_->explain(query);
        ASSERT_TRUE(page.ok());
        for (const ExplainedPurchase& purchase : page->purchases) {
          facts += purchase.facts.size();
          if (is_of_facts(*query.part)) {
            EXPECT_FALSE(purchase.facts.empty()) << purchase.id << " was moved by no fact";
          }
          for (const ExplainedEvent& event : purchase.events)
            EXPECT_EQ(event.sequence.value() >= from.size(purchase.partition), !is_of_facts(*query.part));
        }
      }
    }
  }
  EXPECT_GT(facts, 0U);
}

TEST_P(AuditorsDesk, HistoryForwardAndBackIsTheSameAndEndsInTheStates) {
  std::map<std::string, HistoryEntry::Balance> last;
  for (std::uint32_t number = 0; number < 3; ++number) {
    HistoryQuery query;
    query.partition = PartitionId(number);
    query.facts = cuts_.back();
    query.limit = cuts_.back().size(query.partition);
    query.count = 11;
    std::vector<std::uint64_t> forward, back;
    for (HistoryQuery page = query;;) {
      const auto answer = projections_->history(page);
      ASSERT_TRUE(answer.ok()) << answer.status();
      for (const HistoryEntry& entry : answer->entries) {
        forward.push_back(entry.sequence.value());
        EXPECT_NE(entry.subject, "");
        if (entry.entry.verdict == Verdict::duplicate) {
          EXPECT_TRUE(entry.transfers.empty());
        }
        if (entry.after) last[entry.subject] = *entry.after;
      }
      if (!answer->next) break;
      page.first = *answer->next;
    }
    query.newest_first = true;
    for (HistoryQuery page = query;;) {
      const auto answer = projections_->history(page);
      ASSERT_TRUE(answer.ok()) << answer.status();
      for (const HistoryEntry& entry : answer->entries) back.push_back(entry.sequence.value());
      if (!answer->next) break;
      page.limit = *answer->next;
    }
    EXPECT_EQ(forward.size(), query.limit);
    std::reverse(back.begin(), back.end());
    EXPECT_EQ(forward, back);
  }
  const auto page = projections_->purchases({}, "", 1000);
  ASSERT_TRUE(page.ok());
  for (const auto& summary : page->purchases) {
    ASSERT_TRUE(last.contains(summary.id));
    const auto purchase = projections_->purchase(summary.id, std::nullopt);
    ASSERT_TRUE(purchase.ok());
    EXPECT_EQ(last[summary.id].stage, purchase->stage);
    EXPECT_EQ(format_rupiah(last[summary.id].value), format_rupiah(purchase->value));
    EXPECT_EQ(format_rupiah(last[summary.id].paid), format_rupiah(purchase->paid));
    EXPECT_EQ(last[summary.id].vendor, purchase->vendor);
  }
}

// What stands in for an erased payload is shown in its place: nothing that the totals count is missing.
TEST_P(AuditorsDesk, HistoryOfWhatWasErasedStillSumsToTheTotals) {
  const PartitionId erased(0);
  const auto entries = node_.ledger().read_entries(erased, Sequence(0), 20);
  ASSERT_TRUE(entries.ok());
  for (std::uint64_t at = 0; at < entries->size(); ++at) {
    if ((*entries)[at].verdict != Verdict::accepted) continue;
    Redaction redaction;
    redaction.substitute = *node_.ledger().read_payload(erased, Sequence(at));
    ASSERT_TRUE(node_.ledger().redact(erased, Sequence(at), redaction).ok());
  }
  MoneySum paid = 0;
  for (std::uint32_t number = 0; number < 3; ++number) {
    HistoryQuery query;
    query.partition = PartitionId(number);
    query.facts = cuts_.back();
    query.limit = cuts_.back().size(query.partition);
    query.count = kHistoryEntriesMax;
    const auto page = projections_->history(query);
    ASSERT_TRUE(page.ok() && !page->next) << page.status();
    for (const HistoryEntry& entry : page->entries) {
      EXPECT_NE(entry.type, "") << number << ":" << entry.sequence.value();
      for (const HistoryTransfer& transfer : entry.transfers)
        paid += transfer.to_account == "paid" ? transfer.amount : transfer.from_account == "paid" ? -transfer.amount : 0;
    }
  }
  const auto totals = projections_->totals({});
  ASSERT_TRUE(totals.ok());
  EXPECT_EQ(format_rupiah(paid), format_rupiah(*totals->total.paid));
}

TEST_P(AuditorsDesk, HistoryFiltersAreThoseOfThePurchaseAsItWasLeft) {
  HistoryQuery query;
  query.partition = PartitionId(1);
  query.facts = cuts_.back();
  query.limit = cuts_.back().size(query.partition);
  query.count = kHistoryEntriesMax;
  const auto all = projections_->history(query);
  query.where.where[Dimension::region] = {"63"};
  query.where.where[Dimension::vendor] = {"v1", "v2"};
  query.types = {"amended", "purchase.paid"};
  const auto some = projections_->history(query);
  ASSERT_TRUE(all.ok() && some.ok()) << all.status() << some.status();
  std::vector<std::uint64_t> want, got;
  for (const HistoryEntry& e : all->entries) {
    const bool type = e.type == "purchase.amended" || e.type == "purchase.paid";
    if (type && e.after && e.after->region.substr(0, 2) == "63" && (e.after->vendor == "v1" || e.after->vendor == "v2"))
      want.push_back(e.sequence.value());
  }
  for (const HistoryEntry& e : some->entries) got.push_back(e.sequence.value());
  EXPECT_EQ(got, want);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AuditorsDesk, testing::Values(1, 2, 3));

TEST(Explain, RefusesWhatCanNotBeAsked) {
  Node node;
  EventSpec e;
  e.id = "1";
  node.add(e.subject, event_json(e)).commit();
  const auto projections = open_projections(node.options());
  ExplainQuery query;
  query.totals.by = {Dimension::vendor};
  query.row = {"v1", "v2"};
  EXPECT_THAT(message_of(projections->explain(query).status()), HasSubstr("2 values, but by names 1 dimensions"));
  query.row = {"nobody"};
  EXPECT_EQ(projections->explain(query).status().code(), absl::StatusCode::kNotFound);
  query.row = {"v1"};
  query.cursor = "x";
  EXPECT_THAT(message_of(projections->explain(query).status()), HasSubstr("'x' is not one that was given"));
  query.cursor.clear();
  query.part = ChangeKind::payments;
  EXPECT_THAT(message_of(projections->explain(query).status()), HasSubstr("give since"));
  Cut beyond = node.ledger().cut();
  const Cut now = beyond;
  beyond.set(PartitionId(0), 2);
  EXPECT_EQ(projections->difference({}, now, beyond).status().code(), absl::StatusCode::kOutOfRange);
  Cut before = now;
  before.set(PartitionId(0), 0);
  EXPECT_THAT(message_of(projections->difference({}, now, before).status()), HasSubstr("is not within the later one"));
}

}  // namespace
}  // namespace bukubesar
