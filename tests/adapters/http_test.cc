// The HTTP client and the HTTP sink against a scripted server on a free port.
#include <gmock/gmock.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "adapters/http_client.h"
#include "adapters/ledger_reader.h"
#include "adapters/publisher.h"
#include "base/cancellation.h"

namespace bukubesar {
namespace {

namespace http = boost::beast::http;
using tcp = boost::asio::ip::tcp;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

struct Seen {
  std::string method, target, body, content_type, key;
};
struct Scripted {
  unsigned status = 200;
  std::string body = "{}";
  std::string retry_after;
  bool hang_up = false;      // close without an answer
  bool close_after = false;  // answer, then close the connection without saying so
  bool silent = false;       // neither answer nor close
};

// Serves connections one thread each, until it is destroyed.
class Server {
 public:
  using Handler = std::function<Scripted(const Seen&, std::size_t request_number)>;
  explicit Server(Handler handler) : handler_(std::move(handler)), acceptor_(io_, {boost::asio::ip::make_address("127.0.0.1"), 0}) {
    thread_ = std::thread([this] { accept(); });
  }
  ~Server() {
    stopping_ = true;
    boost::system::error_code ignored;
    tcp::socket poke(io_);
    poke.connect(acceptor_.local_endpoint(), ignored);  // wakes accept()
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      for (auto& socket : sockets_) socket->shutdown(tcp::socket::shutdown_both, ignored);
    }
    for (auto& thread : connections_) thread.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  std::size_t connection_count() const { return connection_count_; }

 private:
  void accept() {
    while (!stopping_) {
      auto socket = std::make_shared<tcp::socket>(io_);
      boost::system::error_code error;
      acceptor_.accept(*socket, error);
      if (error || stopping_) return;
      ++connection_count_;
      const std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      connections_.emplace_back([this, socket] { serve(*socket); });
    }
  }
  void serve(tcp::socket& socket) {
    boost::beast::flat_buffer buffer;
    for (;;) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(64U << 20);
      boost::system::error_code error;
      http::read(socket, buffer, parser, error);
      if (error) return;
      const auto& request = parser.get();
      Seen seen{std::string(request.method_string()), std::string(request.target()), request.body(),
                std::string(request[http::field::content_type]), std::string(request["Bukubesar-Key"])};
      std::size_t number;
      {
        const std::lock_guard lock(mutex_);
        seen_.push_back(seen);
        number = seen_.size();
      }
      const Scripted answer = handler_(seen, number);
      if (answer.silent) continue;
      if (!answer.hang_up) {
        http::response<http::string_body> response(static_cast<http::status>(answer.status), 11);
        response.body() = answer.body;
        if (!answer.retry_after.empty()) response.set(http::field::retry_after, answer.retry_after);
        response.keep_alive(true);
        response.prepare_payload();
        http::write(socket, response, error);
      }
      if (answer.hang_up || answer.close_after || error) {
        socket.shutdown(tcp::socket::shutdown_both, error);
        return;
      }
    }
  }

