#include "events/rules.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/events/corpus.h"

namespace bukubesar {
namespace {

std::vector<CorpusCase> corpus() { return read_corpus(std::string(BUKUBESAR_SOURCE_DIR) + "/tests/events/corpus/v1.jsonl"); }

std::string text_of(const Judgement& judgement) {
  return std::string(name_of(judgement.reason)) + " | " + judgement.detail + " | " +
         (judgement.event == nullptr ? "" : describe(*judgement.event));
}

// What a judge said before never shows in what it says next, and what it says lives in payload and arena alone.
TEST(Judge, KeepsNothingFromOneRecordToTheNext) {
  const std::vector<CorpusCase> cases = corpus();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  auto reused = std::make_unique<Judge>(Routing{});
  Arena arena;
  std::vector<std::pair<std::string, Judgement>> kept;
  for (int round = 0; round < 3000; ++round) {
    const CorpusCase& test_case = cases[random() % cases.size()];
    if (test_case.routing.partitions != 1) continue;
    Arena fresh_arena;
    const std::string want = text_of(Judge(Routing{}).judge(1, test_case.partition, test_case.payload, fresh_arena));
    kept.emplace_back(want, reused->judge(1, test_case.partition, test_case.payload, arena));
    ASSERT_EQ(text_of(kept.back().second), want) << test_case.name;
  }
  reused.reset();
  for (const auto& [want, judgement] : kept) EXPECT_EQ(text_of(judgement), want);
}

TEST(Judge, FindsTheSameOnBothJsonPathsWhateverTheBytes) {
  const std::vector<CorpusCase> cases = corpus();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Judge fast{Routing{}};
  Judge strict(Routing{}, JsonPath::strict_only);
  for (int round = 0; round < 30'000; ++round) {
    const CorpusCase& test_case = cases[random() % cases.size()];
    if (test_case.payload.size() > 5000) continue;
    std::string payload = test_case.payload;
    for (std::size_t flips = random() % 3; flips > 0; --flips) payload[random() % payload.size()] ^= static_cast<char>(1 << random() % 8);
    Arena arena;
    const Judgement a = fast.judge(1, test_case.partition, payload, arena);
    const Judgement b = strict.judge(1, test_case.partition, payload, arena);
    ASSERT_EQ(text_of(a), text_of(b)) << test_case.name;
    ASSERT_EQ(a.fingerprint, b.fingerprint);
  }
}

TEST(SameEvent, ComparesAttributesAndDataAndNoOtherHeader) {
  using Headers = std::vector<Header>;
  const Headers structured = {{"content-type", "application/cloudevents+json"}};
  const std::string a = encode_payload("k", structured, "{\"id\":1}");
  EXPECT_TRUE(same_event(a, a));
  EXPECT_TRUE(same_event(a, encode_payload("k", Headers{{"content-type", "application/cloudevents+json"}, {"trace", "1"}}, "{\"id\":1}")));
  EXPECT_TRUE(same_event(a, encode_payload("k", {}, "{\"id\":1}")));
  EXPECT_FALSE(same_event(a, encode_payload("k", structured, "{\"id\":2}")));
  EXPECT_FALSE(same_event(a, encode_payload("k", structured, std::nullopt)));

  const Headers binary = {{"ce_id", "1"}, {"ce_source", "/f"}, {"content-type", "application/json"}};
  const std::string b = encode_payload("k", binary, "{}");
  EXPECT_TRUE(same_event(b, encode_payload("k", Headers{{"x", "y"}, {"ce_source", "/f"}, {"ce_id", "1"}}, "{}")));
  EXPECT_FALSE(same_event(b, encode_payload("k", Headers{{"ce_source", "/f"}, {"ce_id", "1"}, {"ce_time", "t"}}, "{}")));
  EXPECT_FALSE(same_event(b, encode_payload("k", Headers{{"ce_source", "/f"}, {"ce_id", "2"}}, "{}")));
  EXPECT_FALSE(same_event(b, encode_payload("k", binary, "{ }")));
  EXPECT_FALSE(same_event(b, encode_payload("k", structured, "{}")));  // the same bytes say something else in the other mode
  EXPECT_FALSE(same_event(b, "no payload"));
}

TEST(Judge, TakesTheLargestPayloadAndNoByteMore) {
  const std::vector<Header> headers = {{"content-type", "application/cloudevents+json"}};
  const std::string before =
      R"({"specversion":"1.0","type":"id.bukubesar.purchase.withdrawn.v1","source":"/f","id":"1","subject":"e-katalog-5/1","data":{"salt":"00","x":")";
  const std::string after = "\"}}";
  const std::size_t rest = kPayloadBytesMax - payload_size("e-katalog-5/1", headers, before + after);
  Judge judge{Routing{}};
  Arena arena;
  const std::string largest = encode_payload("e-katalog-5/1", headers, before + std::string(rest, 'x') + after);
  ASSERT_EQ(largest.size(), kPayloadBytesMax);
  EXPECT_EQ(judge.judge(1, PartitionId(0), largest, arena).reason, Reason::none);
  const std::string larger = encode_payload("e-katalog-5/1", headers, before + std::string(rest + 1, 'x') + after);
  EXPECT_EQ(judge.judge(1, PartitionId(0), larger, arena).reason, Reason::oversize);
}

}  // namespace
}  // namespace bukubesar
