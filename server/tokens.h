// Tokens: who may use HTTP, as a file of JSON Lines that holds hashes only. A token's text is "bkb_<id>_<64 hex digits>", 256 random
// bits; whoever reads the file can't make a request with it.
//
//   {"id":"prometheus","hash":"<SHA-256 of the text, hex>","roles":["operate"],"created":"2026-05-11T02:12:00Z",
//    "expires":null,"revoked":null,"requests_per_second":100,"burst":200,"note":""}
//
// Crash    the file is replaced whole: the old one or the new one.
// Limits   kTokensMax lines. A revoked token keeps its line, so that its id is never given again.
// Errors   NotFound: no file. FailedPrecondition: others may read or write it. InvalidArgument: each wrong line; a hash is never quoted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/sha256.h"
#include "server/roles.h"

namespace bukubesar {

inline constexpr std::size_t kTokensMax = 10'000;
inline constexpr std::uint32_t kTokenRateMax = 1'000'000;

struct Token {
  std::string id;  // 1 … 40 of a-z, 0-9 and '-'; shown in metrics and messages
  Hash256 hash{};
  Roles roles;
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> expires_ms, revoked_ms;
  std::uint32_t requests_per_second = 100;  // 0: no limit
  std::uint32_t burst = 200;                // requests that may come at once
  std::string note;

  // "valid", "expired", "revoked"
  [[nodiscard]] std::string_view state(std::int64_t now_ms) const;
};

// Nothing where it is one.
[[nodiscard]] std::string why_no_token_id(std::string_view id);
// The id that a token's text names; nothing where the text has not the shape of a token.
[[nodiscard]] std::optional<std::string_view> token_id_of(std::string_view text);

// The text of one token, out of its own file: FailedPrecondition where others may read it, InvalidArgument where it is empty.
[[nodiscard]] absl::StatusOr<std::string> read_token_text(const std::string& path);

[[nodiscard]] absl::StatusOr<std::vector<Token>> load_tokens(const std::string& path);

// Adds a token with a new secret and returns its text, which nothing keeps. `token.hash` is not looked at. AlreadyThere:
// FailedPrecondition.
[[nodiscard]] absl::StatusOr<std::string> add_token(const std::string& path, Token token);
// NotFound where there is no such id; a token that is revoked already stays as it is.
[[nodiscard]] absl::Status revoke_token(const std::string& path, std::string_view id, std::int64_t now_ms);

}  // namespace bukubesar
