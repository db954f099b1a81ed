#include "server/totals_request.h"

#include <algorithm>
#include <chrono>

#include "base/day.h"
#include "base/status.h"
#include "base/time.h"
#include "config/names.h"

namespace bukubesar {

namespace {

// In a query string '+' means a blank, so an unescaped "+08:00" arrives as " 08:00".
std::string with_plus(std::string_view text) {
  std::string fixed(text);
  if (fixed.size() > 6 && fixed[fixed.size() - 6] == ' ') fixed[fixed.size() - 6] = '+';
  return fixed;
}
std::optional<std::int64_t> instant_of(std::string_view text) { return parse_instant_ms(with_plus(text)); }

absl::Status parse_range(const Query& query, const Definition& definition, TotalsRequest& request) {
  request.from = with_plus(query.text("from"));
  request.until = with_plus(query.text("until"));
  if (query.has("from")) {
    if (const auto date = parse_date(request.from))
      request.query.from_ms = day_start_ms(*date, definition.zone_minutes);
    else if (const auto instant = instant_of(request.from))
      request.query.from_ms = *instant;
    else
      return invalid_argument("query: from: '{}' is neither a date nor an RFC 3339 instant", request.from);
  }
  if (query.has("until")) {
    if (const auto date = parse_date(request.until))
      request.query.until_ms = day_start_ms(Date{date->days + 1}, definition.zone_minutes);
    else if (const auto instant = instant_of(request.until))
      request.query.until_ms = *instant;
    else
      return invalid_argument("query: until: '{}' is neither a date nor an RFC 3339 instant", request.until);
  }
  if (request.query.from_ms && request.query.until_ms && *request.query.from_ms >= *request.query.until_ms)
    return invalid_argument("query: nothing lies between from {} and until {}", request.from, request.until);
  return absl::OkStatus();
}

absl::Status parse_by(const Query& query, TotalsRequest& request) {
  if (query.text("by").empty()) return absl::OkStatus();
  for (const std::string& name : query.list("by")) {
    const auto dimension = parse_dimension(name);
    if (!dimension) {
      std::string known;
      for (Dimension each : all_dimensions()) known += (known.empty() ? "" : ", ") + std::string(name_of(each));
      return invalid_argument("query: by: '{}' is no dimension; known: {}", name, known);
    }
    if (std::find(request.query.by.begin(), request.query.by.end(), *dimension) != request.query.by.end())
      return invalid_argument("query: by: '{}' stands twice", name);
    request.query.by.push_back(*dimension);
  }
  return absl::OkStatus();
}

absl::Status parse_top(const Query& query, TotalsRequest& request) {
  constexpr std::uint64_t kTopMost = 1000;
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> top, query.number("top"));
  if (top && (*top == 0 || *top > kTopMost)) return invalid_argument("query: top: {} is not within 1 … {}", *top, kTopMost);
  request.top = static_cast<std::size_t>(top.value_or(0));
  if (!query.has("order")) return absl::OkStatus();
  if (!top) return invalid_argument("query: order: goes with top, which is missing");
  for (const std::string_view known : {"broad", "strict", "committed", "packages", "vendors"})
    if (query.text("order") == known) {
      request.order = known;
      return absl::OkStatus();
    }
  return invalid_argument("query: order: '{}' is none of broad, strict, committed, packages, vendors", query.text("order"));
}

// Why a dimension can never have this value; empty where it can. Values of enumerations are checked with the query.
std::string why_no_value(Dimension dimension, const std::string& value) {
  if (value.empty()) return "an empty value; write unknown for what is not known";
  if (value == "unknown") return {};
  switch (dimension) {
    case Dimension::fiscal_year: {
      const auto year = parse_decimal(value);
      return year && *year <= 9999 ? std::string() : fmt::format("'{}' is no year", value);
    }
    case Dimension::order_month:
    case Dimension::event_month:
    case Dimension::ledger_month:
      return parse_month(value) ? std::string() : fmt::format("'{}' is no month such as 2023-05", value);
    case Dimension::province:
    case Dimension::district:
    case Dimension::region:
    case Dimension::institution:
    case Dimension::work_unit:
    case Dimension::vendor:
    case Dimension::distributor:
    case Dimension::commodity:
    case Dimension::vendor_domicile:
      return is_code_text(value) ? std::string() : fmt::format("'{}' is no code: 1 to 64 of A-Z a-z 0-9 . _ -", value);
    default:
      return {};
  }
}

// Whether no partition can still get an entry with a ledger time up to this one.
bool has_passed(std::int64_t as_of_ms, Node& node) {
  for (const auto& [partition, head] : node.ledger().heads())
    if (head.ledger_time_ms <= as_of_ms) return false;
  return true;
}

absl::StatusOr<Cut> cut_at_time(std::int64_t as_of_ms, Node& node) {
  if (node.definition().clock == LedgerClock::none)
    return failed_precondition(
        "as_of by time: this ledger's topic has CreateTime, which a producer sets as it likes; give a cut or a checkpoint");
  Cut cut;
  for (PartitionId partition : node.definition().all_partitions()) {
    ASSIGN_OR_RETURN(const std::uint64_t size, node.ledger().size_at(partition, as_of_ms));
    cut.set(partition, size);
  }
  return cut;
}

absl::StatusOr<Cut> cut_of_checkpoint(std::string_view text, Node& node) {
  const std::size_t slash = text.find('/');
  const auto partition = PartitionId::parse(text.substr(0, slash));
  const auto size = slash == std::string_view::npos ? std::nullopt : parse_decimal(text.substr(slash + 1));
  if (!partition || !size) return invalid_argument("query: as_of: 'checkpoint:{}' is not checkpoint:<partition>/<size>", text);
  return node.ledger().cut_of_checkpoint(*partition, *size);
}

absl::StatusOr<Cut> complete_cut(std::string_view text, const Definition& definition) {
  ASSIGN_OR_RETURN(const Cut cut, Cut::parse(text));
  std::size_t found = 0;
  for (PartitionId partition : definition.all_partitions()) {
    if (cut.sizes().count(partition) == 0)
      return invalid_argument("query: as_of: '{}' gives no size for partition {}", text, partition.name());
    ++found;
  }
  if (found != cut.sizes().size()) return invalid_argument("query: as_of: '{}' names a partition that this ledger does not have", text);
  return cut;
}

}  // namespace

