// Parameters, paths and event requests: everything that is parsed before a route runs.
#include <gtest/gtest.h>

#include "server/event_request.h"
#include "server/query.h"
#include "server/router.h"
#include "server/table.h"
#include "server/totals_request.h"

namespace bukubesar {
namespace {

TEST(Query, DecodesOnceAndRefusesBadEscapes) {
  EXPECT_EQ(percent_decode("a%2Fb%252F"), "a/b%2F");
  for (const char* bad : {"%", "%2", "%zz", "a%2"}) EXPECT_FALSE(percent_decode(bad)) << bad;
  EXPECT_FALSE(Query::parse("by=%zz", {"by"}).ok());
}

TEST(Query, NamesWhatIsKnown) {
  const auto query = Query::parse("bye=region", {"by", "format"});
  ASSERT_FALSE(query.ok());
  const std::string message(query.status().message());
  EXPECT_NE(message.find("'bye'"), std::string::npos);
  EXPECT_NE(message.find("by, format"), std::string::npos);
  EXPECT_FALSE(Query::parse("by=a&by=b", {"by"}).ok());
}

TEST(Query, LimitsAreChecked) {
  for (const char* bad : {"limit=0", "limit=1001", "limit=-1", "limit=x", "limit=01", "limit=99999999999999999999"}) {
    const auto query = Query::parse(bad, {"limit"});
    ASSERT_TRUE(query.ok());
    EXPECT_FALSE(query->limit(100, 1000).ok()) << bad;
  }
}

TEST(Query, AListIsSplitAtCommasHoweverTheyAreEncoded) {
  const auto query = Query::parse("funding=A%5C%2CB,C%2CD%5C%5C", {"funding"});
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->list("funding"), (std::vector<std::string>{"A,B", "C", "D\\"}));
  EXPECT_TRUE(query->list("absent").empty());
}

TEST(TotalsRequest, RefusesValuesThatADimensionCanNeverHave) {
  const auto refused = [](std::string_view query) { return !parse_totals_request(query, Definition(), false).ok(); };
  for (const char* bad : {"fiscal_year=abc", "fiscal_year=2023,", "order_month=2023", "event_month=x", "region=Kab%20Tabalong",
                          "vendor=%20", "from=2023-06-02&until=2023-06-01", "from=2023-06-01T00:00:00Z&until=2023-06-01T00:00:00Z"})
    EXPECT_TRUE(refused(bad)) << bad;
  for (const char* good : {"fiscal_year=2023", "fiscal_year=unknown", "order_month=2023-05,unknown", "region=63.09",
                           "funding=any%5C%2C%20thing", "from=2023-06-01&until=2023-06-01"})
    EXPECT_FALSE(refused(good)) << good;
}

TEST(Router, TakesTheRestOfThePathDecodedOnce) {
  Router router;
  Route route;
  route.method = "GET";
  route.pattern = "/v1/purchases/{id...}";
  router.add(route);
  ServerRequest request;
  request.method = "GET";
  request.path = "/v1/purchases/tender/12%2F3/v%252D1";
  ASSERT_NE(router.find(request).route, nullptr);
  EXPECT_EQ(request.captures[0], "tender/12/3/v%2D1");
  ServerRequest bad = request;
  bad.captures.clear();
  bad.path = "/v1/purchases/%f";
  const Router::Match match = router.find(bad);
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.refusal.status, 400U);
}

TEST(EventRequest, ABatchKeepsEachElementVerbatim) {
  const auto elements = split_json_array(" [ {\"a\" : \"],\\\"\"} ,\n[1,2], 1.0e2 ] ");
  ASSERT_TRUE(elements.ok());
  ASSERT_EQ(elements->size(), 3U);
  EXPECT_EQ((*elements)[0], "{\"a\" : \"],\\\"\"}");
  EXPECT_EQ((*elements)[1], "[1,2]");
  EXPECT_EQ((*elements)[2], "1.0e2");
  EXPECT_EQ(split_json_array("[]")->size(), 0U);
  for (const char* bad : {"", "{}", "[", "[1,]", "[1] x", "[\"\xff\"]", "null"}) EXPECT_FALSE(split_json_array(bad).ok()) << bad;
}

ServerRequest event_request(std::string type, std::string body) {
  ServerRequest request;
  request.method = "POST";
  request.headers.emplace_back("content-type", std::move(type));
  request.body = std::move(body);
  return request;
}

