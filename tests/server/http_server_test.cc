#include "server/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio.hpp>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "base/cancellation.h"
#include "server/problem.h"

namespace bukubesar {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

// A connection that sends bytes as they are and reads what comes.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : socket_(io_) { socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port)); }
  void send(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes.data(), bytes.size())); }
  // Up to `count` answers are whole or the server closes.
  std::string read_until(std::string_view end) {
    std::string text;
    boost::system::error_code error;
    while (text.find(end) == std::string::npos && !error) {
      char buffer[4096];
      text.append(buffer, socket_.read_some(asio::buffer(buffer), error));
    }
    return text;
  }
  std::string read_all() {
    std::string text;
    boost::system::error_code error;
    asio::read(socket_, asio::dynamic_buffer(text), error);
    return text;
  }
  tcp::socket& socket() { return socket_; }

 private:
  asio::io_context io_;
  tcp::socket socket_;
};

class HttpServerTest : public testing::Test {
 protected:
  void start() {
    Route hello;
    hello.method = "GET";
    hello.pattern = "/hello";
    hello.handle = [](const ServerRequestPtr&, const Respond& respond) {
      ServerResponse response;
      response.body = "hello";
      respond(std::move(response));
    };
    router_.add(std::move(hello));
    Route echo;
    echo.method = "POST";
    echo.pattern = "/echo";
    echo.handle = [](const ServerRequestPtr& request, const Respond& respond) {
      ServerResponse response;
      response.body = request->body;
      respond(std::move(response));
    };
    router_.add(std::move(echo));
    Route big;
    big.method = "GET";
    big.pattern = "/big";
    big.handle = [this](const ServerRequestPtr&, const Respond& respond) {
      ServerResponse response;
      response.stream = [this, sent = 0](std::string& to) mutable {
        to.append(kStreamChunkBytes, 'x');
        ++chunks_made_;
        return ++sent < kBigChunks;
      };
      respond(std::move(response));
    };
    router_.add(std::move(big));
    Route never;
    never.method = "GET";
    never.pattern = "/never";
    never.handle = [this](const ServerRequestPtr&, const Respond& respond) { held_.push_back(respond); };
    router_.add(std::move(never));
    Route waits;
    waits.method = "GET";
    waits.pattern = "/waits";
    waits.handle = [this](const ServerRequestPtr& request, const Respond& respond) {
      const std::shared_ptr<void> held(nullptr, [this](void*) { ++let_go_; });
      request->when_client_gone([respond, held] { respond(problem(kClientGone, "gone")); });
      respond(ServerResponse());
    };
    router_.add(std::move(waits));
    Route heavy;
    heavy.method = "GET";
    heavy.pattern = "/heavy";
    heavy.runs_on = RunsOn::pool;
    heavy.handle = [this](const ServerRequestPtr& request, const Respond& respond) {
      compute(request->query == "long" ? kLong : kShort, respond);
    };
    heavy.at_hand = [](const ServerRequest& request) -> std::optional<ServerResponse> {
      if (request.query != "kept" && request.query != "broken") return std::nullopt;
      if (request.query == "broken") throw std::runtime_error("of the test");
      ServerResponse response;
      response.body = "kept";
      return response;
    };
    Route change = heavy;
    change.method = "POST";
    router_.add(std::move(heavy));
    router_.add(std::move(change));
    config_.port = 0;
    server_ = std::make_unique<HttpServer>(config_, router_, hooks_);
    ASSERT_TRUE(server_->listen().ok());
  }
  void TearDown() override {
    if (server_) server_->stop(milliseconds(1000));
  }
  std::string exchange(std::string_view request) {
    RawClient client(server_->port());
    client.send(request);
    return client.read_all();
  }

  // A scan that takes `time`, as scans are written.
  void compute(milliseconds time, const Respond& respond) {
    ++computing_;
    absl::Status status;
    for (const auto end = std::chrono::steady_clock::now() + time; status.ok() && std::chrono::steady_clock::now() < end;) {
      std::this_thread::sleep_for(milliseconds(1));
      status = still_wanted();
    }
    (status.ok() ? computed_ : given_up_)++;
    if (!status.ok()) return respond(problem(status));
    ServerResponse response;
    response.body = "computed";
    respond(std::move(response));
  }
  static void eventually(const char* what, const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(2));
    EXPECT_TRUE(holds()) << what;
  }

  static constexpr milliseconds kLong{20'000}, kShort{300};
  static constexpr int kBigChunks = 4000;  // 250 MiB: more than any socket buffers
  HttpConfig config_;
  HttpServerHooks hooks_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
  std::vector<Respond> held_;
  std::atomic<int> chunks_made_{0};
  std::atomic<int> computing_{0}, computed_{0}, given_up_{0}, let_go_{0};
};

