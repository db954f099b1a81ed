#include "adapters/event_builder.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "events/payload.h"
#include "events/rules.h"

namespace bukubesar {
namespace {

DocumentDraft full_document() {
  DocumentDraft document;
  document.revision = 1;
  document.fiscal_year = 2023;
  document.order_date = "2023-05-11";
  document.stage = Stage::contracted;
  document.source_status = {"proses \"kontrak\"", ""};
  document.method = "e-purchasing";
  document.institution = "D262";
  document.work_unit = "104233";
  document.vendor = "p-551209";
  document.distributor = "p-98110";
  document.stated_region = "63.09";
  document.stated_scale = Scale::small;
  document.funding = {"APBD", "BLUD"};
  document.plan = "40123456";
  document.commodity = "k-4512";
  document.catalogue_kind = CatalogueKind::local;
  document.total = {2'500'000'000};
  document.shipping = Money{15'000'000};
  LineDraft line;
  line.line = "1";
  line.origin = Origin::domestic;
  line.tkdn = "41.25";
  line.quantity = "90.6500";
  line.unit_price = Money{27'413'127};
  line.amount = {2'485'000'000};
  document.lines.push_back(line);
  document.literals.emplace_back("/lines/0/unit_price", "274131.26999999996");
  return document;
}

std::string payload_of(const std::string& key, const std::string& text) {
  const Header headers[] = {{"content-type", "application/cloudevents+json"}};
  return encode_payload(key, headers, text);
}

TEST(EventIds, HmacIsThatOfRfc4231) {
  EventIds ids("Jefe");
  EXPECT_EQ(hex(as_view(ids.hmac("what do ya want for nothing?"))), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EventIds long_key(std::string(131, '\xaa'));
  EXPECT_EQ(hex(as_view(long_key.hmac("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(EventIds, AgreesWithTheOneShotHmac) {
  EventIds ids("some secret");
  EXPECT_EQ(ids.hmac("abc"), hmac_sha256("some secret", "abc"));
  EXPECT_EQ(ids.salt("abc"), hex(as_view(hmac_sha256("some secret", "abc")).substr(0, 16)));
}

TEST(EventBuilder, SameArgumentsGiveTheSameBytesAndEveryPartCounts) {
  EventIds ids("secret");
  const EventFrame frame{EventType::ordered, "/feed/x", "tender/1/none", "2026-04-01T09:00:00+08:00", "", ""};
  const BuiltEvent first = build_event(ids, frame, R"("document":{})");
  EXPECT_EQ(first.text, build_event(ids, frame, R"("document":{})").text);
  EXPECT_EQ(first.id.size(), 32U);
  EventFrame other = frame;
  other.predecessor = "5e0c41d2a97f4b0f9a3be1c07d2f6a18";
  EXPECT_NE(first.id, build_event(ids, other, R"("document":{})").id);
  other = frame;
  other.subject = "tender/2/none";
  EXPECT_NE(first.id, build_event(ids, other, R"("document":{})").id);
  EXPECT_NE(first.id, build_event(ids, frame, R"("document":{"revision":1})").id);
  // The id does not hang on the secret; the salt does.
  EventIds other_secret("another");
  const BuiltEvent salted = build_event(other_secret, frame, R"("document":{})");
  EXPECT_EQ(first.id, salted.id);
  EXPECT_NE(first.text, salted.text);
}

TEST(EventBuilder, TheIdIsTheHashThatTheHeaderSays) {
  EventIds ids("secret");
  using namespace std::string_literals;
  const std::string hashed = "/feed/x\0tender/1/none\0purchase.ordered\0\"document\":{}\0before"s;
  EXPECT_EQ(ids.id("/feed/x", "tender/1/none", EventType::ordered, "\"document\":{}", "before"),
            hex(as_view(sha256(hashed)).substr(0, 16)));
}

TEST(EventBuilder, AFullDocumentIsAcceptedAndMeansWhatWasPutIn) {
  EventIds ids("secret");
  std::string members = "\"document\":";
  append_document(members, full_document());
  const std::string key = "e-katalog-5/8812345";
  const BuiltEvent built = build_event(ids, {EventType::ordered, "/feed/e", key, "2023-05-11T09:12:00+08:00", "b194", ""}, members);
  const std::string payload = payload_of(key, built.text);
  Arena arena;
  Judge judge{Routing{}};
  const Judgement judgement = judge.judge(1, PartitionId(0), payload, arena);
  ASSERT_NE(judgement.event, nullptr) << name_of(judgement.reason) << " " << judgement.detail << " " << built.text;
  const Document& document = *judgement.event->document;
  EXPECT_EQ(document.fiscal_year, 2023);
  EXPECT_EQ(document.stage, Stage::contracted);
  EXPECT_EQ(document.total.sen, 2'500'000'000);
  EXPECT_EQ(document.shipping->sen, 15'000'000);
  EXPECT_FALSE(document.tax.has_value());
  EXPECT_EQ(document.stated_region, "63.09");
  EXPECT_EQ(document.stated_scale, Scale::small);
  ASSERT_EQ(document.lines.size(), 1U);
  EXPECT_EQ(document.lines[0].quantity->ten_thousandths, 906'500);
  EXPECT_EQ(document.lines[0].origin, Origin::domestic);
  EXPECT_EQ(judgement.event->id, built.id);
}

TEST(EventBuilder, StringsAreEscapedSoThatAnyParserReadsThemBack) {
  const std::string nasty = "a\"b\\c\n\t\x01 é \xF0\x9F\x92\xB0";
  std::string text;
  append_json_string(text, nasty);
  EXPECT_EQ(nlohmann::json::parse(text).get<std::string>(), nasty);
}

TEST(EventBuilder, MoneyHasTwoDecimalsWhateverItsSize) {
  for (const std::int64_t sen : {0L, 1L, 99L, 100L, -5L, -12345L, 120'000'000'000'000L, INT64_MAX, INT64_MIN}) {
    std::string text;
    append_money(text, {sen});
    EXPECT_EQ(text, "\"" + format_rupiah(sen) + "\"");
  }
}

}  // namespace
}  // namespace bukubesar
