#include "base/status.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/table.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

void append_measures(Json& to, const Measures& measures) {
  to["packages"] = measures.packages;
  to["vendors"] = measures.vendors;
  to["committed"] = format_rupiah(measures.committed);
  to["strict"] = format_rupiah(measures.strict);
  to["broad"] = format_rupiah(measures.broad);
  to["stage_unknown"] = format_rupiah(measures.stage_unknown);
  to["paid"] = measures.paid ? Json(format_rupiah(*measures.paid)) : Json(nullptr);
}

Json measures_json(const Measures& measures) {
  Json json;
  append_measures(json, measures);
  return json;
}

Json row_json(const TotalsAnswer& answer, const TotalsRow& row) {
  Json json = Json::object();
  for (std::size_t i = 0; i < answer.query.by.size() && i < row.key.size(); ++i)
    json[std::string(name_of(answer.query.by[i]))] = row.key[i];
  append_measures(json, row.measures);
  return json;
}

// What stands before the rows.
Json totals_head(const TotalsAnswer& answer, const TotalsRequest& request, Node& node) {
  Json json;
  json["cut"] = to_json(answer.cut);
  Json by = Json::array();
  for (Dimension dimension : answer.query.by) by.push_back(name_of(dimension));
  json["by"] = by;
  json["scale_basis"] = name_of(answer.query.scale_basis);
  json["realised"] = {{"strict", "completed"}, {"broad", "contracted + shipping + delivered + addendum + completed"}};
  if (!answer.query.where.empty()) {
    Json where = Json::object();
    for (const auto& [dimension, values] : answer.query.where) where[std::string(name_of(dimension))] = values;
    json["where"] = where;
  }
  if (!request.from.empty()) json["from"] = request.from;
  if (!request.until.empty()) json["until"] = request.until;
  if (!request.as_of.empty()) json["as_of"] = request.as_of;
  if (request.as_of_ms) json["final"] = is_final(*request.as_of_ms, node);
  if (node.definition().partitioner == "any") json["dedup"] = "per partition";
  if (node.synthetic()) json["synthetic"] = true;
  return json;
}

// {…head…,"rows":[…],"total":{…},"unknown":{…}}, row by row.
ServerResponse totals_json(std::shared_ptr<const TotalsAnswer> answer, Json head) {
  ServerResponse response;
  response.body = to_text(head);
  response.body.back() = ',';
  response.body += "\"rows\":[";
  response.stream = [answer, next = std::size_t{0}](std::string& to) mutable {
    for (; next < answer->rows.size(); ++next) {
      if (to.size() >= kStreamChunkBytes) return true;
      if (next > 0) to.push_back(',');
      to += to_text(row_json(*answer, answer->rows[next]));
    }
    Json unknown = Json::object();
    for (const auto& [dimension, measures] : answer->unknown) unknown[dimension] = measures_json(measures);
    to += "],\"total\":" + to_text(measures_json(answer->total)) + ",\"unknown\":" + to_text(unknown) + "}\n";
    return false;
  };
  return response;
}

std::string csv_row(const std::vector<std::string>& key, const Measures& measures) {
  std::string line;
  for (const std::string& value : key) line += csv_field(value) + ",";
  line += fmt::format("{},{},{},{},{},{},{}\r\n", measures.packages, measures.vendors, format_rupiah(measures.committed),
                      format_rupiah(measures.strict), format_rupiah(measures.broad), format_rupiah(measures.stage_unknown),
                      measures.paid ? format_rupiah(*measures.paid) : "");
  return line;
}

// RFC 4180. The rows only: a total of distinct counts is no sum, and the JSON form has it.
ServerResponse totals_csv(std::shared_ptr<const TotalsAnswer> answer) {
  ServerResponse response;
  response.content_type = "text/csv; charset=utf-8; header=present";
  for (Dimension dimension : answer->query.by) response.body += std::string(name_of(dimension)) + ",";
  response.body += "packages,vendors,committed,strict,broad,stage_unknown,paid\r\n";
  response.stream = [answer, next = std::size_t{0}](std::string& to) mutable {
    for (; next < answer->rows.size() && to.size() < kStreamChunkBytes; ++next)
      to += csv_row(answer->rows[next].key, answer->rows[next].measures);
    return next < answer->rows.size();
  };
  return response;
}

