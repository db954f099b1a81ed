// HttpServer: HTTP/1.1, in clear on loopback or under TLS. Coroutines on a few IO threads; long reads on a small worker pool of their own.
//
// Limits   HttpConfig: connections, header, body, time. All request bodies together: kBodiesBytesMax; handlers waiting for the pool:
//          kPoolQueueMax. Beyond a limit: 413, 431, 429 or 503, never a crash, never a silent close in the middle of an answer.
// Slow     a reader that takes less than a chunk in request_timeout_ms is cut off; until then it holds one chunk and its answer.
// Gone     a client that closes its side (half of it is enough) before a pool handler has answered its GET has abandoned it, as has one
//          whose time ran out: what waits for the pool is dropped, what computes is told (ServerRequest::abandoned). Seen within
//          kGoneInterval. What is no GET changes something, and is carried through.
// Threads  listen() and stop() from one thread; handlers and respond from any.
// TLS      what is not TLS on a port that wants it gets a 400 in clear; beyond the connection limit it is closed without a handshake.
// Errors   InvalidArgument: an address that is not loopback, without TLS or insecure_public_read. Unavailable: the port is taken.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "config/config.h"
#include "server/http_types.h"
#include "server/router.h"

namespace bukubesar {

inline constexpr std::size_t kBodiesBytesMax = 256U << 20;
inline constexpr std::size_t kPoolQueueMax = 256;
inline constexpr std::chrono::milliseconds kGoneInterval{100};

class TlsCertificate;

struct HttpServerHooks {
  // Asked with the header alone, before the body is read. The route is null where none fits.
  std::function<std::optional<ServerResponse>(ServerRequest&, const Route* route)> admit;
  std::function<std::optional<ServerResponse>(std::string_view host)> wrong_host;
  // Called once for each answer before it is written: adds what every answer carries.
  std::function<void(const ServerRequest&, ServerResponse&)> decorate;
  // route: the pattern, or "none".
  std::function<void(std::string_view route, std::string_view method, unsigned status, std::chrono::nanoseconds took)> observe;
};

class HttpServer {
 public:
  HttpServer(const HttpConfig& config, const Router& router, HttpServerHooks hooks);
  ~HttpServer();

  // Binds and starts the threads. tls: null for none; must outlive the server.
  [[nodiscard]] absl::Status listen(const TlsCertificate* tls = nullptr);
  [[nodiscard]] std::uint16_t port() const;
  // New connections are refused and kept ones end after their current answer.
  void stop_accepting();
  // Waits up to `grace` for answers under way, abandons the rest, then ends all threads. Idempotent.
  void stop(std::chrono::milliseconds grace);

  // Runs `work` on the pool. False: the pool's queue is full.
  [[nodiscard]] bool run_on_pool(std::function<void()> work);
  // Runs `work` on an IO thread after `delay`, unless the server has stopped.
  void run_after(std::chrono::milliseconds delay, std::function<void()> work);

  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t pool_depth() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
