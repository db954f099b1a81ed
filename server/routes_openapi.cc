// The interface's own description: /openapi.json and /docs.
#include "server/openapi.h"
#include "server/problem.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

void add_page(Router& router, std::string pattern, std::string content_type, std::function<std::string(const Router&)> make) {
  Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.runs_on = RunsOn::pool;
  route.handle = [&router, content_type = std::move(content_type), make = std::move(make)](const ServerRequestPtr& request,
                                                                                           const Respond& respond) {
    if (const auto query = Query::parse(request->query, {}); !query.ok()) return respond(problem(query.status()));
    ServerResponse response;
    response.content_type = content_type;
    response.body = make(router);
    respond(std::move(response));
  };
  router.add(std::move(route));
}

}  // namespace

void add_openapi_routes(Router& router) {
  add_page(router, "/openapi.json", "application/json", [](const Router& routes) { return to_text(openapi_of(routes), 1) + "\n"; });
  add_page(router, "/docs", "text/html; charset=utf-8", [](const Router& routes) { return openapi_page(openapi_of(routes)); });
}

}  // namespace bukubesar