struct ViewName {
  std::string name;  // empty: /v1/totals
};

void answer_totals(Node& node, const TotalsRequest& request, const ViewName& view, const Respond& respond) {
  auto computed = view.name.empty() ? node.projections().totals(request.query) : node.projections().view(view.name, request.query);
  if (!computed.ok()) return respond(problem(computed.status()));
  const auto answer = std::make_shared<const TotalsAnswer>(*std::move(computed));
  ServerResponse response;
  if (request.csv) {
    response = totals_csv(answer);
  } else {
    Json head = totals_head(*answer, request, node);
    if (!view.name.empty()) {
      for (const ViewInfo& info : node.projections().views())
        if (info.name == view.name) head.update({{"view", info.name}, {"title", info.title}, {"measures", info.measures}});
    }
    response = totals_json(answer, std::move(head));
  }
  response.with("Bukubesar-Cut", answer->cut.text()).with("Cache-Control", "no-store");
  if (node.synthetic()) response.with("Bukubesar-Synthetic", "true");
  respond(std::move(response));
}

void handle_totals(Node& node, const ServerRequestPtr& http_request, const ViewName& view, const Respond& respond) {
  if (const absl::Status readable = node.readable(); !readable.ok()) return respond(problem(readable));
  auto parsed = parse_totals_request(http_request->query, node.definition(), !view.name.empty());
  if (!parsed.ok()) return respond(problem(parsed.status()));
  const auto request = std::make_shared<TotalsRequest>(*std::move(parsed));
  auto min_cut = min_cut_of(http_request->query, node.definition());
  if (!min_cut.ok()) return respond(problem(min_cut.status()));
  if (!request->as_of.empty()) {
    const auto as_of = resolve_as_of(request->as_of, node);
    if (!as_of.ok()) return respond(problem(as_of.status()));
    request->query.cut = as_of->cut;
    request->as_of_ms = as_of->time_ms;
  }
  Cut needed = min_cut->value_or(Cut());
  if (request->query.cut)
    for (const auto& [partition, size] : request->query.cut->sizes()) needed.set(partition, std::max(size, needed.size(partition)));
  if (node.projections().cut().covers(needed)) return answer_totals(node, *request, view, respond);
  when_read(node, needed, [&node, request, view, respond](const absl::Status& read) {
    if (!read.ok()) return respond(problem(read));
    answer_totals(node, *request, view, respond);
  });
}

absl::StatusOr<ServerResponse> views_answer(Node& node, const ServerRequest& request) {
  RETURN_IF_ERROR(Query::parse(request.query, {}).status());
  Json views = Json::array();
  for (const ViewInfo& view : node.projections().views())
    views.push_back({{"name", view.name},
                     {"title", view.title},
                     {"by", view.by},
                     {"measures", view.measures},
                     {"cut", to_json(view.cut)},
                     {"rows", view.rows},
                     {"build_progress", view.build_progress},
                     {"href", "/v1/views/" + view.name}});
  const Cut cut = node.projections().cut();
  return json_response({{"cut", to_json(cut)}, {"views", views}}, cut);
}

}  // namespace

void add_totals_routes(Router& router, Node& node) {
  Route totals;
  totals.method = "GET";
  totals.pattern = "/v1/totals";
  totals.runs_on = RunsOn::pool;
  totals.handle = [&node](const ServerRequestPtr& request, const Respond& respond) { handle_totals(node, request, {}, respond); };
  router.add(std::move(totals));
  add_read(router, node, "/v1/views", RunsOn::pool, [&node](const ServerRequest& request) { return views_answer(node, request); });
  Route view;
  view.method = "GET";
  view.pattern = "/v1/views/{name}";
  view.runs_on = RunsOn::pool;
  view.handle = [&node](const ServerRequestPtr& request, const Respond& respond) {
    handle_totals(node, request, {request->captures[0]}, respond);
  };
  router.add(std::move(view));
}

}  // namespace bukubesar
