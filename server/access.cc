#include "server/access.h"

#include <openssl/crypto.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/ascii.h"
#include "base/private_file.h"
#include "base/status.h"
#include "config/names.h"
#include "server/json.h"
#include "server/problem.h"

namespace bukubesar {

namespace {

using std::chrono::nanoseconds;

// "example.org:8443" → "example.org", "[::1]:8443" → "::1"
std::string host_name_of(std::string_view host) {
  if (!host.empty() && host.front() == '[') return lower(host.substr(1, host.find(']') - 1));
  return lower(host.substr(0, host.rfind(':')));
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end > at) names.push_back(lower(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return names;
}

bool has_tls(const HttpConfig& http) { return !http.tls_certificate_file.empty(); }

Roles anonymous_roles(const HttpConfig& http) {
  if (http.insecure_public_read) return {Role::read};
  return is_loopback_address(http.address) && !http.tokens_required ? Roles::all() : Roles();
}

// The text of a bearer token; nothing where the header is of another kind.
std::optional<std::string_view> bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size() || lower(authorization.substr(0, kScheme.size())) != kScheme) return std::nullopt;
  authorization.remove_prefix(kScheme.size());
  while (!authorization.empty() && authorization.front() == ' ') authorization.remove_prefix(1);
  return authorization;
}

std::string_view detail_of(Refused why) {
  switch (why) {
    case Refused::no_token:
      return "this needs a token: Authorization: Bearer bkb_…; whoever operates the server makes them with `bukubesar token new`";
    case Refused::wrong_token:
      return "no such token";
    case Refused::expired:
      return "the token has expired";
    case Refused::revoked:
      return "the token was revoked";
    case Refused::role:
    case Refused::rate:
      break;
  }
  return "";
}

}  // namespace

std::string_view name_of(Refused why) {
  constexpr std::array<std::string_view, kAllRefused.size()> names = {"no_token", "wrong_token", "expired", "revoked", "role", "rate"};
  return names[static_cast<std::size_t>(why)];
}

Access::Access(AccessOptions options)
    : options_(std::move(options)),
      anonymous_(anonymous_roles(options_.http)),
      takes_tokens_(has_tls(options_.http) || is_loopback_address(options_.http.address)),
      host_names_(split_names(options_.http.host_names)) {}

absl::StatusOr<std::unique_ptr<Access>> Access::open(AccessOptions options) {
  std::unique_ptr<Access> access(new Access(std::move(options)));
  const HttpConfig& http = access->options_.http;
  const FileStamp stamp = file_stamp(access->options_.tokens_path);
  auto tokens = load_tokens(access->options_.tokens_path);
  const bool must_have = access->anonymous_.empty();
  if (absl::IsNotFound(tokens.status()) || (tokens.ok() && tokens->empty() && must_have)) {
    if (must_have)
      return failed_precondition("http: {} needs tokens and {} has none: nobody could get in; make one with `bukubesar token new`",
                                 http.tokens_required ? "http.tokens_required" : http.address, access->options_.tokens_path);
    tokens = std::vector<Token>();
  }
  RETURN_IF_ERROR(tokens.status());
  access->take(*std::move(tokens));
  absl::MutexLock lock(&access->mutex_);
  access->stamp_ = stamp;
  return access;
}

void Access::take(std::vector<Token> tokens) {
  absl::MutexLock lock(&mutex_);
  absl::flat_hash_map<std::string, Known> known;
  for (Token& token : tokens) {
    Known& to = known[token.id];
    // What it has used of its rate, and its counts, go on.
    if (const auto before = known_.find(token.id); before != known_.end()) to = before->second;
    to.token = std::move(token);
  }
  known_ = std::move(known);
}

void Access::look_for_changes(bool in_any_case) {
  const FileStamp stamp = file_stamp(options_.tokens_path);
  {
    absl::MutexLock lock(&mutex_);
    if (stamp == stamp_ && !in_any_case) return;
    stamp_ = stamp;
  }
  auto tokens = load_tokens(options_.tokens_path);
  // Where it never was needed, there may be none; one that is removed while it is needed is a mistake, not a revocation of all.
  if (absl::IsNotFound(tokens.status()) && !anonymous_.empty()) tokens = std::vector<Token>();
  if (tokens.ok()) {
    spdlog::info("tokens read again from {}: {}", options_.tokens_path, tokens->size());
    take(*std::move(tokens));
    absl::MutexLock lock(&mutex_);
    ++reloads_;
    trouble_.clear();
    return;
  }
  spdlog::error("tokens were not read again, those read before go on: {}", message_of(tokens.status()));
  absl::MutexLock lock(&mutex_);
  ++reloads_failed_;
  trouble_ = message_of(tokens.status());
}

ServerResponse Access::refuse(Refused why, std::string_view detail) {
  ++refused_[static_cast<std::size_t>(why)];
  ServerResponse response = problem(why == Refused::rate ? 429 : why == Refused::role ? 403 : 401, detail);
  if (why == Refused::no_token) response.with("WWW-Authenticate", "Bearer realm=\"bukubesar\"");
  if (why == Refused::wrong_token || why == Refused::expired || why == Refused::revoked)
    response.with("WWW-Authenticate", fmt::format(R"(Bearer realm="bukubesar", error="invalid_token", error_description="{}")", detail));
  return response;
}

