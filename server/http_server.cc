#include "server/http_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <latch>
#include <optional>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "base/ascii.h"
#include "base/status.h"
#include "base/thread.h"
#include "server/problem.h"
#include "server/tls_certificate.h"

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the frame allocation of Asio's coroutines, which pairs its own operators, for a mismatch.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace bukubesar {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kHandshakeTime{10'000};
constexpr milliseconds kLingerTime{2'000};
constexpr int kLiveBufferBytes =
    64 * 1024;  // of the kernel for a live answer: a client that does not read is behind soon, not after megabytes
constexpr milliseconds kLiveLookInterval{1'000};   // between two looks whether the client of a live answer is still there
constexpr std::size_t kHelloBytesMax = 16 * 1024;  // read before it is known whether it is TLS

// One handler's answer on its way to the connection's coroutine.
struct Pending {
  explicit Pending(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  std::atomic<bool> answered{false};
  // Touched on the connection's strand only.
  std::optional<ServerResponse> response;
  bool client_gone = false;
  bool over = false;
  std::vector<std::function<void()>> when_client_gone;
};

// Whether the client has closed its side: asked of the kernel, since under TLS its farewell, and before that a next request, may stand
// unread.
bool has_closed(tcp::socket& socket) {
  pollfd look{socket.native_handle(), POLLRDHUP, 0};
  return ::poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

std::string head_of(const ServerResponse& response, bool keep_alive, bool chunked, bool http_1_0) {
  std::string head = fmt::format("HTTP/1.{} {} {}\r\nServer: bukubesar\r\nContent-Type: {}\r\n", http_1_0 ? 0 : 1, response.status,
                                 http_reason_phrase(response.status), response.content_type);
  for (const auto& [name, value] : response.headers) {
    std::string clean = value;
    std::replace_if(
        clean.begin(), clean.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
    head += fmt::format("{}: {}\r\n", name, clean);
  }
  if (chunked)
    head += "Transfer-Encoding: chunked\r\n";
  else if (!response.stream && !response.live && response.status != 304)
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

using Parser = http::request_parser<http::string_body>;

// A share of a common count, given back when the request is over, however that comes about.
class Held {
 public:
  explicit Held(std::atomic<std::size_t>& counter) : counter_(counter) {}
  ~Held() { counter_.fetch_sub(amount_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  // The count with it.
  std::size_t add(std::size_t amount) {
    amount_ += amount;
    return counter_.fetch_add(amount) + amount;
  }

 private:
  std::atomic<std::size_t>& counter_;
  std::size_t amount_ = 0;
};

struct Reading {
  bool gone = false;  // nobody to answer
  bool whole = true;  // nothing of the request is left to read
  std::optional<ServerResponse> refusal;
  ServerRequestPtr request;  // null: no header was read
  Router::Match match;
  std::chrono::steady_clock::time_point start;
};

using TlsStream = asio::ssl::stream<beast::tcp_stream&>;

beast::tcp_stream& tcp_of(beast::tcp_stream& stream) { return stream; }
beast::tcp_stream& tcp_of(TlsStream& stream) { return stream.next_layer(); }

// Of a message without its body.
ServerRequestPtr take_request(const Parser::value_type& message) {
  auto request = std::make_shared<ServerRequest>();
  request->method = std::string(message.method_string().data(), message.method_string().size());
  if (request->method == "HEAD") request->method = "GET";
  const std::string target(message.target().data(), message.target().size());
  request->path = target.substr(0, target.find('?'));
  if (request->path.size() < target.size()) request->query = target.substr(request->path.size() + 1);
  for (const auto& field : message)
    request->headers.emplace_back(lower({field.name_string().data(), field.name_string().size()}),
                                  std::string(field.value().data(), field.value().size()));
  return request;
}

ServerResponse failed_handler(const Route& route, const std::exception& error) {
  spdlog::error("http: {} {}: {}", route.method, route.pattern, error.what());
  return problem(500, "an error of the server's own; its log says more");
}

// What a failed read of a request deserves; nothing: the client went away.
std::optional<ServerResponse> answer_to(const boost::system::error_code& error, const HttpConfig& config) {
  if (error == http::error::end_of_stream || error == asio::error::connection_reset || error == asio::error::operation_aborted ||
      error == asio::error::broken_pipe || error == http::error::partial_message || error == beast::error::timeout)
    return std::nullopt;  // a stream whose time has run out is closed already
  if (error == http::error::body_limit)
    return problem(413, fmt::format("the body is larger than {} bytes (http.body_bytes_max)", config.body_bytes_max));
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return problem(431, fmt::format("the header is larger than {} bytes (http.header_bytes_max)", config.header_bytes_max));
  if (error.category() == make_error_code(http::error::bad_method).category()) return problem(400, "not HTTP/1.1: " + error.message());
  return std::nullopt;
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpConfig& http_config, const Router& the_router, HttpServerHooks the_hooks)
      : config(http_config),
        router(the_router),
        hooks(std::move(the_hooks)),
        io(static_cast<int>(http_config.threads)),
        pool(http_config.threads) {
    stand_behind_the_intake();
  }

  void stand_behind_the_intake();
  asio::awaitable<void> accept_loop();
  asio::awaitable<void> session(beast::tcp_stream stream);
  asio::awaitable<void> secure_session(beast::tcp_stream& stream);
  // The same over tcp_stream and TlsStream.
  template <class Stream>
  asio::awaitable<void> serve_all(Stream& stream);
  template <class Stream>
  asio::awaitable<Reading> read_request(Stream& stream, beast::flat_buffer& buffer, Parser& parser, Held& body_bytes);
  template <class Stream>
  asio::awaitable<void> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser, Reading& reading);
  template <class Stream>
  asio::awaitable<bool> serve_one(Stream& stream, beast::flat_buffer& buffer);
  template <class Stream>
  asio::awaitable<bool> write(Stream& stream, ServerResponse& response, bool keep_alive, bool head_only, bool http_1_0);
  template <class Stream>
  asio::awaitable<void> write_live(Stream& stream, ServerResponse& response, bool head_only, bool http_1_0);
  template <class Stream>
  asio::awaitable<bool> write_all(Stream& stream, std::string_view bytes);
  template <class Stream>
  asio::awaitable<void> linger(Stream& stream);
  asio::awaitable<ServerResponse> run_handler(tcp::socket& socket, ServerRequestPtr request, const Route* route);
  static std::optional<ServerResponse> at_hand(const ServerRequest& request, const Route& route);
  void start_handler(const ServerRequestPtr& request, const Route& route, const Respond& respond, const std::shared_ptr<Pending>& pending);
  bool run_on_pool(std::function<void()> work);
  void close_connections();
  milliseconds timeout() const { return milliseconds(config.request_timeout_ms); }

  // Sockets of the open connections: stop() closes them, since what is suspended in `io` ends only with it.
  struct Open {
    absl::Mutex mutex;
    absl::flat_hash_set<beast::tcp_stream*> streams ABSL_GUARDED_BY(mutex);
  };
  class Opened;

  const HttpConfig config;
  const Router& router;
  const HttpServerHooks hooks;
  const TlsCertificate* tls = nullptr;
  Open open;
  // Before `io`: connections that it still holds when it ends give their shares back.
  std::atomic<std::size_t> connections{0}, active{0}, bodies_bytes{0}, pool_depth{0};
  std::atomic<bool> stopping{false};
  std::atomic<bool> out_of_grace{false};  // stop() waits for handlers no longer than they need to see it
  asio::io_context io;
  asio::thread_pool pool;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  std::optional<tcp::acceptor> acceptor;
  std::uint16_t port = 0;
  std::vector<std::thread> threads;
  bool stopped = false;
};

// A connection is in Impl::open for as long as its coroutine lives.
class HttpServer::Impl::Opened {
 public:
  Opened(Open& open, beast::tcp_stream& stream) : open_(open), stream_(&stream) {
    absl::MutexLock lock(&open_.mutex);
    open_.streams.insert(stream_);
  }
  ~Opened() {
    absl::MutexLock lock(&open_.mutex);
    open_.streams.erase(stream_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

 private:
  Open& open_;
  beast::tcp_stream* stream_;
};

// After the threads have ended. What was accepted and has not been looked at yet ends when its handler runs.
void HttpServer::Impl::close_connections() {
  boost::system::error_code ignored;
  if (acceptor) acceptor->close(ignored);
  {
    absl::MutexLock lock(&open.mutex);
    for (beast::tcp_stream* stream : open.streams) stream->socket().close(ignored);
  }
  io.restart();
  io.poll();
}

// What is asked of history takes every core for as long as it lasts: a commit must not wait for its turn among such threads.
void HttpServer::Impl::stand_behind_the_intake() {
  const auto count = static_cast<std::ptrdiff_t>(config.threads);
  const auto all = std::make_shared<std::latch>(count);  // each thread takes one of these, since none ends before all have begun
  for (std::ptrdiff_t i = 0; i < count; ++i)
    asio::post(pool, [all] {
      name_own_thread("requests");
      lower_own_priority(kBehindIntake, "a thread for requests");
      all->arrive_and_wait();
    });
}

bool HttpServer::Impl::run_on_pool(std::function<void()> work_item) {
  if (pool_depth.fetch_add(1) >= kPoolQueueMax) {
    pool_depth.fetch_sub(1);
    return false;
  }
  asio::post(pool, [this, work_item = std::move(work_item)] {
    work_item();
    pool_depth.fetch_sub(1);
  });
  return true;
}

asio::awaitable<void> HttpServer::Impl::accept_loop() {
  while (!stopping) {
    boost::system::error_code error;
    tcp::socket socket = co_await acceptor->async_accept(asio::make_strand(io), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || stopping) co_return;
    if (error) {  // out of descriptors, most likely: others must close first
      spdlog::warn("http: accept: {}", error.message());
      asio::steady_timer pause(co_await asio::this_coro::executor, milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const auto executor = socket.get_executor();
    asio::co_spawn(executor, session(beast::tcp_stream(std::move(socket))), asio::detached);
  }
}

asio::awaitable<void> HttpServer::Impl::session(beast::tcp_stream stream) {
  const Opened opened(open, stream);
  Held connection(connections);
  const bool full = connection.add(1) > config.connections_max;
  if (full && tls == nullptr) {
    ServerResponse response = problem(503, fmt::format("{} connections are open (http.connections_max)", config.connections_max));
    co_await write(stream, response, false, false, false);
  } else if (!full && tls != nullptr) {
    co_await secure_session(stream);
  } else if (!full) {
    co_await serve_all(stream);
  }
  boost::system::error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

asio::awaitable<void> HttpServer::Impl::secure_session(beast::tcp_stream& stream) {
  boost::system::error_code error;
  beast::flat_buffer hello(kHelloBytesMax);
  stream.expires_after(std::min(timeout(), kHandshakeTime));
  const bool is_tls = co_await beast::async_detect_ssl(stream, hello, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return;
  if (!is_tls) {
    ServerResponse response = problem(400, "this port speaks HTTPS: ask with https://");
    co_await write(stream, response, false, false, false);
    co_await linger(stream);
    co_return;
  }
  const auto context = tls->context();  // a certificate that is read again meets the next connection
  TlsStream secure(stream, *context);
  co_await secure.async_handshake(asio::ssl::stream_base::server, hello.data(), asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    spdlog::debug("http: TLS handshake: {}", error.message());
    co_return;
  }
  co_await serve_all(secure);
  stream.expires_after(std::min(timeout(), kLingerTime));
  co_await secure.async_shutdown(asio::redirect_error(asio::use_awaitable, error));
}

template <class Stream>
asio::awaitable<void> HttpServer::Impl::serve_all(Stream& stream) {
  beast::flat_buffer buffer(config.header_bytes_max + kStreamChunkBytes);
  while (co_await serve_one(stream, buffer)) {
  }
}

// Reads header and body, and finds what the request is refused for before it is handled: a stranger's body is not waited for.
template <class Stream>
asio::awaitable<Reading> HttpServer::Impl::read_request(Stream& stream, beast::flat_buffer& buffer, Parser& parser, Held& body_bytes) {
  Reading reading;
  boost::system::error_code error;
  tcp_of(stream).expires_after(timeout());
  co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
  reading.start = std::chrono::steady_clock::now();
  reading.whole = !error && parser.is_done();
  if (error) {
    reading.refusal = answer_to(error, config);
    reading.gone = !reading.refusal;
    co_return reading;
  }
  reading.request = take_request(parser.get());
  const auto host = parser.get()[http::field::host];
  if (parser.get().version() >= 11 && parser.get().count(http::field::host) != 1) {  // RFC 9112 §3.2
    reading.refusal = problem(400, "Host: an HTTP/1.1 request has it once");
    co_return reading;
  }
  if (hooks.wrong_host) reading.refusal = hooks.wrong_host({host.data(), host.size()});
  if (reading.refusal) co_return reading;
  reading.match = router.find(*reading.request);
  if (hooks.admit) reading.refusal = hooks.admit(*reading.request, reading.match.route);
  if (reading.refusal) co_return reading;
  const std::size_t expected = parser.content_length() ? *parser.content_length() : parser.chunked() ? config.body_bytes_max : 0;
  if (body_bytes.add(expected) > kBodiesBytesMax) {
    reading.refusal = problem(429, fmt::format("request bodies of more than {} bytes are under way", kBodiesBytesMax));
    co_return reading;
  }
  if (!reading.whole) co_await read_body(stream, buffer, parser, reading);
  co_return reading;
}

template <class Stream>
asio::awaitable<void> HttpServer::Impl::read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser, Reading& reading) {
  boost::system::error_code error;
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) co_await write_all(stream, "HTTP/1.1 100 Continue\r\n\r\n");
  tcp_of(stream).expires_after(timeout());
  co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
  reading.whole = !error;
  if (error) {
    reading.refusal = answer_to(error, config);
    reading.gone = !reading.refusal;
    co_return;
  }
  reading.request->body = std::move(parser.get().body());
}

// True: the connection is kept for the next request.
template <class Stream>
asio::awaitable<bool> HttpServer::Impl::serve_one(Stream& stream, beast::flat_buffer& buffer) {
  Parser parser;
  parser.header_limit(config.header_bytes_max);
  parser.body_limit(config.body_bytes_max);
  Held body_bytes(bodies_bytes);
  Reading reading = co_await read_request(stream, buffer, parser, body_bytes);
  if (reading.gone) co_return false;
  Held answering(active);
  answering.add(1);
  const std::string method(parser.get().method_string().data(), parser.get().method_string().size());
  const ServerRequestPtr request = reading.request ? reading.request : std::make_shared<ServerRequest>();
  const Route* const route = reading.match.route;
  ServerResponse response;
  if (reading.refusal)
    response = std::move(*reading.refusal);
  else if (route != nullptr)
    response = co_await run_handler(beast::get_lowest_layer(stream).socket(), request, route);
  else
    response = std::move(reading.match.refusal);
  if (hooks.decorate) hooks.decorate(*request, response);
  if (response.live) {
    if (hooks.observe) hooks.observe(route->pattern, method, response.status, std::chrono::steady_clock::now() - reading.start);
    co_await write_live(stream, response, method == "HEAD", parser.get().version() == 10);
    co_return false;
  }
  const bool abandoned = response.status == 504 || response.status == kClientGone;
  const bool keep_alive = reading.whole && parser.get().keep_alive() && !stopping && !abandoned;
  const bool written = co_await write(stream, response, keep_alive, method == "HEAD", parser.get().version() == 10 && reading.whole);
  if (!reading.whole) co_await linger(stream);
  if (hooks.observe)
    hooks.observe(route == nullptr ? "none" : route->pattern, method, response.status, std::chrono::steady_clock::now() - reading.start);
  co_return keep_alive&& written;
}

std::optional<ServerResponse> HttpServer::Impl::at_hand(const ServerRequest& request, const Route& route) {
  if (!route.at_hand) return std::nullopt;
  try {
    return route.at_hand(request);
  } catch (const std::exception& error) {
    return failed_handler(route, error);
  }
}

void HttpServer::Impl::start_handler(const ServerRequestPtr& request, const Route& route, const Respond& respond,
                                     const std::shared_ptr<Pending>& pending) {
  const auto guarded = [request, &route, respond] {
    try {
      route.handle(request, respond);
    } catch (const std::exception& error) {
      respond(failed_handler(route, error));
    }
  };
  if (route.runs_on == RunsOn::io) {
    guarded();
    return;
  }
  const bool queued = run_on_pool([guarded, request, pending] {
    if (pending->answered) return;  // its time may have run out while it waited, or the client's patience
    const ComputesFor asker(request->abandoned);
    guarded();
  });
  if (!queued) respond(problem(503, fmt::format("{} long reads are waiting; try again later", kPoolQueueMax)));
}

asio::awaitable<ServerResponse> HttpServer::Impl::run_handler(tcp::socket& socket, ServerRequestPtr request, const Route* route) {
  if (std::optional<ServerResponse> answer = at_hand(*request, *route)) co_return *std::move(answer);
  const auto executor = co_await asio::this_coro::executor;
  const auto pending = std::make_shared<Pending>(executor);
  // When the answer is on its way, nobody looks for the client any more; and what waited for that mostly holds the way to answer, which
  // holds the Pending itself.
  const absl::Cleanup over = [pending] {
    pending->over = true;
    pending->when_client_gone.clear();
  };
  const Respond respond = [pending, executor](ServerResponse response) {
    if (pending->answered.exchange(true)) return;
    asio::post(executor, [pending, response = std::move(response)]() mutable {
      pending->response = std::move(response);
      pending->timer.cancel();
    });
  };
  request->when_client_gone = [pending, executor](std::function<void()> then) {
    asio::post(executor, [pending, then = std::move(then)]() mutable {
      if (pending->client_gone) return then();
      if (pending->over) return;
      pending->when_client_gone.push_back(std::move(then));
    });
  };
  start_handler(request, *route, respond, pending);
  boost::system::error_code error;
  const auto end = std::chrono::steady_clock::now() + timeout();
  const bool is_only_read = route->runs_on == RunsOn::pool && request->method == "GET";  // what changes something is carried through
  bool in_time = true;
  bool wanted = true;
  while (!pending->response && in_time && wanted) {
    pending->timer.expires_at(std::min(end, std::chrono::steady_clock::now() + kGoneInterval));
    co_await pending->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    in_time = std::chrono::steady_clock::now() < end;
    if (out_of_grace) *request->abandoned = is_only_read;
    if (pending->response || pending->client_gone || !has_closed(socket)) continue;
    pending->client_gone = true;
    for (const auto& then : std::exchange(pending->when_client_gone, {})) then();
    wanted = !is_only_read;
  }
  if (!pending->response && !pending->answered.exchange(true)) {
    *request->abandoned = is_only_read;
    if (!wanted) co_return problem(kClientGone, "the client closed its side before the answer was there");
    co_return problem(504, fmt::format("no answer within {} ms; what was sent may still be stored (sending it again is safe)",
                                       config.request_timeout_ms));
  }
  while (!pending->response) {  // the answer is on its way to this strand
    pending->timer.expires_after(timeout());
    co_await pending->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
  co_return std::move(*pending->response);
}

template <class Stream>
asio::awaitable<bool> HttpServer::Impl::write_all(Stream& stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kStreamChunkBytes);
    boost::system::error_code error;
    tcp_of(stream).expires_after(timeout());
    co_await asio::async_write(stream, asio::buffer(piece.data(), piece.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return false;
    bytes.remove_prefix(piece.size());
  }
  co_return true;
}

template <class Stream>
asio::awaitable<bool> HttpServer::Impl::write(Stream& stream, ServerResponse& response, bool keep_alive, bool head_only, bool http_1_0) {
  const bool chunked = static_cast<bool>(response.stream) && !http_1_0;
  std::string out = head_of(response, keep_alive && !(response.stream && http_1_0), chunked, http_1_0);
  if (head_only) co_return co_await write_all(stream, out);
  if (!response.stream) {
    if (response.body.size() <= kStreamChunkBytes) {
      out += response.body;
      co_return co_await write_all(stream, out);
    }
    const bool head_written = co_await write_all(stream, out);
    if (!head_written) co_return false;
    co_return co_await write_all(stream, response.body);
  }
  std::string chunk = std::move(response.body);
  for (bool more = true; more;) {
    // On the pool: what takes long must not keep an IO thread from other clients.
    more = co_await asio::co_spawn(
        pool, [&]() -> asio::awaitable<bool> { co_return response.stream(chunk); }, asio::use_awaitable);
    if (more && chunk.empty()) co_return false;
    if (!chunk.empty()) {
      if (chunked) out += fmt::format("{:x}\r\n", chunk.size());
      out += chunk;
      if (chunked) out += "\r\n";
      chunk.clear();
    }
    if (!more && chunked) out += "0\r\n\r\n";
    const bool written = co_await write_all(stream, out);
    if (!written) co_return false;
    out.clear();
  }
  co_return !http_1_0;
}

template <class Stream>
asio::awaitable<void> HttpServer::Impl::write_live(Stream& stream, ServerResponse& response, bool head_only, bool http_1_0) {
  std::string out = head_of(response, false, !http_1_0, http_1_0);
  if (head_only) {
    co_await write_all(stream, out);
    co_return;
  }
  boost::system::error_code ignored;
  beast::get_lowest_layer(stream).socket().set_option(asio::socket_base::send_buffer_size(kLiveBufferBytes), ignored);
  const auto executor = co_await asio::this_coro::executor;
  const auto more_came = std::make_shared<asio::steady_timer>(executor);  // wakes that come late find it still there
  using Clock = std::chrono::steady_clock;
  std::string chunk = std::move(response.body);
  Clock::time_point heartbeat_at = Clock::now();  // where nothing has come, the first thing that is sent
  // It fires when the client closes its side. What a client may send meanwhile makes it fire too, once: from then on looks have to do.
  beast::get_lowest_layer(stream).socket().async_wait(tcp::socket::wait_read,
                                                      [more_came](const boost::system::error_code&) { more_came->cancel(); });
  for (bool more = true; more && !stopping && !has_closed(beast::get_lowest_layer(stream).socket());) {
    more = response.live->take(chunk);
    if (chunk.empty() && Clock::now() >= heartbeat_at) chunk = response.live->heartbeat();
    if (!chunk.empty()) {
      out += http_1_0 ? chunk : fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
      heartbeat_at = Clock::now() + kHeartbeatInterval;
    }
    chunk.clear();
    if (!more && !http_1_0) out += "0\r\n\r\n";
    const bool written = out.empty() || co_await write_all(stream, out);
    if (!written) break;
    out.clear();
    if (!more) break;
    more_came->expires_at(std::min(heartbeat_at, Clock::now() + kLiveLookInterval));
    response.live->when_more([executor, more_came] { asio::post(executor, [more_came] { more_came->cancel(); }); });
    co_await more_came->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  response.live->when_more([] {});
  beast::get_lowest_layer(stream).socket().cancel(ignored);
}

// Lets a client that is still sending read our refusal before the connection is reset: takes what it sends for a short while.
template <class Stream>
asio::awaitable<void> HttpServer::Impl::linger(Stream& stream) {
  boost::system::error_code error;
  if constexpr (std::is_same_v<Stream, beast::tcp_stream>) stream.socket().shutdown(tcp::socket::shutdown_send, error);
  std::array<char, 16 * 1024> discarded;
  std::size_t bytes = 0;
  tcp_of(stream).expires_after(std::min(timeout(), kLingerTime));
  while (!error && bytes < (64U << 20))
    bytes += co_await stream.async_read_some(asio::buffer(discarded), asio::redirect_error(asio::use_awaitable, error));
}

HttpServer::HttpServer(const HttpConfig& config, const Router& router, HttpServerHooks hooks)
    : impl_(std::make_unique<Impl>(config, router, std::move(hooks))) {}

HttpServer::~HttpServer() { stop(milliseconds(0)); }

absl::Status HttpServer::listen(const TlsCertificate* tls) {
  boost::system::error_code error;
  const std::string& name = impl_->config.address;
  const auto address = asio::ip::make_address(name, error);
  if (error) return invalid_argument("http.address: '{}' is no IP address", name);
  if (!address.is_loopback() && tls == nullptr && !impl_->config.insecure_public_read)
    return invalid_argument("http.address: {} is not loopback and there is no TLS", name);
  impl_->tls = tls;
  const tcp::endpoint endpoint(address, impl_->config.port);
  impl_->acceptor.emplace(asio::make_strand(impl_->io));  // it is closed while the loop may be at it
  impl_->acceptor->open(endpoint.protocol(), error);
  if (!error) impl_->acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl_->acceptor->bind(endpoint, error);
  if (!error) impl_->acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return unavailable("http: cannot listen on {}:{}: {} (choose another with --set http.port=…)", name, impl_->config.port,
                       error.message());
  impl_->port = impl_->acceptor->local_endpoint().port();
  impl_->work.emplace(impl_->io.get_executor());
  asio::co_spawn(impl_->acceptor->get_executor(), impl_->accept_loop(), asio::detached);
  for (std::uint32_t i = 0; i < impl_->config.threads; ++i)
    impl_->threads.emplace_back([impl = impl_.get()] {
      name_own_thread("http");  // bench/web tells what clients cost from what intake does
      impl->io.run();
    });
  return absl::OkStatus();
}

std::uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::stop_accepting() {
  if (impl_->stopping.exchange(true) || !impl_->acceptor) return;
  asio::post(impl_->acceptor->get_executor(), [impl = impl_.get()] {
    boost::system::error_code ignored;
    impl->acceptor->close(ignored);
  });
}

void HttpServer::stop(milliseconds grace) {
  if (impl_->stopped) return;
  impl_->stopped = true;
  stop_accepting();
  const auto end = std::chrono::steady_clock::now() + grace;
  while (impl_->active != 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(5));
  impl_->out_of_grace = true;
  impl_->pool.join();
  impl_->work.reset();
  impl_->io.stop();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  impl_->close_connections();
}

bool HttpServer::run_on_pool(std::function<void()> work) { return impl_->run_on_pool(std::move(work)); }

void HttpServer::run_after(milliseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->io, delay);
  timer->async_wait([timer, work = std::move(work)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

std::size_t HttpServer::connections() const { return impl_->connections; }
std::size_t HttpServer::pool_depth() const { return impl_->pool_depth; }

}  // namespace bukubesar