TEST(EventRequest, ASingleBodyIsTheValueWhateverItHolds) {
  const std::string body = "{\"subject\":\"e-katalog-6\\/A\", not json}";
  const EventRequest parsed = parse_event_request(event_request("Application/CloudEvents+JSON; charset=utf-8", body));
  ASSERT_EQ(parsed.refused, 0U) << parsed.why;
  ASSERT_EQ(parsed.records.size(), 1U);
  EXPECT_EQ(parsed.records[0].value, body);
  EXPECT_EQ(parsed.records[0].key, "e-katalog-6/A");
  EXPECT_FALSE(parsed.records[0].reference_topic);
}

TEST(EventRequest, TheRulesSeeTheContentTypeThatWasSent) {
  const auto header_of = [](const std::string& type, const std::string& body) {
    const EventRequest parsed = parse_event_request(event_request(type, body));
    EXPECT_EQ(parsed.refused, 0U) << parsed.why;
    return parsed.records.empty() ? std::string() : parsed.records[0].headers.at(0).second;
  };
  EXPECT_EQ(header_of("application/cloudevents+json; charset=latin1", "{}"), "application/cloudevents+json; charset=latin1");
  EXPECT_EQ(header_of("application/cloudevents+json", "{}"), "application/cloudevents+json");
  EXPECT_EQ(header_of("Application/CloudEvents-Batch+JSON; charset=latin1", "[{}]"), "application/cloudevents+json; charset=latin1");
  EXPECT_EQ(header_of("application/cloudevents-batch+json", "[{}]"), "application/cloudevents+json");
}

TEST(EventRequest, ReferenceTypesGoToTheReferenceTopic) {
  for (const char* type : {"id.bukubesar.reference.vendor.v1", "id.bukubesar.source.observed.v1", "id.bukubesar.ledger.redacted.v1"}) {
    const EventRequest parsed = parse_event_request(
        event_request("application/cloudevents+json", std::string("{\"type\":\"") + type + "\",\"subject\":\"vendor/x\"}"));
    EXPECT_TRUE(parsed.records[0].reference_topic) << type;
  }
}

TEST(EventRequest, BinaryModeCarriesHeadersOver) {
  ServerRequest request = event_request("application/json", "{}");
  request.headers.emplace_back("ce-id", "1");
  request.headers.emplace_back("ce-subject", "e-katalog-6/B");
  const EventRequest parsed = parse_event_request(request);
  ASSERT_EQ(parsed.records.size(), 1U);
  EXPECT_EQ(parsed.records[0].key, "e-katalog-6/B");
  const std::vector<std::pair<std::string, std::string>> want{
      {"content-type", "application/json"}, {"ce_id", "1"}, {"ce_subject", "e-katalog-6/B"}};
  EXPECT_EQ(parsed.records[0].headers, want);
}

TEST(EventRequest, BinaryModeDecodesItsHeadersOnce) {
  ServerRequest request = event_request("application/json", "{}");
  request.headers.emplace_back("ce-source", "/feed/%C3%A9");
  request.headers.emplace_back("ce-id", "\"bin 1\\\"%2525\"");
  request.headers.emplace_back("ce-subject", "e-katalog-6/A%20B");
  const EventRequest parsed = parse_event_request(request);
  ASSERT_EQ(parsed.refused, 0U) << parsed.why;
  EXPECT_EQ(parsed.records[0].headers[1].second, "/feed/\xC3\xA9");
  EXPECT_EQ(parsed.records[0].headers[2].second, "bin 1\"%25");
  EXPECT_EQ(parsed.records[0].key, "e-katalog-6/A B");
  request.headers.emplace_back("ce-time", "50%");
  const EventRequest refused = parse_event_request(request);
  EXPECT_EQ(refused.refused, 400U);
  EXPECT_NE(refused.why.find("ce-time"), std::string::npos) << refused.why;
}

TEST(EventRequest, HeadersOverrideKeyAndTopicAndAnEmptyBodyIsNull) {
  ServerRequest request = event_request("application/cloudevents+json", "");
  request.headers.emplace_back("bukubesar-key", "k");
  request.headers.emplace_back("bukubesar-topic", "reference");
  const EventRequest parsed = parse_event_request(request);
  EXPECT_EQ(parsed.records[0].key, "k");
  EXPECT_TRUE(parsed.records[0].reference_topic);
  EXPECT_FALSE(parsed.records[0].value);
}