Access::Known* Access::find(std::string_view authorization, Refused& why) {
  why = Refused::wrong_token;
  const auto text = bearer(authorization);
  const auto id = text ? token_id_of(*text) : std::nullopt;
  if (!id) return nullptr;
  const auto at = known_.find(std::string(*id));
  // An id that is not known takes as long as one that is.
  static constexpr Hash256 kNobody{};
  const Hash256& wanted = at == known_.end() ? kNobody : at->second.token.hash;
  const Hash256 given = sha256(*text);
  const bool same = CRYPTO_memcmp(given.data(), wanted.data(), given.size()) == 0;
  if (at == known_.end() || !same) return nullptr;
  const Token& token = at->second.token;
  if (token.revoked_ms) {
    why = Refused::revoked;
    return nullptr;
  }
  if (token.expires_ms && *token.expires_ms <= options_.clock->wall_ms()) {
    why = Refused::expired;
    return nullptr;
  }
  return &at->second;
}

nanoseconds Access::charge(Known& known) const {
  const Token& token = known.token;
  if (token.requests_per_second == 0) return nanoseconds(0);
  const auto now = options_.clock->steady();
  const nanoseconds each = nanoseconds(std::chrono::seconds(1)) / token.requests_per_second;
  const auto from = std::max(known.paid_until, now);
  const nanoseconds ahead = from - now;
  const nanoseconds most = each * (token.burst - 1);
  if (ahead > most) return ahead - most;
  known.paid_until = from + each;
  return nanoseconds(0);
}

std::optional<ServerResponse> Access::admit(ServerRequest& request, const Route* route) {
  std::optional<std::string> authorization;
  if (const auto header = request.header("authorization")) authorization = std::string(*header);
  // Nobody behind this sees it: what is not there can't be stored or logged.
  std::erase_if(request.headers, [](const auto& header) { return header.first == "authorization"; });
  const std::optional<Role> needed = route == nullptr ? Role::read : role_needed(route->method, route->pattern);
  request.roles = anonymous_;
  if (route != nullptr && !needed) return std::nullopt;
  request.is_audited = route != nullptr && needed == Role::audit && route->pattern != "/v1/reads";

  absl::MutexLock lock(&mutex_);
  if (!authorization) {
    if (request.roles.has(*needed) || (route == nullptr && !request.roles.empty())) return std::nullopt;
    return refuse(Refused::no_token, request.roles.empty() || takes_tokens_
                                         ? detail_of(Refused::no_token)
                                         : std::string_view("this server offers public reads alone: it has no TLS, so it takes no tokens"));
  }
  if (!takes_tokens_)
    return refuse(Refused::wrong_token, "this server has no TLS and takes no tokens; this one has travelled in clear, revoke it");
  Refused why = Refused::wrong_token;
  Known* const known = find(*authorization, why);
  if (known == nullptr) return refuse(why, detail_of(why));
  if (const nanoseconds wait = charge(*known); wait > nanoseconds(0)) {
    ++known->use.refused_rate;
    ServerResponse response = refuse(Refused::rate, fmt::format("token {} may make {} requests a second, {} at once", known->token.id,
                                                                known->token.requests_per_second, known->token.burst));
    std::erase_if(response.headers, [](const auto& header) { return header.first == "Retry-After"; });
    response.with("Retry-After", std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()));
    return response;
  }
  request.roles = known->token.roles;
  request.caller = known->token.id;
  if (route != nullptr && !request.roles.has(*needed)) {
    ++known->use.refused_role;
    ServerResponse response = refuse(Refused::role, fmt::format("{} {} needs role {}; token {} has {}", route->method, route->pattern,
                                                                name_of(*needed), known->token.id, text_of(request.roles)));
    response.with("WWW-Authenticate", fmt::format(R"(Bearer realm="bukubesar", error="insufficient_scope", scope="{}")", name_of(*needed)));
    return response;
  }
  ++known->use.allowed;
  return std::nullopt;
}

// Where whoever comes may write, a page that a browser on this machine loaded must not reach us under a name that it made up (DNS
// rebinding). Where a token is needed a page has none to send.
std::optional<ServerResponse> Access::wrong_host(std::string_view host) const {
  if (host.empty() || (!is_open() && host_names_.empty())) return std::nullopt;  // HTTP/1.0 has none
  const std::string name = host_name_of(host);
  if (name == "localhost" || is_loopback_address(name)) return std::nullopt;
  if (std::find(host_names_.begin(), host_names_.end(), name) != host_names_.end()) return std::nullopt;
  return problem(400, "Host: this server does not answer to that name; localhost is one, and http.host_names adds others");
}

std::vector<std::string> Access::warnings() const {
  std::vector<std::string> warnings;
  if (is_open() && !host_names_.empty())
    warnings.push_back(
        "http.host_names is set and tokens are not required: whoever reaches this server by a proxy may write and read "
        "everything; set http.tokens_required");
  if (options_.http.insecure_public_read && !has_tls(options_.http) && !is_loopback_address(options_.http.address))
    warnings.push_back("public reads without TLS: what readers see can be changed on its way; the signed log still shows it");
  absl::MutexLock lock(&mutex_);
  if (!trouble_.empty()) warnings.push_back("tokens were not read again: " + trouble_);
  return warnings;
}

Access::Stats Access::stats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats;
  for (const auto& [id, known] : known_) {
    if (!known.token.revoked_ms) ++stats.tokens;
    const TokenUse& use = known.use;
    if (use.allowed + use.refused_role + use.refused_rate > 0) stats.uses[id] = use;
  }
  stats.refused = refused_;
  stats.reloads = reloads_;
  stats.reloads_failed = reloads_failed_;
  return stats;
}

}  // namespace bukubesar
