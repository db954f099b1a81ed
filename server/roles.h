// Roles: what a caller may do. A route needs one role, or none at all; a token has a set of them. No role holds another.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace bukubesar {

enum class Role : std::uint8_t {
  read,     // totals, views, entries, purchases, findings, the log
  audit,    // payloads, byte for byte
  ingest,   // POST /v1/events
  operate,  // metrics
};
inline constexpr std::array<Role, 4> kAllRoles = {Role::read, Role::audit, Role::ingest, Role::operate};

[[nodiscard]] constexpr std::string_view name_of(Role role) {
  constexpr std::array<std::string_view, 4> names = {"read", "audit", "ingest", "operate"};
  return names[static_cast<std::size_t>(role)];
}
[[nodiscard]] std::optional<Role> parse_role(std::string_view name);

class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(std::initializer_list<Role> roles) {
    for (Role role : roles) add(role);
  }
  static constexpr Roles all() { return {Role::read, Role::audit, Role::ingest, Role::operate}; }
  constexpr void add(Role role) { bits_ = static_cast<std::uint8_t>(bits_ | (1U << static_cast<unsigned>(role))); }
  [[nodiscard]] constexpr bool has(Role role) const { return (bits_ >> static_cast<unsigned>(role) & 1U) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(Roles, Roles) = default;

 private:
  std::uint8_t bits_ = 0;
};

// "read, audit"
[[nodiscard]] std::string text_of(Roles roles);

// The role that a route needs, nothing where it is open. A route that the table does not know needs `operate`: nobody gets in by
// an oversight.
struct RouteAccess {
  std::string_view method, pattern;
  std::optional<Role> role;
};
[[nodiscard]] std::optional<Role> role_needed(std::string_view method, std::string_view pattern);
[[nodiscard]] bool is_in_access_table(std::string_view method, std::string_view pattern);

}  // namespace bukubesar
