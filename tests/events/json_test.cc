// The two JSON readers agree, with each other and with what RFC 8259 says.
#include "events/json.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/events/corpus.h"

namespace bukubesar {
namespace {

std::string dump(const JsonTree& tree) {
  std::string text;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const JsonValue& value = tree[i];
    text += name_of(value.kind);
    text += value.key_at == nullptr ? " " : " key ";
    text += value.key();
    text += " = ";
    text += value.text();
    text += " end " + std::to_string(value.end) + "\n";
  }
  return text;
}

// True where both accept, with equal trees; false where the strict one refuses. Fails the test where the fast one accepts alone, or
// (must_be_fast) where it leaves a document without oddities to the other.
bool agree(std::string_view json, bool must_be_fast) {
  static FastJsonReader fast;  // reused, so that what one document leaves behind would show in the next
  Arena arena;
  JsonTree fast_tree;
  JsonTree strict_tree;
  const bool fast_accepts = fast.read(json, arena, fast_tree);
  const JsonError error = read_json_strict(json, arena, strict_tree);
  const bool strict_accepts = error.reason == Reason::none;
  if (fast_accepts) {
    EXPECT_TRUE(strict_accepts) << shown(json) << ": " << error.detail;
    EXPECT_EQ(dump(fast_tree), dump(strict_tree));
  } else if (must_be_fast) {
    EXPECT_FALSE(strict_accepts) << "left to the slow path: " << json;
  }
  EXPECT_EQ(error.detail.empty(), strict_accepts);
  return strict_accepts;
}

TEST(JsonReaders, TakeWhatRfc8259Takes) {
  for (const std::string_view good :
       {"{}", "[]", "0", "-0", "-0.0e+00", "1e5", "12.25E-3", "\"\"", "null", " true ", "\t\r\n[ 1 , 2 ]\n", R"({"a":{"b":[{}]}})",
        R"(["\"\\\/\b\f\n\r\t\u0041\ud83d\ude42"])", R"({"":0})", "[[],{},\"\",0]", "\"\x7f\"", "\"\xf4\x8f\xbf\xbf\"", R"({"a":1,"A":2})"})
    EXPECT_TRUE(agree(good, true)) << good;
}

TEST(JsonReaders, RefuseWhatRfc8259Refuses) {
  for (const std::string_view bad : {"",
                                     " ",
                                     "{",
                                     "}",
                                     "[",
                                     "]",
                                     "[}",
                                     "{]",
                                     ",",
                                     "[1,]",
                                     "[,1]",
                                     "{\"a\":1,}",
                                     "{,}",
                                     "{\"a\"}",
                                     "{\"a\":}",
                                     "{\"a\" 1}",
                                     "{a:1}",
                                     "{1:1}",
                                     "[1 2]",
                                     "[\"a\"\"b\"]",
                                     "[\"a\" \"b\"]",
                                     "1 1",
                                     "{}{}",
                                     "{} x",
                                     "01",
                                     "-",
                                     "1.",
                                     ".1",
                                     "1e",
                                     "1e+",
                                     "+1",
                                     "0x1",
                                     "NaN",
                                     "Infinity",
                                     "True",
                                     "nul",
                                     "nulll",
                                     "'a'",
                                     "\"a",
                                     "\"\\\"",
                                     "\"\\x41\"",
                                     "\"\\u12\"",
                                     "\"\\u123g\"",
                                     "\"\\ud800\"",
                                     "\"\\udc00\"",
                                     "\"\n\"",
                                     "\"\x01\"",
                                     "\"\xff\"",
                                     "\"\xc0\x80\"",
                                     "\"\xed\xa0\x80\"",
                                     "\xef\xbb\xbf{}",
                                     "[1]//",
                                     "/**/1",
                                     "{\"a\":1,\"a\":2}",
                                     "{\"a\":1,\"\\u0061\":2}",
                                     "[1}",
                                     "{\"a\":[}",
                                     "12\"abc\"",
                                     "true\"x\"",
                                     "\"abc\"12"})
    EXPECT_FALSE(agree(bad, true)) << bad;
  EXPECT_FALSE(agree(std::string_view("{}\0", 3), true));
  EXPECT_FALSE(agree(std::string_view("[1\0]", 4), true));
}

