#include "server/alert_text.h"

#include <gtest/gtest.h>

#include "server/alert_rules.h"

namespace bukubesar {
namespace {

TEST(AlertText, WritesAmountsAsEachLanguageDoes) {
  const AlertText text =
      alert_text(AlertKind::share_below, {{"share", "10.00"}, {"amount", "12345678.90"}, {"measure", "broad"}, {"target", "40.00"}});
  EXPECT_EQ(text.en, "10.00 % of Rp 12,345,678.90 (broad), target 40.00 %");
  EXPECT_EQ(text.id, "10,00 % dari Rp 12.345.678,90 (luas), sasaran 40,00 %");
  EXPECT_EQ(alert_text(AlertKind::stalled, {{"since", "2023-05"}, {"before", "-100.00"}}).id,
            "tidak ada belanja sejak 2023-05, sebelumnya Rp -100,00 per bulan");
}

// What each kind's evaluation gives (server/alert_rules.cc, alert_watch.cc).
const AlertValues kAll = {{"share", "1.00"},  {"amount", "2.00"},   {"measure", "strict"}, {"target", "3.00"}, {"since", "2023-01"},
                          {"before", "4.00"}, {"month", "2023-02"}, {"count", "5"},        {"mean", "6.00"},   {"threshold", "7.00"},
                          {"days", "8"},      {"purchases", "p-9"}, {"records", "10"},     {"rows", "11.00"},  {"view", "12.00"},
                          {"all", "13.00"},   {"why", "14"}};

TEST(AlertText, EachKindHasItsOwnSentenceInBothLanguages) {
  for (int i = 0; i <= static_cast<int>(AlertKind::unverifiable); ++i) {
    const auto kind = static_cast<AlertKind>(i);
    EXPECT_EQ(parse_alert_kind(name_of(kind)), kind);
    const AlertText text = alert_text(kind, kAll);
    EXPECT_NE(text.id, text.en) << name_of(kind);
    for (const std::string& one : {text.id, text.en}) {
      EXPECT_FALSE(one.empty()) << name_of(kind);
      EXPECT_EQ(one.find_first_of("{}"), std::string::npos) << one;
    }
  }
  EXPECT_EQ(alert_text(AlertKind::unverifiable, {}).en, "a witness refuses what is signed");
  EXPECT_EQ(parse_alert_kind("nothing"), std::nullopt);
}

}  // namespace
}  // namespace bukubesar