TEST(EventRequest, OtherContentTypesAre415AndABatchThatIsNoArray400) {
  EXPECT_EQ(parse_event_request(event_request("text/plain", "{}")).refused, 415U);
  EXPECT_EQ(parse_event_request(event_request("", "{}")).refused, 415U);
  EXPECT_EQ(parse_event_request(event_request("application/cloudevents-batch+json", "{}")).refused, 400U);
  for (const std::string& tail : {std::string("\0", 1), std::string("\0[{}]", 5), std::string("\0]]", 3)})
    EXPECT_EQ(parse_event_request(event_request("application/cloudevents-batch+json", "[{}]" + tail)).refused, 400U)
        << "a NUL ends nothing";
}

TEST(TotalsRequest, DatesIncludeTheirDayAndInstantsExcludeThemselves) {
  Definition definition;  // +08:00
  const auto request = parse_totals_request("from=2023-06-15&until=2023-06-15", definition, false);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(*request->query.until_ms - *request->query.from_ms, 86'400'000);
  EXPECT_EQ(*request->query.from_ms, *parse_instant_ms("2023-06-15T00:00:00+08:00"));
  const auto instant = parse_totals_request("until=2023-06-15T00:00:00+08:00", definition, false);
  ASSERT_TRUE(instant.ok()) << instant.status();
  EXPECT_EQ(*instant->query.until_ms, *request->query.from_ms);
}

TEST(TotalsRequest, APlusThatWasNotEscapedIsSaidAsAPlus) {
  const auto request =
      parse_totals_request("from=2023-06-15T00:00:00+08:00&until=2023-06-16T00:00:00+08:00&as_of=2023-06-17T00:00:00+08:00", {}, false);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->from, "2023-06-15T00:00:00+08:00");
  EXPECT_EQ(request->until, "2023-06-16T00:00:00+08:00");
  EXPECT_EQ(request->as_of, "2023-06-17T00:00:00+08:00");
}

TEST(TotalsRequest, NamesWhatIsWrong) {
  const Definition definition;
  for (const char* bad : {"by=nonsense", "by=region,region", "region=", "from=2023-13-01", "until=x", "format=xml", "scale_basis=x",
                          "as_of=", "from=2023-02-01&until=2023-01-01"})
    EXPECT_EQ(parse_totals_request(bad, definition, false).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  EXPECT_FALSE(parse_totals_request("by=region", definition, true).ok()) << "a view has its own dimensions";
  for (const char* bad : {"min_cut=x", "min_cut=7=1", "min_cut=0=1,0=2", "min_cut", "a=1&min%5Fcut="})
    EXPECT_FALSE(min_cut_of(bad, definition).ok()) << bad;
}

// I7: a minimum is waited for however its name is written.
TEST(TotalsRequest, AMinimumIsHeardInEveryEncoding) {
  const Definition definition;
  for (const char* query : {"min_cut=0=5", "by=region&min%5Fcut=0%3D5", "m%69n_cut=0=5&"}) {
    const auto cut = min_cut_of(query, definition);
    ASSERT_TRUE(cut.ok() && *cut) << query;
    EXPECT_EQ((*cut)->text(), "0=5");
  }
  EXPECT_FALSE(*min_cut_of("by=min_cut&min_cutx=0=5", definition));
}

TEST(Table, BytesThatAreNoUtf8AreShownAsEscapes) {
  EXPECT_EQ(printable("Rp\xC2\xA0"
                      "1\xFF\xC3(\x1b"),
            "Rp\xC2\xA0"
            "1\\xff\\xc3(?");
}

TEST(Table, AlignsAndWritesFiguresAsIndonesiansDo) {
  EXPECT_EQ(for_people(std::string_view("1200000000000.00")), "1.200.000.000.000");
  EXPECT_EQ(for_people(std::string_view("-1234.05")), "-1.234,05");
  EXPECT_EQ(for_people(std::string_view("0.00")), "0");
  Table table;
  table.column("region").column("value", true);
  table.row({"63.09", "1"});
  table.rule();
  table.row({"total\x1b", "1.000"});
  EXPECT_EQ(table.text(), "region  value\n-------------\n63.09       1\n-------------\ntotal?  1.000\n");
  EXPECT_EQ(table.csv(), "region,value\r\n63.09,1\r\ntotal?,1.000\r\n");
  EXPECT_EQ(csv_field("a\"b,c"), "\"a\"\"b,c\"");
}

}  // namespace
}  // namespace bukubesar