  Handler handler_;
  boost::asio::io_context io_;
  tcp::acceptor acceptor_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> connection_count_{0};
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::vector<std::shared_ptr<tcp::socket>> sockets_;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

HttpClient client_of(const std::string& url, std::uint32_t attempts = 4, std::uint32_t answer_timeout_ms = 5'000) {
  HttpClientOptions options;
  options.url = url;
  options.attempts_max = attempts;
  options.backoff_ms_first = 1;
  options.backoff_ms_max = 20;
  options.answer_timeout_ms = answer_timeout_ms;
  return std::move(HttpClient::make(options)).value();
}

TEST(HttpClient, GetsAndPostsOnOneConnection) {
  Server server([](const Seen& seen, std::size_t) { return Scripted{200, seen.method + " " + seen.target + " " + seen.body}; });
  HttpClient client = client_of(server.url());
  EXPECT_EQ(client.get("/a?b=c")->body, "GET /a?b=c ");
  EXPECT_EQ(client.post("/p", "text/plain", "hello", {{"Bukubesar-Key", "k"}})->body, "POST /p hello");
  EXPECT_EQ(server.seen()[1].content_type, "text/plain");
  EXPECT_EQ(server.seen()[1].key, "k");
  EXPECT_EQ(server.connection_count(), 1U);
}

TEST(HttpClient, AnErrorStatusIsAnAnswer) {
  Server server([](const Seen&, std::size_t) { return Scripted{404, R"({"title":"Not found","detail":"no purchase x"})"}; });
  const auto response = client_of(server.url()).get("/");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(status_of(*response).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status_of(*response).message()), HasSubstr("Not found: no purchase x"));
}

TEST(HttpClient, WaitsOutTooManyRequestsAndUnavailable) {
  Server server([](const Seen&, std::size_t number) { return number < 3 ? Scripted{number == 1 ? 429U : 503U, "busy", "0"} : Scripted{}; });
  const auto response = client_of(server.url()).post("/v1/events", "text/plain", "x");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(server.seen().size(), 3U);
}

TEST(HttpClient, GivesTheLastAnswerWhenTheTriesAreUsedUp) {
  Server server([](const Seen&, std::size_t) { return Scripted{429, "busy"}; });
  const auto response = client_of(server.url(), 3).get("/");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(status_of(*response).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(server.seen().size(), 3U);
}

TEST(HttpClient, ARefusedConnectionIsUnavailableAfterTheTries) {
  std::string url;
  {
    Server server([](const Seen&, std::size_t) { return Scripted{}; });
    url = server.url();
  }
  EXPECT_EQ(client_of(url, 2).get("/").status().code(), absl::StatusCode::kUnavailable);
}

TEST(HttpClient, SendsAgainOnlyWhatIsHarmlessToSendTwice) {
  Server server([](const Seen&, std::size_t number) { return Scripted{200, "{}", "", number % 2 == 1}; });
  HttpClient client = client_of(server.url());
  EXPECT_EQ(client.post("/", "text/plain", "once").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.seen().size(), 1U);
  (void)client.get("/");  // the second: answered
  EXPECT_TRUE(client.post("/", "text/plain", "twice", {}, SendTwice::harmless).ok());
  EXPECT_EQ(server.seen().size(), 4U);
}

TEST(HttpClient, AKeptConnectionThatTheServerClosedIsOpenedAgain) {
  Server server([](const Seen&, std::size_t) {
    Scripted answer;
    answer.close_after = true;
    return answer;
  });
  HttpClient client = client_of(server.url());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.get("/").ok());
  EXPECT_EQ(server.connection_count(), 3U);
}

TEST(HttpClient, ASilentServerIsADeadline) {
  Server server([](const Seen&, std::size_t) {
    Scripted answer;
    answer.silent = true;
    return answer;
  });
  EXPECT_EQ(client_of(server.url(), 1, 50).get("/").status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(HttpClient, AnAnswerThatNobodyWaitsForIsCancelled) {
  const AbandonedFlag abandoned = std::make_shared<std::atomic<bool>>(false);
  Server server([&](const Seen&, std::size_t) {
    *abandoned = true;
    return Scripted{.silent = true};
  });
  HttpClient client = client_of(server.url(), 4, 60'000);
  const ComputesFor asker(abandoned);
  EXPECT_TRUE(absl::IsCancelled(client.get("/x").status()));
  EXPECT_EQ(server.seen().size(), 1U);
}

TEST(HttpClient, RefusesUrlsThatItCannotServe) {
  for (const char* url : {"127.0.0.1:8080", "http://", "ftp://x", ""}) {
    HttpClientOptions options;
    options.url = url;
    EXPECT_EQ(HttpClient::make(options).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
}

TEST(HttpClient, SendsItsTokenUnderTlsOrToThisMachineAlone) {
  HttpClientOptions options;
  options.token = "bkb_x_secret";
  for (const auto& [url, fine] :
       {std::pair("http://ledger.example", false), std::pair("http://192.0.2.1:8080", false), std::pair("https://ledger.example", true),
        std::pair("http://127.0.0.1:8080", true), std::pair("http://localhost:8080", true), std::pair("http://[::1]:8080", true)}) {
    options.url = url;
    const absl::Status status = HttpClient::make(options).status();
    EXPECT_EQ(status.ok(), fine) << url << ": " << status;
    EXPECT_EQ(status.message().find("secret"), absl::string_view::npos);
  }
  options.url = "https://ledger.example";
  options.ca_file = "/no/such/file";
  EXPECT_EQ(HttpClient::make(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(HttpClient, PercentEncodes) {
  EXPECT_EQ(percent_encode("/feed/a b=c%"), "%2Ffeed%2Fa%20b%3Dc%25");
  EXPECT_EQ(percent_encode("e-katalog-6/X_1.2~", true), "e-katalog-6/X_1.2~");
}

// Answers every event of a batch as accepted, and bad ones as rejected.
Scripted receipts(const Seen& seen) {
  Json results = Json::array();
  if (seen.content_type == "application/cloudevents-batch+json") {
    for (const Json& event : Json::parse(seen.body))
      results.push_back({{"partition", "0"},
                         {"sequence", 1},
                         {"verdict", event.value("verdict", "accepted")},
                         {"reason", event.value("reason", Json())}});
  } else {
    results.push_back({{"verdict", "rejected"}, {"reason", "not_json"}});
  }
  return {200, Json{{"results", results}}.dump()};
}

HttpSinkOptions sink_options(const Server& server) {
  HttpSinkOptions options;
  options.client.url = server.url();
  options.client.backoff_ms_first = 1;
  options.client.backoff_ms_max = 10;
  return options;
}

TEST(HttpSink, KeepsTheOrderOfEachKeyAndTheLimitsOfABatch) {
  std::mutex mutex;
  std::map<std::string, std::vector<int>> order;
  std::size_t largest = 0;
  Server server([&](const Seen& seen, std::size_t) {
    const Json batch = Json::parse(seen.body);
    const std::lock_guard lock(mutex);
    largest = std::max(largest, batch.size());
    for (const Json& event : batch) order[event["subject"]].push_back(event["n"]);
    return receipts(seen);
  });
  HttpSinkOptions options = sink_options(server);
  options.batch_events_max = 50;
  auto sink = make_http_sink(options);
  ASSERT_TRUE(sink.ok());
  std::vector<Outgoing> records;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "k" + std::to_string(i % 17);
    records.push_back({false, key, Json{{"subject", key}, {"n", i}}.dump(), false});
  }
  ASSERT_TRUE((*sink)->send(records).ok());
  EXPECT_EQ((*sink)->counts().accepted, 1000U);
  EXPECT_LE(largest, 50U);
  EXPECT_EQ(order.size(), 17U);
  for (const auto& [key, numbers] : order) EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end())) << key;
  EXPECT_GT(server.connection_count(), 1U);
}

TEST(HttpSink, CountsVerdictsAndNamesUnexpectedRejections) {
  Server server([](const Seen& seen, std::size_t) { return receipts(seen); });
  auto sink = make_http_sink(sink_options(server));
  ASSERT_TRUE(sink.ok());
  const std::vector<Outgoing> records{
      {false, "a", R"({"verdict":"accepted"})", false},
      {false, "b", R"({"verdict":"duplicate","reason":"same"})", false},
      {false, "c", R"({"verdict":"duplicate","reason":"different"})", false},
      {false, "d", R"({"verdict":"rejected","reason":"unknown_type"})", false},
      {false, "bad", "{", true},
  };
  ASSERT_TRUE((*sink)->send(records).ok());
  const PublishCounts& counts = (*sink)->counts();
  EXPECT_EQ(counts.sent, 5U);
  EXPECT_EQ(counts.accepted, 1U);
  EXPECT_EQ(counts.same, 1U);
  EXPECT_EQ(counts.different, 1U);
  EXPECT_EQ(counts.rejected, 2U);
  EXPECT_EQ(counts.unexpected_rejections(), 1U);
  EXPECT_THAT(counts.unexpected, ElementsAre("d: unknown_type"));
  const auto seen = server.seen();
  EXPECT_EQ(seen.back().key, "bad");
  EXPECT_EQ(seen.back().body, "{");
}

TEST(HttpSink, AnAnswerWithoutAllReceiptsIsAnError) {
  Server server([](const Seen&, std::size_t) { return Scripted{200, R"({"results":[]})"}; });
  auto sink = make_http_sink(sink_options(server));
  ASSERT_TRUE(sink.ok());
  EXPECT_EQ((*sink)->send(std::vector<Outgoing>{{false, "a", "{}", false}}).code(), absl::StatusCode::kUnavailable);
}

TEST(LedgerReader, ReadsAllPagesAtTheCommittedCut) {
  Server server([](const Seen& seen, std::size_t) -> Scripted {
    if (seen.target == "/v1/cut") return {200, R"({"cut":{"0":1},"committed":{"0":7,"reference":2}})"};
    if (seen.target.find("cursor=") == std::string::npos)
      return {200, R"({"purchases":[{"id":"tender/1/none","stage":"contracted","revision":2,"document":{"a":null,"revision":2,"b":"x"},
               "source_status":{"package":"ON PROCESS","shipment":null},"last_event":{"source":"/feed/f","id":"77","type":"t"}}],"next_cursor":"c1"})"};
    return {200, R"({"purchases":[{"id":"tender/2/none","stage":"unknown","revision":null,"document":null,"source_status":null,
             "last_event":null}],"next_cursor":null})"};
  });
  HttpClient client = client_of(server.url());
  const auto known = read_known_purchases(client, {"/feed/f", "L8", 2026});
  ASSERT_TRUE(known.ok()) << known.status();
  ASSERT_EQ(known->size(), 2U);
  EXPECT_EQ(known->at("tender/1/none").stage, "contracted");
  EXPECT_EQ(known->at("tender/1/none").package_status, "ON PROCESS");
  EXPECT_EQ(known->at("tender/1/none").document, R"({"b":"x"})");
  EXPECT_EQ(known->at("tender/1/none").last_event_id, "77");
  EXPECT_EQ(known->at("tender/2/none").document, "");
  EXPECT_THAT(server.seen()[1].target, HasSubstr("feed=%2Ffeed%2Ff"));
  EXPECT_THAT(server.seen()[1].target, HasSubstr("min_cut=0%3D7%2Creference%3D2"));
}

}  // namespace
}  // namespace bukubesar
