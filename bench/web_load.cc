// bench_web: asks a server over HTTP at a fixed rate, or holds followers of its stream, for bench/web.
//
// Rate     open loop: request n is due at start + n / rate whether or not earlier ones have been answered, and its time runs from when it
// was
//          due. A server that stalls is charged with every request that waited meanwhile.
// Streams  as many connections to a path that does not end; what comes is counted and thrown away, by read(2) into one buffer, so that the
//          followers cost the machine as little as they can.
// Goes out one line of JSON; for streams a line `ready` when each has had its first bytes, and the counts when standard input ends.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;
using asio::ip::tcp;
using boost::system::error_code;

struct Options {
  std::uint16_t port = 8080;
  std::string target = "/v1/totals?by=region,scale";
  std::uint32_t rate = 1000, seconds = 10, warm_up_seconds = 2, connections = 32;
  std::uint32_t streams = 0;
};

tcp::endpoint server_of(const Options& options) { return {asio::ip::address_v4::loopback(), options.port}; }

// Asks at the rate; everything on one thread.
class Asker {
 public:
  explicit Asker(const Options& options)
      : options_(options), interval_(std::chrono::nanoseconds(1'000'000'000ULL / options.rate)), due_timer_(io_) {
    request_.method(http::verb::get);
    request_.target(options.target);
    request_.version(11);
    request_.set(http::field::host, fmt::format("127.0.0.1:{}", options.port));
    for (std::uint32_t i = 0; i < options.connections; ++i) {
      connections_.push_back(std::make_unique<Connection>(io_));
      connections_.back()->socket.connect(server_of(options));
      connections_.back()->socket.set_option(tcp::no_delay(true));
      idle_.push_back(connections_.back().get());
    }
  }

  int run() {
    begin_ = Clock::now() + std::chrono::milliseconds(10);
    measured_from_ = begin_ + std::chrono::seconds(options_.warm_up_seconds);
    end_ = measured_from_ + std::chrono::seconds(options_.seconds);
    wait_for_due();
    io_.run();
    if (failures_ > 0 || times_ms_.empty()) std::fprintf(stderr, "bench_web: %zu requests failed: %s\n", failures_, first_failure_.c_str());
    report();
    return failures_ == 0 && !times_ms_.empty() ? 0 : 4;
  }

 private:
  struct Connection {
    explicit Connection(asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    Clock::time_point due;
  };

  void wait_for_due() {
    const Clock::time_point due = begin_ + interval_ * made_;
    if (due >= end_) return;
    due_timer_.expires_at(due);
    due_timer_.async_wait([this](const error_code&) {
      // A timer that fires late finds several due.
      for (Clock::time_point next = begin_ + interval_ * made_; next <= Clock::now() && next < end_; next = begin_ + interval_ * ++made_)
        due_.push_back(next);
      begin_requests();
      wait_for_due();
    });
  }

  void begin_requests() {
    while (!due_.empty() && !idle_.empty()) {
      Connection* const connection = idle_.back();
      idle_.pop_back();
      connection->due = due_.front();
      due_.pop_front();
      http::async_write(connection->socket, request_, [this, connection](const error_code& error, std::size_t) {
        if (error) return fail(error.message());
        connection->response = {};
        http::async_read(connection->socket, connection->buffer, connection->response,
                         [this, connection](const error_code& read_error, std::size_t bytes) { answered(*connection, read_error, bytes); });
      });
    }
  }

  void answered(Connection& connection, const error_code& error, std::size_t bytes) {
    if (error) return fail(error.message());
    if (connection.response.result() != http::status::ok)
      return fail(fmt::format("{} {}", connection.response.result_int(), connection.response.body().substr(0, 300)));
    if (connection.due >= measured_from_) {
      times_ms_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - connection.due).count());
      bytes_ += bytes;
      last_answer_ = Clock::now();
    }
    idle_.push_back(&connection);
    begin_requests();
  }

  void fail(const std::string& why) {
    if (failures_++ == 0) first_failure_ = why;
    io_.stop();  // a rate with failures is no measurement
  }

  void report() {
    std::sort(times_ms_.begin(), times_ms_.end());
    const auto at = [this](double q) {
      return times_ms_.empty()
                 ? 0
                 : times_ms_[std::min(times_ms_.size() - 1, static_cast<std::size_t>(q * static_cast<double>(times_ms_.size())))];
    };
    const double seconds = std::chrono::duration<double>(last_answer_ - measured_from_).count();
    fmt::print(
        R"({{"answers":{},"failures":{},"per_s":{:.1f},"bytes_per_answer":{:.0f},"p50_ms":{:.3f},"p99_ms":{:.3f},"p999_ms":{:.3f},"max_ms":{:.3f}}})"
        "\n",
        times_ms_.size(), failures_, static_cast<double>(times_ms_.size()) / seconds,
        static_cast<double>(bytes_) / static_cast<double>(std::max<std::size_t>(1, times_ms_.size())), at(0.5), at(0.99), at(0.999), at(1));
  }

