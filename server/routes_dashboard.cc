// The dashboard: a page for browsers at /, a list of routes there for everybody else, and the page's assets.
#include <fmt/format.h>

#include <algorithm>

#include "base/status.h"
#include "server/dashboard.h"
#include "server/problem.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

// Nothing from elsewhere, nothing inline, no frame around it: a page that vouches for figures must not be dressed up by others.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const DashboardFile* find_file(std::string_view name) {
  const auto files = dashboard_files();
  const auto at = std::find_if(files.begin(), files.end(), [name](const DashboardFile& file) { return file.name == name; });
  return at == files.end() ? nullptr : &*at;
}

bool accepts_gzip(const ServerRequest& request) {
  const auto header = request.header("accept-encoding");
  if (!header) return true;  // RFC 9110 §12.5.3: then any coding will do
  return header->find("gzip") != std::string_view::npos || header->find('*') != std::string_view::npos;
}

// immutable: the name changes with the content.
ServerResponse file_response(const DashboardFile& file, const ServerRequest& request, bool immutable) {
  if (file.gzipped && !accepts_gzip(request))
    return problem(406, fmt::format("{} is stored gzipped alone; send Accept-Encoding: gzip", file.name));
  ServerResponse response;
  response.content_type = file.content_type;
  const auto known = request.header("if-none-match");
  if (known && known->find(file.etag) != std::string_view::npos)
    response.status = 304;
  else
    response.body = file.bytes;
  if (file.gzipped && response.status == 200) response.with("Content-Encoding", "gzip");
  response.with("ETag", file.etag)
      .with("Vary", "Accept, Accept-Encoding")
      .with("Cache-Control", immutable ? "public, max-age=31536000, immutable" : "no-cache")
      .with("Content-Security-Policy", kContentSecurityPolicy)
      .with("X-Content-Type-Options", "nosniff")
      .with("Referrer-Policy", "no-referrer")
      .with("Cross-Origin-Opener-Policy", "same-origin");
  return response;
}

struct RouteLine {
  std::string_view path, says;
};

ServerResponse route_list(Node& node, const ServerRequest& request) {
  static constexpr RouteLine kLines[] = {
      {"/v1/totals?by=region,scale", "totals by region and size class; filters are dimensions: &region=63&fiscal_year=2023"},
      {"/v1/totals?by=district&region=63&fiscal_year=2023&catalogue_kind=local&until=2023-06-15",
       "the two published figures of June 2023: broad"},
      {"/v1/views", "the standing views"},
      {"/v1/entries/0?order=newest&limit=20", "the newest entries of partition 0"},
      {"/v1/entries/0?verdict=rejected", "the rejected ones, with their reasons"},
      {"/v1/purchases", "purchases; each with its history under /v1/purchases/<system>/<package id>"},
      {"/v1/findings", "contradictions and red flags"},
      {"/v1/transfers/0", "every transfer, as NDJSON or CSV, streamed"},
      {"/v1/facts", "what is stated about vendors, institutions, commodities and regions"},
      {"/v1/alerts", "what people are told about"},
      {"/docs", "every route, with its parameters"},
      {"/v1/stream", "what comes in, as it comes in (text/event-stream)"},
      {"/v1/reasons", "what each reason code means"},
      {"/v1/status", "sources, partitions, projections, warnings"},
      {"/v1/cut", "what views and totals have read"},
      {"/v1/gaps", "offsets that Kafka did not have"},
      {"/log/0/checkpoint", "the signed head of partition 0 (C2SP tlog-tiles); its key is /log/0/vkey"},
      {"/metrics", "Prometheus metrics"}};
  ServerResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "Bukubesar: an append-only, tamper-evident ledger of public purchases, and totals over it.\n\n";
  if (node.ready() && node.synthetic()) response.body += "SYNTHETIC: this ledger holds events of the demo. Its figures are made up.\n\n";
  response.body += node.ready() && request.roles.has(Role::read) ? fmt::format("Cut: {}\n\n", node.projections().cut().text())
                   : node.ready()                                ? std::string()
                                                                 : "It is starting.\n\n";
  for (const RouteLine& line : kLines) response.body += fmt::format("{}\n    {}\n", line.path, line.says);
  response.body += "\nEvents come in by POST /v1/events (CloudEvents 1.0) and by Kafka. ";
  response.body += dashboard_files().empty() ? "This program was built without the dashboard.\n" : "A browser gets the dashboard here.\n";
  response.with("Cache-Control", "no-store").with("Vary", "Accept");
  return response;
}

ServerResponse front(Node& node, const ServerRequest& request) {
  const auto accept = request.header("accept");
  const DashboardFile* const page = find_file("index.html");
  if (page != nullptr && accept && accept->find("text/html") != std::string_view::npos) return file_response(*page, request, false);
  if (const auto query = Query::parse(request.query, {}); !query.ok()) return problem(query.status());
  return route_list(node, request);
}

ServerResponse asset(const ServerRequest& request) {
  if (const auto query = Query::parse(request.query, {}); !query.ok()) return problem(query.status());
  const DashboardFile* const file = find_file(request.captures[0]);
  if (file == nullptr || file->name == "index.html") return problem(404, fmt::format("no such asset: {}", request.captures[0]));
  return file_response(*file, request, true);
}

void add(Router& router, std::string pattern, std::function<ServerResponse(const ServerRequest&)> answer) {
  Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.handle = [answer = std::move(answer)](const ServerRequestPtr& request, const Respond& respond) { respond(answer(*request)); };
  router.add(std::move(route));
}

}  // namespace

void add_dashboard_routes(Router& router, Node& node) {
  add(router, "/", [&node](const ServerRequest& request) { return front(node, request); });
  add(router, "/assets/{name}", asset);
}

}  // namespace bukubesar
