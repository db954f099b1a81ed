#include "server/router.h"

#include <algorithm>
#include <optional>

#include "server/problem.h"
#include "server/query.h"

namespace bukubesar {

namespace {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is_capture(std::string_view segment) { return segment.size() > 2 && segment.front() == '{'; }

// The raw captures, or nothing where the pattern does not match.
std::optional<std::vector<std::string>> match(const std::vector<std::string>& pattern, bool takes_rest,
                                              const std::vector<std::string>& path) {
  if (takes_rest ? path.size() < pattern.size() : path.size() != pattern.size()) return std::nullopt;
  std::vector<std::string> captures;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_capture(pattern[i])) {
      if (pattern[i] != path[i]) return std::nullopt;
      continue;
    }
    captures.push_back(path[i]);
    if (takes_rest && i + 1 == pattern.size())
      for (std::size_t more = i + 1; more < path.size(); ++more) captures.back() += "/" + path[more];
    if (captures.back().empty()) return std::nullopt;
  }
  return captures;
}

}  // namespace

std::optional<std::string_view> ServerRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return std::nullopt;
}

void Router::add(Route route) {
  Pattern pattern{split_path(route.pattern), route.pattern.ends_with("...}")};
  routes_.push_back(std::move(route));
  patterns_.push_back(std::move(pattern));
}

Router::Match Router::find(ServerRequest& request) const {
  const std::vector<std::string> path = split_path(request.path);
  std::string allowed;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    auto captures = match(patterns_[i].segments, patterns_[i].takes_rest, path);
    if (!captures) continue;
    if (routes_[i].method != request.method) {
      if (allowed.find(routes_[i].method) == std::string::npos) allowed += (allowed.empty() ? "" : ", ") + routes_[i].method;
      continue;
    }
    for (std::string& capture : *captures) {
      auto decoded = percent_decode(capture);
      if (!decoded) return {nullptr, problem(400, "path: '" + capture + "' is not percent-encoded")};
      request.captures.push_back(*std::move(decoded));
    }
    return {&routes_[i], {}};
  }
  if (allowed.empty()) return {nullptr, problem(404, "no such route: " + request.path + "; / lists them")};
  if (allowed.find("GET") != std::string::npos) allowed += ", HEAD";
  Match refused{nullptr, problem(405, request.method + " is not allowed here; " + allowed + " is")};
  refused.refusal.with("Allow", allowed);
  return refused;
}

}  // namespace bukubesar
