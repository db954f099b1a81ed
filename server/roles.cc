#include "server/roles.h"

#include <algorithm>

namespace bukubesar {

namespace {

// Which role each route needs. docs/API.md has the same table, and a test compares the two with the routes that there are.
constexpr RouteAccess kRoutes[] = {
    {"GET", "/", std::nullopt},  // the dashboard's page or a list of routes: no figures
    {"GET", "/assets/{name}", std::nullopt},
    {"GET", "/healthz", std::nullopt},
    {"GET", "/readyz", std::nullopt},
    {"GET", "/metrics", Role::operate},
    {"POST", "/v1/events", Role::ingest},
    {"POST", "/v1/sign", Role::operate},
    {"GET", "/v1/payloads/{partition}", Role::audit},
    {"GET", "/v1/redactions", Role::read},
    {"POST", "/v1/backup", Role::operate},
    {"GET", "/v1/backup", Role::operate},
    {"POST", "/v1/freeze", Role::operate},
    {"GET", "/v1/status", Role::read},
    {"GET", "/v1/cut", Role::read},
    {"GET", "/v1/reasons", Role::read},
    {"GET", "/v1/totals", Role::read},
    {"GET", "/v1/views", Role::read},
    {"GET", "/v1/views/{name}", Role::read},
    {"GET", "/v1/entries/{partition}", Role::read},
    {"GET", "/v1/entries/{partition}/{sequence}", Role::read},
    {"GET", "/v1/gaps", Role::read},
    {"GET", "/v1/purchases", Role::read},
    {"GET", "/v1/purchases/{id...}", Role::read},
    {"GET", "/v1/findings", Role::read},
    {"GET", "/v1/stream", Role::read},
    {"GET", "/v1/transfers/{partition}", Role::read},
    {"GET", "/v1/facts", Role::read},
    {"GET", "/v1/alerts", Role::read},
    {"GET", "/openapi.json", Role::read},
    {"GET", "/docs", Role::read},
    {"GET", "/v1/explain", Role::read},
    {"GET", "/v1/difference", Role::read},
    {"GET", "/v1/history/{partition}", Role::read},
    {"GET", "/payload/{partition}/{sequence}", Role::audit},
    {"GET", "/v1/events", Role::read},
    {"GET", "/v1/definition", Role::read},
    {"GET", "/v1/proofs/{partition}/{sequence}", Role::read},  // with the payload in it: audit
    {"GET", "/v1/consistency/{partition}", Role::read},
    {"GET", "/v1/checkpoints/{partition}", Role::read},
    {"GET", "/v1/completeness", Role::read},
    {"GET", "/v1/rejected/{partition}", Role::audit},
    {"GET", "/v1/evidence/totals", Role::audit},
    {"GET", "/v1/evidence/views/{name}", Role::audit},
    {"GET", "/v1/journal/{partition}", Role::audit},
    {"GET", "/v1/evidence/entries/{partition}", Role::audit},
    {"GET", "/v1/reads", Role::audit},
    {"GET", "/log/cut", Role::read},
    {"GET", "/log/vkeys", Role::read},
    {"GET", "/log/{partition}/checkpoint", Role::read},
    {"GET", "/log/{partition}/checkpoint/{size}", Role::read},
    {"GET", "/log/{partition}/vkey", Role::read},
    {"GET", "/log/{partition}/tile/{rest...}", Role::read},
    {"POST", "/log/{partition}/cosignature", Role::read},  // what is stored is signed by a witness that the operator listed
};

const RouteAccess* find(std::string_view method, std::string_view pattern) {
  const auto* const at = std::find_if(std::begin(kRoutes), std::end(kRoutes),
                                      [&](const RouteAccess& each) { return each.method == method && each.pattern == pattern; });
  return at == std::end(kRoutes) ? nullptr : at;
}

}  // namespace

std::optional<Role> parse_role(std::string_view name) {
  for (Role role : kAllRoles)
    if (name_of(role) == name) return role;
  return std::nullopt;
}

std::string text_of(Roles roles) {
  std::string text;
  for (Role role : kAllRoles)
    if (roles.has(role)) text += (text.empty() ? "" : ", ") + std::string(name_of(role));
  return text;
}

std::optional<Role> role_needed(std::string_view method, std::string_view pattern) {
  const RouteAccess* const found = find(method, pattern);
  return found == nullptr ? Role::operate : found->role;
}

bool is_in_access_table(std::string_view method, std::string_view pattern) { return find(method, pattern) != nullptr; }

}  // namespace bukubesar
