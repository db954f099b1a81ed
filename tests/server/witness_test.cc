// A witness against a server that signs what the test says, or says nothing.
#include "server/witness.h"

#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <chrono>
#include <thread>

#include "base/bytes.h"
#include "base/file.h"
#include "server/http_server.h"
#include "server/problem.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

constexpr std::string_view kName = "inspektorat.test/bukubesar";
const PartitionId kReference = PartitionId::reference();

class WitnessTest : public testing::Test {
 protected:
  WitnessTest() : definition_(make_definition()), ledger_(open_ledger(directory_.ledger(), definition_)) {
    EXPECT_EQ(commit_events(*ledger_, kP0, 3), absl::OkStatus());
    for (const PartitionId partition : definition_.all_partitions()) sign(partition, head(partition));
  }
  void SetUp() override {
    Route checkpoint;
    checkpoint.method = "GET";
    checkpoint.pattern = "/log/{partition}/checkpoint";
    checkpoint.handle = [this](const ServerRequestPtr& request, const Respond& respond) {
      ++asked_;
      absl::MutexLock lock(&mutex_);
      ServerResponse response;
      response.body = notes_[request->captures[0]];
      respond(is_away_ ? problem(503, "away") : std::move(response));
    };
    Route cosignature;
    cosignature.method = "POST";
    cosignature.pattern = "/log/{partition}/cosignature";
    cosignature.handle = [this](const ServerRequestPtr& request, const Respond& respond) {
      absl::MutexLock lock(&mutex_);
      taken_.push_back(request->captures[0]);
      respond(ServerResponse());
    };
    router_.add(std::move(checkpoint));
    router_.add(std::move(cosignature));
    config_.port = 0;
    server_ = std::make_unique<HttpServer>(config_, router_, HttpServerHooks());
    ASSERT_EQ(server_->listen(), absl::OkStatus());
  }
  void TearDown() override { server_->stop(std::chrono::milliseconds(1000)); }

  [[nodiscard]] Checkpoint head(PartitionId partition) const {
    const PartitionHead at = ledger_->head(partition);
    return {definition_.origin(partition), at.size, *ledger_->root(partition, at.size)};
  }
  void sign(PartitionId partition, const Checkpoint& head) {
    absl::MutexLock lock(&mutex_);
    notes_[partition.name()] = keys_.sign_note(head.origin, checkpoint_text(head.origin, head.size, head.root));
  }
  // Its own root of another history.
  std::string sign_another(PartitionId partition) {
    Checkpoint other = head(partition);
    other.root = sha256("another history");
    sign(partition, other);
    absl::MutexLock lock(&mutex_);
    return notes_[partition.name()];
  }
  [[nodiscard]] absl::StatusOr<std::unique_ptr<Witness>> open(const std::string& url) const {
    WitnessOptions options;
    options.definition = &definition_;
    options.ledger = ledger_.get();
    options.server.url = url;
    for (const PartitionId partition : definition_.all_partitions())
      options.verifier_keys.push_back(keys_.verifier_key(definition_.origin(partition)));
    options.name = kName;
    options.state_path = state_path_;
    return Witness::open(std::move(options), SigningKeys::of_seed(std::string(32, 'w')));
  }
  [[nodiscard]] std::unique_ptr<Witness> open() const {
    auto witness = open("http://127.0.0.1:" + std::to_string(server_->port()));
    EXPECT_TRUE(witness.ok()) << witness.status();
    return *std::move(witness);
  }
  std::vector<std::string> taken() {
    absl::MutexLock lock(&mutex_);
    return taken_;
  }