const std::vector<Dimension>& all_dimensions() {
  static const std::vector<Dimension> all = [] {
    std::vector<Dimension> dimensions;
    for (std::size_t i = 0; i < kDimensionCount; ++i) dimensions.push_back(static_cast<Dimension>(i));
    return dimensions;
  }();
  return all;
}

std::vector<std::string_view> totals_parameters(bool view) {
  std::vector<std::string_view> known{"scale_basis", "from",  "until", "as_of", "min_cut", "format",
                                      "names",       "share", "top",   "order", "skip"};
  if (!view) known.push_back("by");
  for (Dimension dimension : all_dimensions()) known.push_back(name_of(dimension));
  return known;
}

absl::StatusOr<std::map<Dimension, std::vector<std::string>>> dimension_filters(const Query& query) {
  std::map<Dimension, std::vector<std::string>> where;
  for (Dimension dimension : all_dimensions()) {
    if (!query.has(name_of(dimension))) continue;
    std::vector<std::string> values = query.list(name_of(dimension));
    for (const std::string& value : values)
      if (const std::string why = why_no_value(dimension, value); !why.empty())
        return invalid_argument("query: {}: {}", name_of(dimension), why);
    where[dimension] = std::move(values);
  }
  return where;
}

absl::StatusOr<TotalsRequest> parse_totals_request(std::string_view raw_query, const Definition& definition, bool view) {
  ASSIGN_OR_RETURN(const Query query, Query::parse(raw_query, totals_parameters(view)));
  return totals_request_of(query, definition, view);
}

