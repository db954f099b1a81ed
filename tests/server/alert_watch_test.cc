// What the watch keeps of alerts.jsonl, and how it stops; what fires and is delivered stands in tests/e2e/alerts_test.py.
#include "server/alert_watch.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <chrono>

#include "base/file.h"
#include "server/node.h"
#include "tests/ledger/fixture.h"
#include "tests/wait_until.h"

namespace bukubesar {
namespace {

using boost::asio::ip::tcp;

std::string line(std::string_view what, std::string_view id) {
  return fmt::format(
      R"({{"what":"{}","id":"{}","alert":"gone","kind":"stalled","key":"{}","severity":"info","posted":true,"cut":"0=1,reference=0"}})"
      "\n",
      what, id, id);
}

class AlertWatchTest : public testing::Test {
 protected:
  AlertWatchTest() {
    config_.data_dir = directory_.path();
    config_.http.port = 0;
  }
  void write(const std::string& name, const std::string& content, unsigned mode = 0644) const {
    ASSERT_EQ(write_file_durably(directory_.path() / name, content, mode), absl::OkStatus());
  }
  void write_webhook(std::uint16_t port) const {
    write("secret", "of the test", 0600);
    write("alerts.json", fmt::format(R"({{"webhook":{{"url":"http://127.0.0.1:{}/","secret_file":"{}","timeout_ms":60000}}}})", port,
                                     (directory_.path() / "secret").string()));
  }
  [[nodiscard]] std::string lines() const { return *read_file(directory_.path() / "alerts.jsonl"); }
  void start() {
    node_ = std::make_unique<Node>(config_, nullptr);
    ASSERT_EQ(node_->start(), absl::OkStatus());
  }

  const TemporaryDirectory directory_;
  Config config_;
  std::unique_ptr<Node> node_;
};

TEST_F(AlertWatchTest, AWebhookThatHangsDoesNotHoldTheStop) {
  boost::asio::io_context io;
  tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  write_webhook(silent.local_endpoint().port());
  write("alerts.jsonl", line("began", "a"));
  start();
  const tcp::socket connection = silent.accept();
  const auto begun = std::chrono::steady_clock::now();
  node_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30)) << "it waited for the answer";
}

TEST_F(AlertWatchTest, WhatTheWebhookDoesNotTakeIsBoundedAndTheOldestThatEndedGoes) {
  constexpr std::size_t kMore = 50;
  boost::asio::io_context io;
  tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  write_webhook(silent.local_endpoint().port());
  std::string text;
  for (std::size_t i = 0; i < kPendingMax + kMore; ++i) text += line("began", std::to_string(i)) + line("ended", std::to_string(i));
  write("alerts.jsonl", text);
  start();
  ASSERT_TRUE(testing_support::wait_until([&] { return node_->alerts().state().pending == kPendingMax; }));
  node_->stop();
  const std::string after = lines().substr(text.size());
  EXPECT_EQ(std::count(after.begin(), after.end(), '\n'), kMore);
  for (const std::size_t i : {std::size_t{0}, kMore - 1})
    EXPECT_NE(after.find(fmt::format(R"("id":"{}")", i)), std::string::npos) << i << " is among the oldest";
  start();
  EXPECT_EQ(node_->alerts().state().pending, kPendingMax) << "dropped for good";
  node_->stop();
}

TEST_F(AlertWatchTest, WhatIsOverIsLeftOutAtTheStartOnceThereIsMuchOfIt) {
  write("alerts.json", R"({"interval_ms":3600000})");
  std::string over;
  for (std::size_t i = 0; i < kLinesOverMax / 2; ++i) over += line("began", std::to_string(i)) + line("ended", std::to_string(i));
  for (const bool much : {false, true}) {
    const std::string text = over + line("began", "fires") + (much ? line("ended", "0") : "");
    write("alerts.jsonl", text);
    start();
    node_->stop();
    node_.reset();
    const std::string stays = much ? line("began", "fires") : text;
    EXPECT_EQ(lines().substr(0, stays.size()), stays) << much;
  }
}

}  // namespace
}  // namespace bukubesar
