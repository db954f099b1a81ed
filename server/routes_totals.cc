#include <algorithm>
#include <numeric>

#include "base/status.h"
#include "server/extract_stream.h"
#include "server/problem.h"
#include "server/report_text.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

// {…head…,"rows":[…],"total":{…},"unknown":{…}}, row by row.
ServerResponse totals_json(std::shared_ptr<const TotalsAnswer> answer, std::shared_ptr<const RowNotes> notes, const Json& head) {
  ServerResponse response;
  response.body = report_json_head(head);
  response.stream = [answer, notes, next = std::size_t{0}](std::string& to) mutable {
    for (; next < answer->rows.size(); ++next) {
      if (to.size() >= kStreamChunkBytes) return true;
      append_report_row(to, *answer, *notes, next);
    }
    to += report_json_tail(*answer);
    return false;
  };
  return response;
}

bool is_region(Dimension dimension) {
  return dimension == Dimension::province || dimension == Dimension::district || dimension == Dimension::region ||
         dimension == Dimension::vendor_domicile;
}

std::vector<std::string> extract_columns(const TotalsAnswer& answer, const RowNotes& notes) {
  std::vector<std::string> columns;
  for (Dimension dimension : answer.query.by) {
    columns.emplace_back(name_of(dimension));
    if (is_region(dimension)) columns.push_back(fmt::format("{}_key", name_of(dimension)));
    if (!notes.names.empty()) columns.push_back(fmt::format("{}_name", name_of(dimension)));
  }
  for (const char* name : {"packages", "vendors", "committed", "strict", "broad", "stage_unknown", "paid"}) columns.emplace_back(name);
  if (!notes.shares.empty())
    for (const char* name : {"share_committed", "share_strict", "share_broad"}) columns.emplace_back(name);
  return columns;
}

void write_row(const TotalsAnswer& answer, const RowNotes& notes, std::size_t at, ExtractWriter& writer, std::string& to) {
  const TotalsRow& row = answer.rows[at];
  const Measures& measures = row.measures;
  for (std::size_t i = 0; i < row.key.size(); ++i) {
    is_region(answer.query.by[i]) ? writer.region_and_key(row.key[i], to) : writer.text(row.key[i], to);
    if (!notes.names.empty()) writer.text_or_null(notes.names[at][i], to);
  }
  writer.integer(static_cast<std::int64_t>(measures.packages), to);
  writer.integer(static_cast<std::int64_t>(measures.vendors), to);
  for (const MoneySum amount : {measures.committed, measures.strict, measures.broad, measures.stage_unknown}) writer.amount(amount, to);
  measures.paid ? writer.amount(*measures.paid, to) : writer.null(to);
  if (!notes.shares.empty()) {
    const RowShare& share = notes.shares[at];
    for (const std::optional<std::int64_t>& part : {share.committed, share.strict, share.broad})
      part ? writer.percent(*part, to) : writer.null(to);
  }
  writer.end_row(to);
}

// The rows only: a total of distinct counts is no sum, and the JSON form has it.
absl::StatusOr<ServerResponse> totals_extract(const TotalsRequest& request, std::shared_ptr<const TotalsAnswer> answer,
                                              std::shared_ptr<const RowNotes> notes) {
  Extract extract{request.format, answer->cut, extract_columns(*answer, *notes), nullptr, nullptr};
  extract.step = [answer, notes, next = request.skip](ExtractWriter& writer, std::string& to) mutable -> absl::StatusOr<bool> {
    if (next < answer->rows.size()) write_row(*answer, *notes, next++, writer, to);
    return next < answer->rows.size();
  };
  return extract_response(std::move(extract));
}

struct ViewName {
  std::string name;  // empty: /v1/totals
};

// What the view says about itself; null for /v1/totals.
std::optional<ViewInfo> view_info(Node& node, const ViewName& view) {
  if (view.name.empty()) return std::nullopt;
  for (ViewInfo& info : node.projections().views())
    if (info.name == view.name) return std::move(info);
  return std::nullopt;
}

