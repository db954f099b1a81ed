#include "events/event.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "base/bytes.h"
#include "base/sha256.h"
#include "events/decoder.h"
#include "events/rules.h"

namespace bukubesar {
namespace {

TEST(Fingerprint, IsTheFirstHalfOfTheHashOverSourceZeroId) {
  const std::string joined = std::string("/feed/a") + '\0' + "42";
  EXPECT_EQ(hex(as_view(fingerprint_of("/feed/a", "42"))), hex(as_view(sha256(joined))).substr(0, 32));
  // Also where they do not fit the buffer that usually joins them.
  const std::string long_id(2000, 'x');
  EXPECT_EQ(hex(as_view(fingerprint_of("/feed/a", long_id))), hex(as_view(sha256(std::string("/feed/a") + '\0' + long_id))).substr(0, 32));
  EXPECT_NE(fingerprint_of("ab", "c"), fingerprint_of("a", "bc"));
}

TEST(PurchaseId, HasAVendorExactlyWhereTheSystemRepeatsPackageIds) {
  const auto id = parse_purchase_id("tender/9912/n-01");
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->text, "tender/9912/n-01");
  EXPECT_EQ(id->system, "tender");
  EXPECT_EQ(id->package, "9912");
  EXPECT_EQ(id->vendor, "n-01");
  for (const std::string_view good :
       {"e-katalog-5/1", "e-katalog-6/01KF", "toko-daring/x", "swakelola/7", "non-tender/1/v", "pencatatan/1/none"})
    EXPECT_TRUE(parse_purchase_id(good).has_value()) << good;
  for (const std::string_view bad : {"", "/", "e-katalog-5", "e-katalog-5/", "e-katalog-5/1/v", "tender/1", "tender/1/", "tender//v",
                                     "tender/1/v/w", "e-katalog-4/1", "E-katalog-5/1", "e-katalog-5/1 ", " e-katalog-5/1", "e-katalog-5/ä"})
    EXPECT_FALSE(parse_purchase_id(bad).has_value()) << bad;
}

TEST(Names, ParseBackAndNothingElseDoes) {
  for (std::size_t i = 0; i < kStageCount; ++i) EXPECT_EQ(parse_stage(name_of(static_cast<Stage>(i))), static_cast<Stage>(i));
  for (int i = 0; i < 7; ++i) EXPECT_EQ(parse_scale(name_of(static_cast<Scale>(i))), static_cast<Scale>(i));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(parse_origin(name_of(static_cast<Origin>(i))), static_cast<Origin>(i));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(parse_catalogue_kind(name_of(static_cast<CatalogueKind>(i))), static_cast<CatalogueKind>(i));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(parse_vendor_kind(name_of(static_cast<VendorKind>(i))), static_cast<VendorKind>(i));
  for (int i = 0; i < 14; ++i) {
    const auto type = static_cast<EventType>(i);
    EXPECT_EQ(parse_event_type("id.bukubesar." + std::string(name_of(type)) + ".v1"), type);
    EXPECT_EQ(is_purchase(type), name_of(type).substr(0, 9) == "purchase.");
  }
  EXPECT_FALSE(parse_stage("Completed").has_value());
  EXPECT_FALSE(parse_stage("").has_value());
  EXPECT_FALSE(parse_scale("menengah").has_value());
}

TEST(Decimal, AgreesWithTheMoneyOfBase) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string_view alphabet = "0123456789.-+e ";
  for (int round = 0; round < 200'000; ++round) {
    std::string text;
    const bool plain = random() % 4 != 0;
    for (std::size_t i = random() % 24; i > 0; --i) text += alphabet[random() % (plain ? 11 : alphabet.size())];
    const ParsedMoney want = parse_rupiah(text);
    const ParsedDecimal got = parse_decimal(text, 2);
    ASSERT_EQ(got.error, want.error) << '"' << text << '"';
    ASSERT_EQ(got.value, want.money.sen) << '"' << text << '"';
  }
  EXPECT_EQ(parse_decimal("90.65", 4).value, 906500);
  EXPECT_EQ(parse_decimal("-0.0001", 4).value, -1);
  EXPECT_EQ(parse_decimal("0.00001", 4).error, MoneyError::too_many_decimals);
  EXPECT_EQ(parse_decimal("-92233720368547758.08", 2).value, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_decimal("7", 0).value, 7);
  EXPECT_EQ(parse_decimal("7.0", 0).error, MoneyError::too_many_decimals);
}

// docs/EVENTS.md has the table for people: the same rows, in the same order.
TEST(Reasons, StandInTheDocumentAsInTheCode) {
  std::ifstream file(std::string(BUKUBESAR_SOURCE_DIR) + "/docs/EVENTS.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  std::string table = "| code | name | |\n| --- | --- | --- |\n";
  for (const ReasonInfo& info : all_reasons())
    table += fmt::format("| {} | `{}` | {} |\n", static_cast<std::uint16_t>(info.code), info.name, info.sentence);
  EXPECT_NE(page.find(table + "\n"), std::string::npos) << "the table should read:\n" << table;
}

// The example of docs/EVENTS.md is an event.
TEST(Document, OfThePageIsAccepted) {
  std::ifstream file(std::string(BUKUBESAR_SOURCE_DIR) + "/docs/EVENTS.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::size_t from = page.find("```json\n") + 8;
  ASSERT_GT(from, 8U);
  const std::string value = page.substr(from, page.find("```", from) - from);
  const std::string payload = encode_payload("e-katalog-5/8812345", {}, value);
  Judge judge{Routing{}};
  Arena arena;
  const Judgement judgement = judge.judge(1, PartitionId(0), payload, arena);
  EXPECT_EQ(judgement.reason, Reason::none) << judgement.detail;
}

TEST(Reasons, AreNamedOnceEachWithASentence) {
  std::set<std::string_view> names;
  std::set<std::uint16_t> codes;
  for (const ReasonInfo& info : all_reasons()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(codes.insert(static_cast<std::uint16_t>(info.code)).second) << info.name;
    EXPECT_EQ(name_of(info.code), info.name);
    EXPECT_EQ(info.verdict, static_cast<std::uint16_t>(info.code) < 100 ? Verdict::duplicate : Verdict::rejected);
    ASSERT_FALSE(info.sentence.empty());
    EXPECT_EQ(info.sentence.back(), '.') << info.name;
  }
  EXPECT_EQ(name_of(Reason::none), "none");
  EXPECT_EQ(name_of(static_cast<Reason>(65000)), "unknown");
}

}  // namespace
}  // namespace bukubesar
