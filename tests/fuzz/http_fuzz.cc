// HTTP: bytes over a socket into a whole node (Beast's parser, limits, routing, every handler, a ledger with a few events behind it).
// Whatever comes, each request gets an answer that is HTTP, never 500, whole, and JSON where it says so; and the node goes on.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "ledger/signer.h"
#include "server/node.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using fuzz::require;

constexpr std::uint64_t kEntriesMax = 20'000;  // then a new node, so that a long run does not slow down
constexpr time_t kAnswerSecondsMax = 60;       // far beyond the node's own limits: nobody answers any more

class Server {
 public:
  Server() {
    const char* folder = std::getenv("TMPDIR");
    directory_ = std::string(folder == nullptr ? "/tmp" : folder) + "/http-fuzz-" + std::to_string(::getpid());
    start();
  }
  ~Server() { stop(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Everything that the server sends after `request`, until it closes.
  std::string exchange(std::string_view request) {
    if (node_->ledger().head(PartitionId(0)).size + node_->ledger().head(PartitionId::reference()).size > kEntriesMax) {
      stop();
      start();
    }
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(node_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{kAnswerSecondsMax, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    require(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "the node listens");
    // A refused request is answered before all of it has been read: what cannot be sent any more does not matter.
    while (!request.empty()) {
      const ssize_t sent = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      request.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::shutdown(fd, SHUT_WR);
    std::string answer;
    char buffer[1 << 16];
    for (;;) {
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      require(got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK), "the node answers or closes");
      if (got <= 0) break;
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(fd);
    return answer;
  }

 private:
  void start() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    Config config;
    config.data_dir = directory_;
    config.http.port = 0;
    config.http.request_timeout_ms = 1000;
    config.http.header_bytes_max = 4096;
    config.http.body_bytes_max = 12 * 1024;  // below the longest input: the limit is met
    require(SigningKeys::create(key_path(config)).ok(), "a key is made");
    node_ = std::make_unique<Node>(config, nullptr);
    require(node_->start().ok(), "the node starts");
    fill();
  }
  void stop() {
    if (node_ != nullptr) node_->stop();
    node_.reset();
    std::filesystem::remove_all(directory_);
  }
  // Something for the reads to find.
  void fill() {
    const std::string event =
        R"({"specversion":"1.0","type":"id.bukubesar.purchase.ordered.v1","source":"/feed/fuzz","id":"1","subject":"e-katalog-6/P1",)"
        R"("time":"2023-05-11T09:12:00+08:00","data":{"salt":"9f2c7a10b3d84e5f86a1c2d3e4f50617","document":{"fiscal_year":2023,)"
        R"("order_date":"2023-05-11","stage":"contracted","institution":"D262","vendor":"p-1","amounts":{"total":"25000000.00"}}}})";
    const std::string batch = "[" + event + "," + event + ",{}]";
    // On a machine that does much else a commit may take longer than a request may: the same is sent again.
    std::string answer;
    for (int tries = 0; tries < 60 && answer.substr(0, 12) != "HTTP/1.1 200"; ++tries)
      answer =
          exchange("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents-batch+json\r\nContent-Length: " +
                   std::to_string(batch.size()) + "\r\n\r\n" + batch);
    require(answer.substr(0, 12) == "HTTP/1.1 200", "the first events are stored");
  }

  std::string directory_;
  std::unique_ptr<Node> node_;
};

Server& server() {
  static Server only;
  return only;
}

// The first answer; those behind it depend on where the server saw the next request begin.
void require_answer(std::string_view request, const std::string& answer) {
  if (answer.empty()) return;  // nothing was asked: the connection was closed before a whole header
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::uint64_t{64} << 20);
  parser.eager(true);
  parser.skip(request.substr(0, 5) == "HEAD ");
  beast::error_code error;
  std::size_t read = parser.put(boost::asio::buffer(answer), error);
  // What follows an interim answer is the answer.
  if (!error && parser.is_header_done() && parser.get().result_int() == 100) return;
  while (!error && !parser.is_done() && read < answer.size()) {
    const std::size_t more = parser.put(boost::asio::buffer(answer.data() + read, answer.size() - read), error);
    if (more == 0) break;
    read += more;
  }
  if (!error && !parser.is_done()) parser.put_eof(error);
  if (error || !parser.is_done()) std::fprintf(stderr, "%s\n%.*s\n", error.message().c_str(), 2000, answer.c_str());
  require(!error && parser.is_done(), "an answer is whole, and HTTP");
  const auto& response = parser.get();
  if (response.result_int() == 500) std::fprintf(stderr, "%.*s\n", 2000, answer.c_str());
  require(response.result_int() != 500, "no error of the server's own");
  const auto type = response[http::field::content_type];
  if (response.body().empty() || type.find("json") == beast::string_view::npos) return;
  require(nlohmann::json::accept(response.body()), "what says that it is JSON is JSON");
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::err);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view request(reinterpret_cast<const char*>(data), size);
  bukubesar::require_answer(request, bukubesar::server().exchange(request));
  return 0;
}