MoneySum size_of(const Measures& measures, std::string_view order) {
  if (order == "strict") return measures.strict;
  if (order == "committed") return measures.committed;
  if (order == "packages") return static_cast<MoneySum>(measures.packages);
  if (order == "vendors") return static_cast<MoneySum>(measures.vendors);
  return measures.broad;
}

// The largest rows first, and no others; rows of one size by key. Total and unknown stay those of all rows, and so do shares.
void keep_top(const TotalsRequest& request, TotalsAnswer& answer, RowNotes& notes) {
  std::vector<std::size_t> at(answer.rows.size());
  std::iota(at.begin(), at.end(), std::size_t{0});
  const std::size_t kept = std::min(request.top, at.size());
  std::partial_sort(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(kept), at.end(), [&](std::size_t a, std::size_t b) {
    const MoneySum left = size_of(answer.rows[a].measures, request.order), right = size_of(answer.rows[b].measures, request.order);
    return left != right ? left > right : a < b;
  });
  TotalsAnswer before = std::move(answer);
  const std::vector<RowShare> shares = std::move(notes.shares);
  answer = {before.cut, before.query, {}, before.total, before.unknown};
  notes.shares.clear();
  for (std::size_t i = 0; i < kept; ++i) {
    answer.rows.push_back(std::move(before.rows[at[i]]));
    if (!shares.empty()) notes.shares.push_back(shares[at[i]]);
  }
}

absl::StatusOr<RowNotes> notes_of(Node& node, const TotalsRequest& request, const std::optional<ViewInfo>& view, TotalsAnswer& answer) {
  RowNotes notes;
  if (request.share || (view && has_share(view->measures))) notes.shares = shares_of(answer);
  if (request.top > 0) keep_top(request, answer, notes);
  if (request.names) {
    ASSIGN_OR_RETURN(notes.names, node.projections().names(answer));
  }
  return notes;
}

void answer_totals(Node& node, const TotalsRequest& request, const ViewName& view, const Respond& respond) {
  auto computed = view.name.empty() ? node.projections().totals(request.query) : node.projections().view(view.name, request.query);
  if (!computed.ok()) return respond(problem(computed.status()));
  const std::size_t matching = computed->rows.size();
  const std::optional<ViewInfo> info = view_info(node, view);
  auto noted = notes_of(node, request, info, *computed);
  if (!noted.ok()) return respond(problem(noted.status()));
  const auto answer = std::make_shared<const TotalsAnswer>(*std::move(computed));
  const auto notes = std::make_shared<const RowNotes>(*std::move(noted));
  ServerResponse response;
  if (request.format != ExtractFormat::json) {
    auto extract = totals_extract(request, answer, notes);
    if (!extract.ok()) return respond(problem(extract.status()));
    response = *std::move(extract);
  } else {
    ReportFrame frame;
    frame.dedup_per_partition = node.definition().partitioner == "any";
    frame.synthetic = node.synthetic();
    if (info) frame.view = ReportFrame::View{info->name, info->title, info->measures};
    if (request.top > 0) frame.rows_matching = matching;
    const Json head = report_head(*answer, request, frame, !notes->shares.empty());
    response = totals_json(answer, notes, head);
  }
  if (request.format == ExtractFormat::json) response.with("Bukubesar-Cut", answer->cut.text()).with("Cache-Control", "no-store");
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
    if (as_of->time_ms) request->is_final = as_of->is_final;
  }
  Cut needed = min_cut->value_or(Cut());
  if (request->query.cut)
    for (const auto& [partition, size] : request->query.cut->sizes()) needed.set(partition, std::max(size, needed.size(partition)));
  if (node.projections().cut().covers(needed)) return answer_totals(node, *request, view, respond);
  when_read(node, *http_request, needed, [&node, request, view, respond](const absl::Status& read) {
    if (!read.ok()) return respond(problem(read));
    answer_totals(node, *request, view, respond);
  });
}

absl::StatusOr<ServerResponse> views_answer(Node& node, const ServerRequest& request) {
  RETURN_IF_ERROR(Query::parse(request.query, {"min_cut"}).status());
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
  add_projection_read(router, node, "/v1/views", [&node](const ServerRequest& request) { return views_answer(node, request); });
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