absl::StatusOr<TotalsRequest> totals_request_of(const Query& query, const Definition& definition, bool view) {
  TotalsRequest request;
  RETURN_IF_ERROR(parse_by(query, request));
  ASSIGN_OR_RETURN(request.query.where, dimension_filters(query));
  RETURN_IF_ERROR(parse_range(query, definition, request));
  if (query.has("scale_basis")) {
    const auto basis = parse_scale_basis(query.text("scale_basis"));
    if (!basis) return invalid_argument("query: scale_basis: '{}' is none of at_order, stated, latest", query.text("scale_basis"));
    request.query.scale_basis = *basis;
  }
  if (query.has("format")) {
    const auto format = parse_extract_format(query.text("format"));
    if (!format) return invalid_argument("query: format: '{}' is none of {}", query.text("format"), kExtractFormats);
    request.format = *format;
  }
  ASSIGN_OR_RETURN(const std::optional<std::uint64_t> skip, query.number("skip"));
  request.skip = static_cast<std::size_t>(skip.value_or(0));
  if (skip && request.format == ExtractFormat::json) return invalid_argument("query: skip: rows of an extract, with format=csv or another");
  ASSIGN_OR_RETURN(request.names, query.flag("names"));
  ASSIGN_OR_RETURN(request.share, query.flag("share"));
  if (request.share && !view && request.query.by.empty()) return invalid_argument("query: share: of what? name dimensions in by");
  RETURN_IF_ERROR(parse_top(query, request));
  request.as_of = with_plus(query.text("as_of"));
  if (query.has("as_of") && request.as_of.empty()) return invalid_argument("query: as_of: empty");
  return request;
}

absl::StatusOr<AsOf> resolve_as_of(std::string_view text, Node& node) {
  AsOf as_of;
  constexpr std::string_view kCheckpoint = "checkpoint:";
  if (text.substr(0, kCheckpoint.size()) == kCheckpoint) {
    ASSIGN_OR_RETURN(as_of.cut, cut_of_checkpoint(text.substr(kCheckpoint.size()), node));
  } else if (text.find('=') != std::string_view::npos) {
    ASSIGN_OR_RETURN(as_of.cut, complete_cut(text, node.definition()));
  } else {
    if (const auto date = parse_date(text))
      as_of.time_ms = day_start_ms(*date, node.definition().zone_minutes) + kDayMs - 1;
    else if (const auto instant = instant_of(text))
      as_of.time_ms = *instant;
    else
      return invalid_argument("query: as_of: '{}' is no cut, RFC 3339 instant, date or checkpoint:<partition>/<size>", text);
    // Before the cut: what passes the time in between leaves the answer not final, never the other way round.
    as_of.is_final = has_passed(*as_of.time_ms, node);
    ASSIGN_OR_RETURN(as_of.cut, cut_at_time(*as_of.time_ms, node));
  }
  const Cut head = node.ledger().cut();
  if (!head.covers(as_of.cut)) return out_of_range("as_of {} lies beyond the ledger, which is at {}", as_of.cut.text(), head.text());
  return as_of;
}

absl::StatusOr<std::optional<AsOf>> read_as_of(std::string_view text, Node& node) {
  constexpr std::chrono::milliseconds kWaitMax{1'000};  // blocks a worker: the ledger is at most a moment ahead
  if (text.empty()) return std::optional<AsOf>();
  ASSIGN_OR_RETURN(AsOf as_of, resolve_as_of(text, node));
  RETURN_IF_ERROR(node.projections().wait_for(as_of.cut, kWaitMax));
  return std::optional<AsOf>(std::move(as_of));
}

absl::StatusOr<std::optional<Cut>> read_cut(Node& node, const Query& query) {
  if (query.has("as_of") && query.text("as_of").empty()) return invalid_argument("query: as_of: empty");
  ASSIGN_OR_RETURN(std::optional<AsOf> as_of, read_as_of(query.text("as_of"), node));
  return as_of ? std::optional<Cut>(std::move(as_of->cut)) : std::nullopt;
}

absl::StatusOr<std::optional<Cut>> min_cut_of(std::string_view raw_query, const Definition& definition) {
  while (!raw_query.empty()) {
    const std::string_view pair = raw_query.substr(0, raw_query.find('&'));
    raw_query.remove_prefix(std::min(pair.size() + 1, raw_query.size()));
    const std::size_t equals = pair.find('=');
    // As Query reads names: one that is written "min%5Fcut" must not be known there and go unheard here (I7).
    if (percent_decode(pair.substr(0, equals), true) != "min_cut") continue;
    const auto text = percent_decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!text) return invalid_argument("query: min_cut is not percent-encoded");
    ASSIGN_OR_RETURN(const Cut cut, Cut::parse(*text));
    for (const auto& [partition, size] : cut.sizes())
      if (!partition.is_reference() && partition.number() >= definition.partitions)
        return invalid_argument("query: min_cut: this ledger has no partition {}", partition.name());
    return std::optional<Cut>(cut);
  }
  return std::optional<Cut>();
}

}  // namespace bukubesar