TEST_F(HttpServerTest, RefusesAnAddressThatIsNotLoopback) {
  for (const char* address : {"0.0.0.0", "192.0.2.1", "::", "nonsense"}) {
    HttpConfig config;
    config.address = address;
    config.port = 0;
    HttpServer server(config, router_, {});
    const absl::Status status = server.listen();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

TEST_F(HttpServerTest, SaysWhichPortIsTaken) {
  start();
  HttpConfig config = config_;
  config.port = server_->port();
  HttpServer second(config, router_, {});
  const absl::Status status = second.listen();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(status.message()).find(std::to_string(config.port)), std::string::npos);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  const std::string answers = exchange(
      "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
      "GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::size_t first = answers.find("hello");
  const std::size_t second = answers.find("abc");
  const std::size_t third = answers.find("hello", second);
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos) << answers;
}

TEST_F(HttpServerTest, HeadHasTheLengthAndNoBody) {
  start();
  const std::string answer = exchange("HEAD /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 5"), std::string::npos);
  EXPECT_EQ(answer.find("hello"), std::string::npos);
}

TEST_F(HttpServerTest, AnOversizedHeaderIs431) {
  start();
  const std::string answer =
      exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(config_.header_bytes_max + 100, 'a') + "\r\n\r\n");
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 431") << answer;
  EXPECT_NE(answer.find("application/problem+json"), std::string::npos);
}

TEST_F(HttpServerTest, AnOversizedBodyIs413WhetherItsLengthIsSaidOrNot) {
  config_.body_bytes_max = 1000;
  start();
  EXPECT_EQ(exchange("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n").substr(0, 12), "HTTP/1.1 413");
  const std::string chunk(0x500, 'a');
  EXPECT_EQ(exchange("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n500\r\n" + chunk + "\r\n0\r\n\r\n")
                .substr(0, 12),
            "HTTP/1.1 413");
  EXPECT_EQ(exchange("POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc").substr(0, 12),
            "HTTP/1.1 200");
}

TEST_F(HttpServerTest, ExpectContinueIsAnsweredBeforeTheBody) {
  start();
  RawClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_NE(client.read_until("\r\n\r\n").find("100 Continue"), std::string::npos);
  client.send("abc");
  EXPECT_NE(client.read_all().find("abc"), std::string::npos);
}