  const Options& options_;
  const std::chrono::nanoseconds interval_;
  asio::io_context io_{1};
  asio::steady_timer due_timer_;
  http::request<http::empty_body> request_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;
  std::deque<Clock::time_point> due_;  // asked as soon as a connection is free
  Clock::time_point begin_, measured_from_, end_, last_answer_;
  std::uint64_t made_ = 0, bytes_ = 0;
  std::size_t failures_ = 0;
  std::string first_failure_;
  std::vector<double> times_ms_;
};

// Follows the stream with many connections.
class Followers {
 public:
  explicit Followers(const Options& options) : options_(options), input_(io_, ::dup(STDIN_FILENO)) {}

  int run() {
    const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", options_.target, options_.port);
    for (std::uint32_t i = 0; i < options_.streams; ++i) {
      followers_.push_back(std::make_unique<Follower>(io_));
      Follower& follower = *followers_.back();
      follower.socket.connect(server_of(options_));
      follower.socket.non_blocking(true);
      asio::write(follower.socket, asio::buffer(request));
      wait(follower);
    }
    asio::async_read(input_, asio::buffer(nothing_), [this](const error_code&, std::size_t) { io_.stop(); });
    io_.run();
    fmt::print(R"({{"clients":{},"ended":{},"bytes":{},"frames":{},"skips":{}}})"
               "\n",
               options_.streams, ended_, bytes_, frames_, skips_);
    return ended_ == 0 ? 0 : 4;
  }

 private:
  struct Follower {
    explicit Follower(asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    bool began = false;
  };

  void wait(Follower& follower) {
    follower.socket.async_wait(tcp::socket::wait_read, [this, &follower](const error_code& error) {
      if (!error && take(follower)) return wait(follower);
      ++ended_;
      if (began_ == options_.streams) return;
      fmt::print(stderr, "bench_web: a follower was refused or cut off before all had begun\n");
      io_.stop();  // whoever waits for `ready` is not kept waiting
    });
  }

  bool take(Follower& follower) {
    error_code error;
    const std::size_t size = follower.socket.read_some(asio::buffer(buffer_), error);
    if (error == asio::error::would_block) return true;
    if (error || size == 0) return false;
    const std::string_view text(buffer_.data(), size);
    if (!follower.began) {
      if (text.substr(0, 12) != "HTTP/1.1 200") return false;
      follower.began = true;
      if (++began_ == followers_.size() && began_ == options_.streams) {
        fmt::print("ready\n");
        std::fflush(stdout);
      }
    }
    bytes_ += size;
    // One looks on behalf of all: reading every copy of a frame would be a load of its own.
    if (&follower == followers_.front().get()) {
      frames_ += count(text, "event: cut");
      skips_ += count(text, "event: skipped");
    }
    return true;
  }

  static std::uint64_t count(std::string_view text, std::string_view word) {
    std::uint64_t found = 0;
    for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + word.size())) ++found;
    return found;
  }

  const Options& options_;
  asio::io_context io_{1};
  asio::posix::stream_descriptor input_;
  std::array<char, 1> nothing_{};
  std::array<char, 256 * 1024> buffer_{};
  std::vector<std::unique_ptr<Follower>> followers_;
  std::size_t began_ = 0, ended_ = 0;
  std::uint64_t bytes_ = 0, frames_ = 0, skips_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Asks a server over HTTP at a fixed rate, or follows its stream many times over, for bench/web.");
  app.add_option("--port", options.port, "of the server, on 127.0.0.1");
  app.add_option("--target", options.target, "what to ask for");
  app.add_option("--rate", options.rate, "requests a second, whatever the answers take")->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "how long is measured")->check(CLI::PositiveNumber);
  app.add_option("--warm-up-seconds", options.warm_up_seconds, "how long is asked before that");
  app.add_option("--connections", options.connections, "at most so many requests at once")->check(CLI::PositiveNumber);
  app.add_option("--streams", options.streams, "instead: follow the target with so many connections until standard input ends");
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.streams > 0) return Followers(options).run();
    return Asker(options).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_web: 127.0.0.1:%u: %s\n", static_cast<unsigned>(options.port), error.what());
    return 4;
  }
}
