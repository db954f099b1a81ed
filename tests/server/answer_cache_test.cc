#include "server/answer_cache.h"

#include <gtest/gtest.h>

#include "server/measures_json.h"
#include "server/report_text.h"

namespace bukubesar {
namespace {

Cut cut_of(std::uint64_t size) {
  Cut cut;
  cut.set(PartitionId(0), size);
  return cut;
}

TEST(AnswerCache, GivesAnAnswerAtItsOwnCutAlone) {
  AnswerCache cache;
  cache.keep("a", {cut_of(3), false, "three"});
  ASSERT_NE(cache.find("a", cut_of(3)), nullptr);
  EXPECT_EQ(cache.find("a", cut_of(3))->body, "three");
  EXPECT_EQ(cache.find("a", cut_of(4)), nullptr);
  EXPECT_EQ(cache.find("b", cut_of(3)), nullptr);
  cache.keep("a", {cut_of(4), false, "four"});
  EXPECT_EQ(cache.find("a", cut_of(3)), nullptr);
  EXPECT_EQ(cache.find("a", cut_of(4))->body, "four");
}

TEST(AnswerCache, AnAnswerThatComesLateDoesNotReplaceANewerOne) {
  AnswerCache cache;
  cache.keep("a", {cut_of(4), false, "four"});
  cache.keep("a", {cut_of(3), false, "three"});
  EXPECT_EQ(cache.find("a", cut_of(4))->body, "four");
}

TEST(AnswerCache, KeepsTheMostRecentlyAskedAndNothingLarge) {
  AnswerCache cache;
  cache.keep("first", {cut_of(1), false, "1"});
  for (std::size_t i = 1; i < kAnswersKept; ++i) cache.keep(std::to_string(i), {cut_of(1), false, ""});
  EXPECT_NE(cache.find("first", cut_of(1)), nullptr);
  cache.keep("one more", {cut_of(1), false, ""});
  EXPECT_NE(cache.find("first", cut_of(1)), nullptr);
  EXPECT_EQ(cache.find("1", cut_of(1)), nullptr);
  cache.keep("large", {cut_of(1), false, std::string(kKeptAnswerBytesMax + 1, ' ')});
  EXPECT_EQ(cache.find("large", cut_of(1)), nullptr);
}

TEST(ReportText, ARowIsTheJsonThatATreeOfItWouldBe) {
  TotalsAnswer answer;
  answer.query.by = {Dimension::funding, Dimension::scale};
  TotalsRow row;
  row.key = {"APBD \"2\"\\\n\xC3\xA9\x01\xFF", "small"};
  row.measures.packages = 3;
  row.measures.vendors = 2;
  row.measures.committed = -5;
  row.measures.broad = static_cast<MoneySum>(1) << 70;
  row.measures.paid = 100;
  answer.rows = {row, row};
  answer.rows[1].measures.paid.reset();
  RowNotes notes;
  notes.names = {{"Anggaran", ""}, {"", ""}};
  notes.shares.resize(2);
  notes.shares[0].broad = -4005;
  std::string text = "[";
  append_report_row(text, answer, notes, 0);
  append_report_row(text, answer, notes, 1);
  Json first = {{"funding", row.key[0]}, {"scale", "small"}, {"names", {{"funding", "Anggaran"}}}};
  append_measures(first, row.measures);
  first["share"] = {{"committed", nullptr}, {"strict", nullptr}, {"broad", "-40.05"}};
  Json second = {{"funding", row.key[0]}, {"scale", "small"}, {"names", Json::object()}};
  append_measures(second, answer.rows[1].measures);
  second["share"] = {{"committed", nullptr}, {"strict", nullptr}, {"broad", nullptr}};
  EXPECT_EQ(text, "[" + to_text(first) + "," + to_text(second));
  EXPECT_EQ(first["broad"], "11805916207174113034.24");
}

}  // namespace
}  // namespace bukubesar