  const TemporaryDirectory directory_;
  std::string state_path_ = directory_.path() / "witness.state";
  const Definition definition_;
  const std::unique_ptr<Ledger> ledger_;
  const SigningKeys keys_ = SigningKeys::of_seed(std::string(32, 'l'));
  absl::Mutex mutex_;
  std::map<std::string, std::string> notes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> taken_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int> asked_{0};
  std::atomic<bool> is_away_{false};
  HttpConfig config_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(WitnessTest, ARefusalOutlivesARestart) {
  const std::string note = sign_another(kP0);
  const absl::StatusOr<bool> looked = open()->look();
  ASSERT_TRUE(looked.ok() && *looked) << looked.status();
  sign(kP0, head(kP0));  // as if nothing had been
  for (int restart = 0; restart < 2; ++restart) {
    const auto again = open();
    ASSERT_EQ(again->disagreements().size(), 1U) << restart;
    EXPECT_EQ(again->disagreements()[0].partition, kP0);
    EXPECT_EQ(again->disagreements()[0].note, note);
    EXPECT_NE(again->disagreements()[0].what.find("its first 3 entries have root"), std::string::npos);
    EXPECT_EQ(again->cosigned(), (std::map<PartitionId, std::uint64_t>{{kReference, 0}}));
    EXPECT_TRUE(*again->look());
  }
  for (const std::string& partition : taken()) EXPECT_NE(partition, kP0.name());
}

TEST_F(WitnessTest, WhatIsRefusedBeforeAnythingIsCosignedIsStoredToo) {
  for (const PartitionId partition : definition_.all_partitions()) sign_another(partition);
  ASSERT_TRUE(*open()->look());
  EXPECT_EQ(open()->disagreements().size(), definition_.all_partitions().size());
  EXPECT_TRUE(taken().empty());
}

TEST_F(WitnessTest, ARefusalThatCannotBeStoredIsAnErrorAndNothingIsCosigned) {
  state_path_ = directory_.path() / "not there" / "witness.state";
  sign_another(kP0);
  const auto witness = open();
  const absl::StatusOr<bool> looked = witness->look();
  EXPECT_NE(looked.status().message().find("partition 0 is to be REFUSED: its first 3 entries"), std::string::npos) << looked.status();
  EXPECT_TRUE(witness->disagreements().empty() && taken().empty());
}

TEST_F(WitnessTest, ReadsTheStateOfOneThatRefusedNothing) {
  const Checkpoint last = head(kP0);
  ASSERT_EQ(write_file_durably(state_path_, fmt::format("bukubesar witness 1\ntest/cut\ntest/0 4 {}\n", base64(as_view(last.root)))),
            absl::OkStatus());
  const auto witness = open();
  EXPECT_EQ(witness->cosigned(), (std::map<PartitionId, std::uint64_t>{{kP0, 4}}));
  ASSERT_TRUE(*witness->look());
  ASSERT_EQ(witness->disagreements().size(), 1U);
  EXPECT_NE(witness->disagreements()[0].what.find("it has become shorter"), std::string::npos);
}

TEST_F(WitnessTest, AStateThatNoWitnessWroteIsDamage) {
  ASSERT_TRUE(*open()->look());
  const std::string whole = *read_file(state_path_);
  for (const std::string& wrong : {std::string("bukubesar witness 2\n"), whole + "refused\n", whole + "refused test/0 QQ==\n",
                                   whole + "refused test/0 QQ== Q\n", whole + "refused other/0 QQ== QQ==\n", whole.substr(0, 25)}) {
    ASSERT_EQ(write_file_durably(state_path_, wrong), absl::OkStatus());
    EXPECT_TRUE(absl::IsDataLoss(open("http://127.0.0.1:1").status())) << wrong;
  }
}

TEST_F(WitnessTest, ALedgerThatIsAwayEndsTheRound) {
  is_away_ = true;
  EXPECT_TRUE(absl::IsUnavailable(open()->look().status()));
  EXPECT_EQ(asked_, 1);
}

TEST_F(WitnessTest, AStopDoesNotWaitForALedgerThatHangs) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  const auto witness = *open("http://127.0.0.1:" + std::to_string(silent.local_endpoint().port()));
  absl::StatusOr<bool> looked = true;
  std::thread looking([&] { looked = witness->look(); });
  const auto connection = silent.accept();
  const auto begun = std::chrono::steady_clock::now();
  witness->begin_stop();
  looking.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
  EXPECT_TRUE(looked.ok() && !*looked) << looked.status();
}

}  // namespace
}  // namespace bukubesar
