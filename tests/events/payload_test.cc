#include "events/payload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/bytes.h"

namespace bukubesar {
namespace {

// The worked example of docs/EVENTS.md.
TEST(Payload, IsTheBytesThatTheFormatPageShows) {
  const std::vector<Header> headers = {{"ct", "x"}, {"n", std::nullopt}};
  EXPECT_EQ(hex(encode_payload("k1", headers, "{}")),
            "00000002"
            "6b31"
            "00000002"
            "00000002"
            "6374"
            "00000001"
            "78"
            "00000001"
            "6e"
            "ffffffff"
            "00000002"
            "7b7d");
  EXPECT_EQ(hex(encode_payload(std::nullopt, {}, std::nullopt)), "ffffffff00000000ffffffff");
  EXPECT_EQ(hex(encode_payload("", {}, "")), "000000000000000000000000");
}

TEST(Payload, ParsesBackToWhatWasEncoded) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto text = [&random] {
    std::string made(random() % 20, '\0');
    for (char& c : made) c = static_cast<char>(random());
    return made;
  };
  PayloadView view;
  for (int round = 0; round < 2000; ++round) {
    const std::string key = text();
    const std::string value = text();
    std::vector<std::string> texts;
    for (int i = 0; i < 6; ++i) texts.push_back(text());
    std::vector<Header> headers;
    for (std::size_t i = 0; i < random() % 4; ++i)
      headers.push_back({texts[i], random() % 3 == 0 ? std::nullopt : std::optional<std::string_view>(texts[i + 1])});
    const auto key_or_null = random() % 4 == 0 ? std::nullopt : std::optional<std::string_view>(key);
    const auto value_or_null = random() % 4 == 0 ? std::nullopt : std::optional<std::string_view>(value);
    const std::string payload = encode_payload(key_or_null, headers, value_or_null);
    ASSERT_EQ(payload.size(), payload_size(key_or_null, headers, value_or_null));
    ASSERT_TRUE(parse_payload(payload, view));
    EXPECT_EQ(view.key, key_or_null);
    EXPECT_EQ(view.value, value_or_null);
    ASSERT_EQ(view.headers.size(), headers.size());
    for (std::size_t i = 0; i < headers.size(); ++i) {
      EXPECT_EQ(view.headers[i].name, headers[i].name);
      EXPECT_EQ(view.headers[i].value, headers[i].value);
    }
    // One encoding for one payload: nothing shorter or longer parses.
    EXPECT_FALSE(parse_payload(payload + '\0', view));
    EXPECT_FALSE(parse_payload(std::string_view(payload).substr(0, payload.size() - 1), view));
  }
}

TEST(Payload, RefusesAForgedHeaderCountAtOnce) {
  PayloadView view;
  EXPECT_FALSE(parse_payload(*unhex("ffffffff"
                                    "ffffffff"
                                    "ffffffff"),
                             view));
  EXPECT_FALSE(parse_payload("", view));
  // A header's name can't be null.
  EXPECT_FALSE(parse_payload(*unhex("ffffffff"
                                    "00000001"
                                    "ffffffff"
                                    "ffffffff"
                                    "ffffffff"),
                             view));
}

}  // namespace
}  // namespace bukubesar
