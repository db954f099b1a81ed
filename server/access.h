// Access: who may use HTTP. Decides on each request before its body is read, by the token that it carries.
//
// Open     on loopback, while tokens are not required: a request without a token may do everything, as the machine's own access control
//          is what keeps others out. A request that carries a token may do what the token allows, there too.
// Reads    with http.insecure_public_read a request without a token has role `read`; without TLS no token is taken then, since it would
//          travel in clear.
// Else     a valid token with the role that the route needs (server/roles.cc), or 401, 403; more requests than its rate: 429.
// Threads  any.
// Errors   a file that cannot be loaded again leaves what stood, is logged once, counted, and shown in status.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/private_file.h"
#include "config/config.h"
#include "server/http_types.h"
#include "server/router.h"
#include "server/tokens.h"

namespace bukubesar {

struct AccessOptions {
  HttpConfig http;
  std::string tokens_path;
  const Clock* clock = &Clock::system();
};

enum class Refused : std::uint8_t { no_token, wrong_token, expired, revoked, role, rate };
inline constexpr std::array<Refused, 6> kAllRefused = {Refused::no_token, Refused::wrong_token, Refused::expired,
                                                       Refused::revoked,  Refused::role,        Refused::rate};
[[nodiscard]] std::string_view name_of(Refused why);

struct TokenUse {
  std::uint64_t allowed = 0, refused_role = 0, refused_rate = 0;
};

class Access {
 public:
  // Beyond loopback there must be TLS and a token, or insecure_public_read: FailedPrecondition says what is missing.
  static absl::StatusOr<std::unique_ptr<Access>> open(AccessOptions options);

  // Nothing where the request may go on; request.roles is set. Takes the Authorization header out of it. route: null where none fits.
  [[nodiscard]] std::optional<ServerResponse> admit(ServerRequest& request, const Route* route);
  // Nothing where the Host header is one that this server answers to.
  [[nodiscard]] std::optional<ServerResponse> wrong_host(std::string_view host) const;

  // Reads the tokens again where the file has changed, or in any case.
  void look_for_changes(bool in_any_case);

  // True where a request without a token may do everything.
  [[nodiscard]] bool is_open() const { return anonymous_ == Roles::all(); }
  // For people, in status.
  [[nodiscard]] std::vector<std::string> warnings() const;

  struct Stats {
    std::map<std::string, TokenUse> uses;  // by token id, of tokens that were used
    std::array<std::uint64_t, kAllRefused.size()> refused{};
    std::uint64_t reloads = 0, reloads_failed = 0, tokens = 0;
  };
  [[nodiscard]] Stats stats() const;

 private:
  struct Known {
    Token token;
    TokenUse use;
    std::chrono::steady_clock::time_point paid_until{};  // of its rate: a request pushes it on; too far ahead is too many
  };
  explicit Access(AccessOptions options);
  void take(std::vector<Token> tokens) ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] ServerResponse refuse(Refused why, std::string_view detail) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The token of an Authorization header, or why it is none.
  [[nodiscard]] Known* find(std::string_view authorization, Refused& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How long until the token may be used again; zero: now.
  [[nodiscard]] std::chrono::nanoseconds charge(Known& known) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const AccessOptions options_;
  const Roles anonymous_;
  const bool takes_tokens_;
  std::vector<std::string> host_names_;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Known> known_ ABSL_GUARDED_BY(mutex_);
  FileStamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::string trouble_ ABSL_GUARDED_BY(mutex_);  // of the last reload
  std::array<std::uint64_t, kAllRefused.size()> refused_ ABSL_GUARDED_BY(mutex_){};
  std::uint64_t reloads_ ABSL_GUARDED_BY(mutex_) = 0, reloads_failed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace bukubesar
