// ServerRequest, ServerResponse: what handlers see of HTTP. Beast stays inside http_server.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancellation.h"
#include "server/roles.h"

namespace bukubesar {

using ServerHeaders = std::vector<std::pair<std::string, std::string>>;

struct ServerRequest {
  std::string method;                 // "GET"; HEAD arrives as GET
  std::string path;                   // as sent, percent-encoded
  std::string query;                  // as sent, without '?'
  ServerHeaders headers;              // names in lower case, in the order sent; without Authorization
  std::string body;                   // whole
  std::vector<std::string> captures;  // of the route's pattern, percent-decoded once
  Roles roles = Roles::all();         // what the caller may do (server/access.h)
  std::string caller;                 // id of the token that it carried; empty: none
  bool is_audited = false;            // its answer is written down (server/reads_log.h), whatever it is
  // Of the server, from any thread: `then` is called on an IO thread if the client closes its side before the answer is there.
  std::function<void(std::function<void()> then)> when_client_gone;
  // Set by the server when that happens to a GET, or its time has run out. Pool handlers run under it (base/cancellation.h).
  AbandonedFlag abandoned = std::make_shared<std::atomic<bool>>(false);

  // The first header of that (lower-case) name.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

// The body of an answer that goes on for as long as client and server like: what comes is written when it comes.
// Threads  take() on an IO thread, only when the client has taken what came before, so a slow reader holds one piece; the rest as said.
class LiveBody {
 public:
  virtual ~LiveBody() = default;
  // Appends what there is by now, about kStreamChunkBytes at most, or nothing. False: the answer is over.
  virtual bool take(std::string& to) = 0;
  // Calls `wake`, from any thread, once take() has more to give or the end; at once where it has. Replaces what was given before.
  virtual void when_more(std::function<void()> wake) = 0;
  // Written where nothing came for kHeartbeatInterval: keeps proxies from closing, and finds clients that are gone.
  [[nodiscard]] virtual std::string_view heartbeat() const = 0;
};
inline constexpr std::chrono::milliseconds kHeartbeatInterval{10'000};

struct ServerResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  ServerHeaders headers;
  std::string body;
  bool is_audited = false;  // it holds a payload, although the route is not one of the audited ones
  // Where set, the rest of the body: appends about kStreamChunkBytes at most and says whether there is more. Called on the pool, only when
  // the client took what came before: a slow reader holds one chunk. More, but nothing appended: it can't go on, and the answer is cut off.
  std::function<bool(std::string& to)> stream;
  // Where set, all that follows `body`; the connection ends with it.
  std::shared_ptr<LiveBody> live;

  ServerResponse& with(std::string_view name, std::string_view value) {
    headers.emplace_back(name, value);
    return *this;
  }
  [[nodiscard]] bool has_header(std::string_view name) const {
    for (const auto& header : headers)
      if (header.first == name) return true;
    return false;
  }
};
inline constexpr std::size_t kStreamChunkBytes = 64 * 1024;

// Answers one request; from any thread; the first call counts.
using Respond = std::function<void(ServerResponse)>;
using ServerRequestPtr = std::shared_ptr<ServerRequest>;

}  // namespace bukubesar