TEST_F(HttpServerTest, GarbageIs400AndTheServerLivesOn) {
  start();
  for (const char* garbage :
       {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /hello HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    const std::string answer = exchange(garbage);
    EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 400") << garbage << answer;
  }
  EXPECT_NE(exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").find("hello"), std::string::npos);
}

TEST_F(HttpServerTest, UnknownRoutesAre404AndUnknownMethods405) {
  start();
  EXPECT_EQ(exchange("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").substr(0, 12), "HTTP/1.1 404");
  const std::string refused = exchange("DELETE /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(refused.substr(0, 12), "HTTP/1.1 405");
  EXPECT_NE(refused.find("Allow: GET, HEAD"), std::string::npos);
}

// A stranger is told so before his body is read, and what was told keeps the connection only where nothing is left to read.
TEST_F(HttpServerTest, WhoIsNotAdmittedIsToldBeforeTheBody) {
  hooks_.admit = [](ServerRequest& request, const Route* route) -> std::optional<ServerResponse> {
    EXPECT_EQ(request.body, "");
    if (route != nullptr && request.header("x-friend")) return std::nullopt;
    return problem(401, "a stranger");
  };
  start();
  RawClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(client.read_until("a stranger").substr(0, 12), "HTTP/1.1 401");
  RawClient kept(server_->port());
  kept.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(kept.read_until("a stranger").substr(0, 12), "HTTP/1.1 401");
  kept.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nX-Friend: 1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_NE(kept.read_all().find("abc"), std::string::npos);
}

TEST_F(HttpServerTest, AHostThatTheServerDoesNotAnswerToIsRefused) {
  hooks_.wrong_host = [](std::string_view host) -> std::optional<ServerResponse> {
    return host == "evil.example" ? std::optional(problem(400, "Host")) : std::nullopt;
  };
  start();
  EXPECT_EQ(exchange("GET /hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").substr(0, 12), "HTTP/1.1 400");
  EXPECT_EQ(exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").substr(0, 12), "HTTP/1.1 200");
}

TEST_F(HttpServerTest, ARequestOfHttp11NamesItsHostOnce) {
  start();
  EXPECT_NE(exchange("GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n").find(" 400 "), std::string::npos);
  EXPECT_NE(exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n").find(" 400 "),
            std::string::npos);
  EXPECT_NE(exchange("GET /hello HTTP/1.0\r\n\r\n").find(" 200 "), std::string::npos);
}

TEST_F(HttpServerTest, AHandlerThatNeverAnswersIs504AfterItsTime) {
  config_.request_timeout_ms = 200;
  start();
  const std::string answer = exchange("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 504") << answer;
}

// The way to answer and what waits for the client hold each other until then.
TEST_F(HttpServerTest, WhatWaitsForItsClientToGoIsLetGoWithTheAnswer) {
  start();
  RawClient client(server_->port());
  client.send("GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n");
  eventually("nothing holds it, and the client is still there", [&] { return let_go_ == 1; });
}

TEST_F(HttpServerTest, ARequestThatDoesNotArriveInTimeIsCutOff) {
  config_.request_timeout_ms = 200;
  start();
  const auto start_time = std::chrono::steady_clock::now();
  EXPECT_EQ(exchange("GET /hello HTTP/1.1\r\nHost: loc"), "");
  EXPECT_EQ(exchange("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, std::chrono::seconds(10));
}

// Fifty clients ask for what takes twenty seconds each and go: the next one is served as if they had not been.
TEST_F(HttpServerTest, AbandonedComputationsEndAndDelayNobody) {
  start();
  std::vector<std::unique_ptr<RawClient>> gone;
  for (int i = 0; i < 50; ++i) {
    gone.push_back(std::make_unique<RawClient>(server_->port()));
    gone.back()->send("GET /heavy?long HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  eventually("all wait for the pool or compute", [&] { return server_->pool_depth() == 50 && computing_ == 2; });
  const auto start_time = std::chrono::steady_clock::now();
  gone.clear();
  EXPECT_NE(exchange("GET /heavy?short HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").find("computed"), std::string::npos);
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, kLong / 4) << "it waited for what nobody waits for";
  eventually("the pool is free", [&] { return server_->pool_depth() == 0; });
  EXPECT_EQ(computed_, 1);
  EXPECT_EQ(given_up_, computing_ - 1);
  EXPECT_LT(given_up_, 25) << "most had not begun when their clients went, and then did not";
}

TEST_F(HttpServerTest, WhatIsAtHandIsAnsweredWhileThePoolIsBusy) {
  const auto observed = std::make_shared<std::atomic<int>>(0);
  hooks_.admit = [](ServerRequest& request, const Route*) -> std::optional<ServerResponse> {
    if (request.header("authorization")) return problem(401, "of the test");
    return std::nullopt;
  };
  hooks_.decorate = [](const ServerRequest&, ServerResponse& response) { response.with("Decorated", "yes"); };
  hooks_.observe = [observed](std::string_view route, std::string_view, unsigned status, std::chrono::nanoseconds) {
    if (route == "/heavy" && status == 200) ++*observed;
  };
  start();
  std::vector<std::unique_ptr<RawClient>> busy;
  for (int i = 0; i < 4; ++i) {
    busy.push_back(std::make_unique<RawClient>(server_->port()));
    busy.back()->send("GET /heavy?long HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  eventually("the pool is busy", [&] { return server_->pool_depth() == 4; });
  const std::string answer = exchange("GET /heavy?kept HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("\r\n\r\nkept"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Decorated: yes"), std::string::npos) << answer;
  EXPECT_EQ(server_->pool_depth(), 4u) << "it did not wait for the pool";
  EXPECT_EQ(*observed, 1);
  EXPECT_NE(exchange("GET /heavy?kept HTTP/1.1\r\nHost: localhost\r\nAuthorization: x\r\nConnection: close\r\n\r\n").find(" 401 "),
            std::string::npos);
  EXPECT_NE(exchange("GET /heavy?broken HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").find(" 500 "), std::string::npos);
}

TEST_F(HttpServerTest, WhatChangesSomethingIsCarriedThroughWithoutItsClient) {
  start();
  for (int i = 0; i < 6; ++i) RawClient(server_->port()).send("POST /heavy?short HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  eventually("all of them, under way or not when their clients went", [&] { return computed_ == 6; });
  EXPECT_EQ(given_up_, 0);
}

TEST_F(HttpServerTest, AComputationEndsWithItsTime) {
  config_.request_timeout_ms = 200;
  start();
  EXPECT_EQ(exchange("GET /heavy?long HTTP/1.1\r\nHost: localhost\r\n\r\n").substr(0, 12), "HTTP/1.1 504");
  eventually("it ends", [&] { return given_up_ == 1 && server_->pool_depth() == 0; });
}

TEST_F(HttpServerTest, StopsWithAComputationUnderWay) {
  start();
  RawClient client(server_->port());
  client.send("GET /heavy?long HTTP/1.1\r\nHost: localhost\r\n\r\n");
  eventually("it computes", [&] { return computing_ == 1; });
  const auto start_time = std::chrono::steady_clock::now();
  server_->stop(milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - start_time, kLong / 4);
  EXPECT_EQ(given_up_, 1);
}

// A client that sends the next request before it has this answer has not gone.
TEST_F(HttpServerTest, APipelinedRequestAbandonsNothing) {
  start();
  const std::string answers =
      exchange("GET /heavy?short HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answers.find("computed"), std::string::npos) << answers;
  EXPECT_NE(answers.find("hello"), std::string::npos) << answers;
}

// A reader that takes nothing holds one chunk; others are served meanwhile; after its time it is cut off.
TEST_F(HttpServerTest, ASlowReaderCostsOnlyItself) {
  config_.request_timeout_ms = 2000;
  start();
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(std::make_unique<RawClient>(server_->port()));
    slow.back()->socket().set_option(asio::socket_base::receive_buffer_size(4096));
    slow.back()->send("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  for (int i = 0; i < 50; ++i)
    ASSERT_NE(exchange("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").find("hello"), std::string::npos);
  EXPECT_LT(chunks_made_, 20 * kBigChunks / 4) << "chunks are made though nobody takes them";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (server_->connections() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(server_->connections(), 0U) << "slow readers are still there after their time";
}

TEST_F(HttpServerTest, ALongAnswerStreamsWhole) {
  start();
  RawClient client(server_->port());
  client.send("GET /big HTTP/1.0\r\n\r\n");
  const std::string answer = client.read_all();
  const std::size_t body = answer.find("\r\n\r\n") + 4;
  EXPECT_EQ(answer.size() - body, kBigChunks * kStreamChunkBytes);
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAre503) {
  config_.connections_max = 2;
  start();
  RawClient first(server_->port());
  RawClient second(server_->port());
  first.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  second.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  first.read_until("hello");
  second.read_until("hello");
  RawClient third(server_->port());
  EXPECT_EQ(third.read_all().substr(0, 12), "HTTP/1.1 503");
}

TEST_F(HttpServerTest, StopsWithAnswersUnderWay) {
  config_.request_timeout_ms = 60'000;
  start();
  RawClient client(server_->port());
  client.send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
  server_->stop(milliseconds(50));
  EXPECT_EQ(client.read_all(), "");
}

TEST(Problem, HasTheShapeOfRfc9457) {
  const ServerResponse response = problem(absl::NotFoundError("entry 0:812: the partition has 3 entries"));
  EXPECT_EQ(response.status, 404U);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.body, R"({"type":"about:blank","title":"Not Found","status":404,"detail":"entry 0:812: the partition has 3 entries"})"
                           "\n");
  EXPECT_TRUE(problem(absl::ResourceExhaustedError("x")).has_header("Retry-After"));
}

TEST(Problem, MapsEveryCodeOnce) {
  EXPECT_EQ(http_status_of(absl::StatusCode::kInvalidArgument), 400U);
  EXPECT_EQ(http_status_of(absl::StatusCode::kFailedPrecondition), 409U);
  EXPECT_EQ(http_status_of(absl::StatusCode::kOutOfRange), 416U);
  EXPECT_EQ(http_status_of(absl::StatusCode::kResourceExhausted), 429U);
  EXPECT_EQ(http_status_of(absl::StatusCode::kDataLoss), 500U);
  EXPECT_EQ(http_status_of(absl::StatusCode::kUnavailable), 503U);
  EXPECT_EQ(http_status_of(absl::StatusCode::kDeadlineExceeded), 504U);
  EXPECT_EQ(exit_code_of(absl::StatusCode::kNotFound), 3);
  EXPECT_EQ(exit_code_of(absl::StatusCode::kDataLoss), 5);
}

}  // namespace
}  // namespace bukubesar
