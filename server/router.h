// Router: path pattern → handler. Patterns are "/v1/entries/{partition}/{sequence}"; "{rest...}" at the end takes what is left, slashes
// included.
//
// Threads  filled before the server starts; dispatch() from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_types.h"

namespace bukubesar {

// Where a handler runs: quick ones on the IO thread that read the request, scans on the worker pool.
enum class RunsOn : std::uint8_t { io, pool };

struct Route {
  std::string method;   // "GET", "POST"
  std::string pattern;  // also the route's name in metrics
  RunsOn runs_on = RunsOn::io;
  std::function<void(const ServerRequestPtr&, const Respond&)> handle;
  // Where set, asked first, on the IO thread: what is at hand already is answered without a change of threads. Nothing: `handle` is asked.
  std::function<std::optional<ServerResponse>(const ServerRequest&)> at_hand;
};

class Router {
 public:
  void add(Route route);
  struct Match {
    const Route* route = nullptr;
    ServerResponse refusal;  // where route is null: 400, 404 or 405
  };
  // Fills request.captures.
  [[nodiscard]] Match find(ServerRequest& request) const;
  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Pattern {
    std::vector<std::string> segments;
    bool takes_rest = false;
  };
  std::vector<Route> routes_;
  std::vector<Pattern> patterns_;
};

}  // namespace bukubesar
