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
  // Of the server, from any thread: `then` is called on an IO thread if the client closes its side before the answer is there.
  std::function<void(std::function<void()> then)> when_client_gone;
  // Set by the server when that happens, or the answer's time has run out. Pool handlers run under it (base/cancellation.h).
  AbandonedFlag abandoned = std::make_shared<std::atomic<bool>>(false);

  // The first header of that (lower-case) name.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

struct ServerResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  ServerHeaders headers;
  std::string body;
  // Where set, the rest of the body: appends at most about kStreamChunkBytes and says whether there is more. Called on an IO thread, only
  // when the client has taken what came before, so a slow reader holds one chunk.
  std::function<bool(std::string& to)> stream;

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