TEST(JsonReaders, CountDepthAlike) {
  for (std::size_t depth = 1; depth < 40; ++depth) {
    const std::string arrays = std::string(depth, '[') + std::string(depth, ']');
    EXPECT_EQ(agree(arrays, true), depth <= kJsonDepthMax) << depth;
    std::string objects;
    for (std::size_t i = 0; i < depth; ++i) objects += "{\"a\":";
    objects += "1" + std::string(depth, '}');
    EXPECT_EQ(agree(objects, true), depth <= kJsonDepthMax) << depth;
  }
  EXPECT_FALSE(agree(std::string(1'000'000, '['), true));
}

TEST(JsonReaders, FindADoubledMemberAmongAnyNumber) {
  for (const std::size_t count : {2U, 3U, 47U, 48U, 49U, 50U, 64U, 65U, 1000U}) {
    for (const std::size_t doubled : {std::size_t{0}, (count - 1) / 2, count - 2}) {
      std::string json = "{";
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t name = i + 1 == count ? doubled : i;
        json += (i == 0 ? "\"member" : ",\"member") + std::to_string(name) + "\":[{\"member0\":1}]";
      }
      json += "}";
      EXPECT_FALSE(agree(json, true)) << count << " " << doubled;
    }
    std::string json = "{";
    for (std::size_t i = 0; i < count; ++i) json += (i == 0 ? "\"member" : ",\"member") + std::to_string(i) + "\":{\"member1\":1}";
    EXPECT_TRUE(agree(json + "}", true)) << count;
  }
}

TEST(JsonReaders, PointIntoTheBytesGivenWhereNothingIsEscaped) {
  const std::string json = R"({"plain":"text","esc\u0061ped":"te\u0078t"})";
  FastJsonReader fast;
  Arena arena;
  JsonTree tree;
  ASSERT_TRUE(fast.read(json, arena, tree));
  const auto inside = [&json](std::string_view text) { return text.data() >= json.data() && text.data() < json.data() + json.size(); };
  EXPECT_TRUE(inside(tree[1].key()) && inside(tree[1].text()));
  EXPECT_FALSE(inside(tree[2].key()) || inside(tree[2].text()));
  EXPECT_EQ(tree[2].key(), "escaped");
  EXPECT_EQ(tree[2].text(), "text");
}

// Documents of the corpus, changed at random: the verdict is a function of strict JSON, not of a parser.
TEST(JsonReaders, AgreeOnMutatedDocuments) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::vector<std::string> documents;
  for (const CorpusCase& test_case : read_corpus(std::string(BUKUBESAR_SOURCE_DIR) + "/tests/events/corpus/v1.jsonl")) {
    PayloadView view;
    if (test_case.payload.size() < 4000 && parse_payload(test_case.payload, view) && view.value) documents.emplace_back(*view.value);
  }
  ASSERT_GT(documents.size(), 200U);
  const std::vector<std::string> pieces = {"\"",      "\\",       "{",          "}",          "[",
                                           "]",       ",",        ":",          " ",          "\n",
                                           "\\u0041", "\\ud800",  "\xc3\xa9",   "\xff",       "1",
                                           "-",       "0",        ".",          "e",          "null",
                                           "true",    "\"a\":1,", "[[[[[[[[[[", "]]]]]]]]]]", std::string(1, '\0'),
                                           "\x1f"};
  int accepted = 0;
  for (int round = 0; round < 150'000; ++round) {
    std::string json = documents[random() % documents.size()];
    for (std::size_t edits = 1 + random() % 3; edits > 0 && !json.empty(); --edits) {
      const std::size_t at = random() % json.size();
      switch (random() % 5) {
        case 0:
          json.erase(at, 1 + random() % 3);
          break;
        case 1:
          json.insert(at, pieces[random() % pieces.size()]);
          break;
        case 2:
          json[at] = static_cast<char>(random());
          break;
        case 3:
          json.insert(at, json.substr(at, random() % 60));
          break;
        default:
          json.replace(at, 1, pieces[random() % pieces.size()]);
      }
    }
    // The fast reader may decline only what the strict one declines: it gives up on nothing else today.
    accepted += agree(json, true) ? 1 : 0;
    if (HasFailure()) break;
  }
  EXPECT_GT(accepted, 5'000) << "mutations so wild that nothing stays JSON test nothing";
  EXPECT_LT(accepted, 145'000);
}

}  // namespace
}  // namespace bukubesar
