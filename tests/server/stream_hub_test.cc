// The stream of a whole node without HTTP; what clients see stands in tests/e2e/stream_test.py.
#include "server/stream_hub.h"

#include <gtest/gtest.h>

#include "server/node.h"
#include "tests/ledger/fixture.h"
#include "tests/wait_until.h"

namespace bukubesar {
namespace {

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(StreamHub, AnAlertThatNobodyWasThereForWaitsForTheFirstClient) {
  const TemporaryDirectory directory;
  Config config;
  config.data_dir = directory.path();
  config.http.port = 0;
  Node node(config, nullptr);
  ASSERT_EQ(node.start(), absl::OkStatus());
  node.stream().publish({{"kind", "test"}, {"message", "the first"}, {"firing", true}});
  {
    const auto answer = node.stream().subscribe(Topics().set(static_cast<std::size_t>(Topic::alerts)), std::nullopt);
    ASSERT_TRUE(answer.ok()) << answer.status();
    std::string text = answer->body;
    const auto comes = [&](std::string_view what) {
      return testing_support::wait_until([&] { return answer->live->take(text) && count_of(text, what) > 0; });
    };
    EXPECT_TRUE(comes("the first")) << text;
    node.stream().publish({{"kind", "test"}, {"message", "the second"}, {"firing", true}});
    EXPECT_TRUE(comes("the second")) << text;
    EXPECT_EQ(count_of(text, "the first"), 1U) << text;
  }
  EXPECT_EQ(node.stream().stats().alerts_dropped, 0U);
  node.stop();
}

}  // namespace
}  // namespace bukubesar
