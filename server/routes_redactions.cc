#include "base/status.h"
#include "server/routes.h"

namespace bukubesar {

namespace {

Json redaction_json(const RedactionStatus& status) {
  const RedactionRequest& request = status.request;
  return {{"redaction", fmt::format("reference/{}", request.by.value())},
          {"target", fmt::format("{}/{}", request.partition.name(), request.sequence.value())},
          {"source", request.source},
          {"ground", request.ground},
          {"authority", request.authority},
          {"replaced", request.replacement.has_value()},
          {"state", name_of(status.state)},
          {"why", text_or_null(status.why)}};
}

}  // namespace

void add_redaction_routes(Router& router, Node& node) {
  add_read(router, node, "/v1/redactions", RunsOn::io, [&node](const ServerRequest& request) -> absl::StatusOr<ServerResponse> {
    RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
    const Cut cut = node.ledger().cut();
    Json all = Json::array();
    for (const RedactionStatus& status : node.eraser().status()) all.push_back(redaction_json(status));
    return json_response({{"cut", to_json(cut)}, {"redactions", all}}, cut);
  });
}

}  // namespace bukubesar
