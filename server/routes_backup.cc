#include "base/status.h"
#include "base/time.h"
#include "server/problem.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

Json backup_json(const BackupDone& done) {
  return {{"number", done.info.number},       {"made_at", format_instant_ms(done.info.made_at_ms, 0)},
          {"cut", to_json(done.info.cut)},    {"files", done.info.files.size()},
          {"bytes", done.info.bytes()},       {"files_copied", done.files_copied},
          {"bytes_copied", done.bytes_copied}};
}

Json status_json(Node& node) {
  const BackupStatus status = node.backups().status();
  const std::string& directory = node.config().backup.directory;
  return {{"state", name_of(status.state)},    {"directory", text_or_null(directory)},
          {"what", text_or_null(status.what)}, {"bytes_done", status.bytes_done},
          {"bytes_total", status.bytes_total}, {"last", status.last ? backup_json(*status.last) : Json(nullptr)}};
}

// A route that does something once reads may be answered. Where it writes is never the caller's to say.
void add_action(Router& router, Node& node, std::string pattern, std::function<absl::StatusOr<ServerResponse>()> act) {
  Route route;
  route.method = "POST";
  route.pattern = std::move(pattern);
  route.runs_on = RunsOn::pool;
  route.handle = [&node, act = std::move(act)](const ServerRequestPtr& request, const Respond& respond) {
    if (const absl::Status readable = node.readable(); !readable.ok()) return respond(problem(readable));
    const auto query = Query::parse(request->query, {});
    if (!query.ok()) return respond(problem(query.status()));
    absl::StatusOr<ServerResponse> response = act();
    respond(response.ok() ? *std::move(response) : problem(response.status()));
  };
  router.add(std::move(route));
}

}  // namespace

void add_backup_routes(Router& router, Node& node) {
  add_action(router, node, "/v1/backup", [&node]() -> absl::StatusOr<ServerResponse> {
    RETURN_IF_ERROR(node.backups().start());
    ServerResponse response = json_response(status_json(node), node.ledger().cut());
    response.status = 202;
    return response;
  });
  add_action(router, node, "/v1/freeze", [&node]() -> absl::StatusOr<ServerResponse> {
    RETURN_IF_ERROR(node.backups().freeze());
    const Cut cut = node.ledger().cut();
    return json_response({{"frozen", kFrozenDirectory}, {"cut", to_json(cut)}}, cut);
  });
  add_read(router, node, "/v1/backup", RunsOn::pool, [&node](const ServerRequest& request) -> absl::StatusOr<ServerResponse> {
    RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
    return json_response(status_json(node), node.ledger().cut());
  });
}

}  // namespace bukubesar
