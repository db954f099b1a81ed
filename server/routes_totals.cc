#include <algorithm>

#include "base/status.h"
#include "server/answer_cache.h"
#include "server/extract_stream.h"
#include "server/problem.h"
#include "server/report_text.h"
#include "server/routes.h"
#include "server/totals_request.h"

namespace bukubesar {

namespace {

// Whatever is larger is written row by row, as fast as the client takes it.
constexpr std::size_t kWholeAnswerRowsMax = 500;

std::string whole_totals_json(const TotalsAnswer& answer, const RowNotes& notes, const Json& head) {
  std::string text = report_json_head(head);
  for (std::size_t i = 0; i < answer.rows.size(); ++i) append_report_row(text, answer, notes, i);
  return text + report_json_tail(answer);
}

ServerResponse kept_response(const AnswerCache::Answer& answer) {
  ServerResponse response;
  response.body = answer.body;
  response.with("Bukubesar-Cut", answer.cut.text()).with("Cache-Control", "no-store");
  if (answer.synthetic) response.with("Bukubesar-Synthetic", "true");
  return response;
}

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
  Extract extract{request.format, answer->cut, extract_columns(*answer, *notes), nullptr};
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

absl::StatusOr<RowNotes> notes_of(Node& node, const TotalsRequest& request, const std::optional<ViewInfo>& view, TotalsAnswer& answer) {
  RowNotes notes;
  if (request.share || (view && has_share(view->measures))) notes.shares = shares_of(answer);
  if (request.top > 0) keep_top(request, answer, notes);
  if (request.names) {
    ASSIGN_OR_RETURN(notes.names, node.projections().names(answer));
  }
  return notes;
}

// What a request to totals or to a view is about.
struct TotalsQuestion {
  TotalsRequest request;
  ViewName view;
  std::string key;  // in the cache of answers; empty: its answer is not kept
};

void answer_totals(Node& node, AnswerCache& cache, const TotalsQuestion& question, const Respond& respond) {
  const TotalsRequest& request = question.request;
  const std::uint64_t erasures = node.erasures();  // before anything is read
  auto computed =
      question.view.name.empty() ? node.projections().totals(request.query) : node.projections().view(question.view.name, request.query);
  if (!computed.ok()) return respond(problem(computed.status()));
  const bool synthetic = node.synthetic();  // after what was read
  const std::size_t matching = computed->rows.size();
  const std::optional<ViewInfo> info = view_info(node, question.view);
  auto noted = notes_of(node, request, info, *computed);
  if (!noted.ok()) return respond(problem(noted.status()));
  const auto answer = std::make_shared<const TotalsAnswer>(*std::move(computed));
  const auto notes = std::make_shared<const RowNotes>(*std::move(noted));
  if (request.format != ExtractFormat::json) {
    auto extract = totals_extract(request, answer, notes);
    if (!extract.ok()) return respond(problem(extract.status()));
    if (synthetic) extract->with("Bukubesar-Synthetic", "true");
    return respond(*std::move(extract));
  }
  ReportFrame frame;
  frame.dedup_per_partition = node.definition().partitioner == "any";
  frame.synthetic = synthetic;
  if (info) frame.view = ReportFrame::View{info->name, info->title, info->measures};
  if (request.top > 0) frame.rows_matching = matching;
  const Json head = report_head(*answer, request, frame, !notes->shares.empty());
  if (answer->rows.size() <= kWholeAnswerRowsMax) {
    AnswerCache::Answer whole{answer->cut, synthetic, whole_totals_json(*answer, *notes, head), erasures};
    respond(kept_response(whole));
    if (!question.key.empty()) cache.keep(question.key, std::move(whole));
    return;
  }
  ServerResponse response = totals_json(answer, notes, head);
  response.with("Bukubesar-Cut", answer->cut.text()).with("Cache-Control", "no-store");
  if (synthetic) response.with("Bukubesar-Synthetic", "true");
  respond(std::move(response));
}

std::string cache_key(const ServerRequest& request) { return request.path + "?" + request.query; }

// The answer that somebody was given to the same question at the cut that holds now: no reason to wait for the pool.
std::optional<ServerResponse> kept_totals(Node& node, AnswerCache& cache, const ServerRequest& request) {
  if (!node.readable().ok()) return std::nullopt;
  const auto kept = cache.find(cache_key(request), node.projections().cut());
  if (!kept || kept->synthetic != node.synthetic() || kept->erasures != node.erasures()) return std::nullopt;
  return kept_response(*kept);
}

void handle_totals(Node& node, AnswerCache& cache, const ServerRequestPtr& http_request, const ViewName& view, const Respond& respond) {
  if (const absl::Status readable = node.readable(); !readable.ok()) return respond(problem(readable));
  // Many who ask at once, just after the cut has moved, are answered by the first one's sums.
  if (auto kept = kept_totals(node, cache, *http_request)) return respond(*std::move(kept));
  auto parsed = parse_totals_request(http_request->query, node.definition(), !view.name.empty());
  if (!parsed.ok()) return respond(problem(parsed.status()));
  const auto question = std::make_shared<TotalsQuestion>(TotalsQuestion{*std::move(parsed), view, {}});
  TotalsRequest& request = question->request;
  auto min_cut = min_cut_of(http_request->query, node.definition());
  if (!min_cut.ok()) return respond(problem(min_cut.status()));
  // What is asked of an earlier time, or not before a cut, is not a function of the question and the cut of now alone.
  if (request.as_of.empty() && !min_cut->has_value()) question->key = cache_key(*http_request);
  if (!request.as_of.empty()) {
    const auto as_of = resolve_as_of(request.as_of, node);
    if (!as_of.ok()) return respond(problem(as_of.status()));
    request.query.cut = as_of->cut;
    if (as_of->time_ms) request.is_final = as_of->is_final;
  }
  Cut needed = min_cut->value_or(Cut());
  if (request.query.cut)
    for (const auto& [partition, size] : request.query.cut->sizes()) needed.set(partition, std::max(size, needed.size(partition)));
  if (node.projections().cut().covers(needed)) return answer_totals(node, cache, *question, respond);
  when_read(node, *http_request, needed, [&node, &cache, question, respond](const absl::Status& read) {
    if (!read.ok()) return respond(problem(read));
    answer_totals(node, cache, *question, respond);
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
  const auto cache = std::make_shared<AnswerCache>();
  const auto add = [&](const char* pattern) {
    Route route;
    route.method = "GET";
    route.pattern = pattern;
    route.runs_on = RunsOn::pool;
    route.handle = [&node, cache](const ServerRequestPtr& request, const Respond& respond) {
      handle_totals(node, *cache, request, {request->captures.empty() ? std::string() : request->captures[0]}, respond);
    };
    route.at_hand = [&node, cache](const ServerRequest& request) { return kept_totals(node, *cache, request); };
    router.add(std::move(route));
  };
  add("/v1/totals");
  add_projection_read(router, node, "/v1/views", [&node](const ServerRequest& request) { return views_answer(node, request); });
  add("/v1/views/{name}");
}

}  // namespace bukubesar
