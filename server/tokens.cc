#include "server/tokens.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"
#include "base/private_file.h"
#include "base/status.h"
#include "base/time.h"
#include "config/json_text.h"
#include "server/json.h"

namespace bukubesar {

namespace {

constexpr std::string_view kPrefix = "bkb_";
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kIdLengthMax = 40;
constexpr std::size_t kNoteLengthMax = 200;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::optional<std::int64_t> instant_or_null(MemberReader& members, const std::string& name) {
  const Json* const value = members.any(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto instant = value->is_string() ? parse_instant_ms(value->get<std::string>()) : std::nullopt;
  if (!instant) members.problem(name, "must be an instant such as \"2027-01-01T00:00:00Z\", or null");
  return instant;
}

Roles roles_of(MemberReader& members) {
  Roles roles;
  const Json* const list = members.any("roles");
  if (list == nullptr) return roles;
  if (!list->is_array() || list->empty()) {
    members.problem("roles", "must be a list of at least one of read, audit, ingest, operate");
    return roles;
  }
  for (const Json& each : *list) {
    const auto role = each.is_string() ? parse_role(each.get<std::string>()) : std::nullopt;
    if (role)
      roles.add(*role);
    else
      members.problem("roles", "holds something that is none of read, audit, ingest, operate");
  }
  return roles;
}

Token token_of(const Json& object, const std::string& where, std::vector<std::string>& problems) {
  MemberReader members(object, where, problems);
  Token token;
  token.id = members.text("id");
  if (!token.id.empty())
    if (const std::string why = why_no_token_id(token.id); !why.empty()) members.problem("id", why);
  const std::string hash = members.text("hash");
  const auto bytes = unhex(hash);
  if (bytes && bytes->size() == token.hash.size())
    std::copy(bytes->begin(), bytes->end(), token.hash.begin());
  else
    members.problem("hash", "must be 64 hex digits");
  token.roles = roles_of(members);
  if (const auto created = instant_or_null(members, "created")) token.created_ms = *created;
  token.expires_ms = instant_or_null(members, "expires");
  token.revoked_ms = instant_or_null(members, "revoked");
  token.requests_per_second = static_cast<std::uint32_t>(members.whole("requests_per_second", 0, kTokenRateMax));
  token.burst = static_cast<std::uint32_t>(members.whole("burst", 1, kTokenRateMax));
  token.note = members.text("note");
  members.finish();
  return token;
}

Json instant_json(std::optional<std::int64_t> instant_ms) { return instant_ms ? Json(format_instant_ms(*instant_ms, 0)) : Json(nullptr); }

std::string line_of(const Token& token) {
  Json roles = Json::array();
  for (Role role : kAllRoles)
    if (token.roles.has(role)) roles.push_back(name_of(role));
  return dump_line({{"id", token.id},
                    {"hash", hex(as_view(token.hash))},
                    {"roles", roles},
                    {"created", instant_json(token.created_ms)},
                    {"expires", instant_json(token.expires_ms)},
                    {"revoked", instant_json(token.revoked_ms)},
                    {"requests_per_second", token.requests_per_second},
                    {"burst", token.burst},
                    {"note", token.note}}) +
         "\n";
}

absl::Status save_tokens(const std::string& path, const std::vector<Token>& tokens) {
  std::string text;
  for (const Token& token : tokens) text += line_of(token);
  return write_file_durably(path, text, 0600);
}

absl::StatusOr<std::vector<Token>> load_or_none(const std::string& path) {
  auto tokens = load_tokens(path);
  if (absl::IsNotFound(tokens.status())) return std::vector<Token>();
  return tokens;
}

// Two commands at once must not lose one another's change: the directory is locked while a file in it is read, changed and replaced.
class FileChange {
 public:
  static absl::StatusOr<FileChange> begin(const std::string& path) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    const std::string directory = parent.empty() ? "." : parent;
    RETURN_IF_ERROR(make_directories(directory));
    FileChange change;
    change.fd_ = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (change.fd_ < 0 || ::flock(change.fd_, LOCK_EX) != 0) return unavailable("{}: {}", directory, std::strerror(errno));
    return change;
  }
  FileChange(FileChange&& other) noexcept { std::swap(fd_, other.fd_); }
  FileChange& operator=(FileChange&&) = delete;
  ~FileChange() {
    if (fd_ >= 0) ::close(fd_);
  }

 private:
  FileChange() = default;
  int fd_ = -1;
};

std::string new_text(std::string_view id) {
  std::array<std::uint8_t, kSecretBytes> bytes{};
  BB_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1, "OpenSSL has random bytes");
  return fmt::format("{}{}_{}", kPrefix, id, hex(as_view(bytes)));
}

}  // namespace

std::string_view Token::state(std::int64_t now_ms) const {
  if (revoked_ms) return "revoked";
  return expires_ms && *expires_ms <= now_ms ? "expired" : "valid";
}

std::string why_no_token_id(std::string_view id) {
  const bool fits = !id.empty() && id.size() <= kIdLengthMax &&
                    std::all_of(id.begin(), id.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  return fits ? "" : fmt::format("must be 1 … {} of a-z, 0-9 and '-'", kIdLengthMax);
}

std::optional<std::string_view> token_id_of(std::string_view text) {
  if (text.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  const std::size_t end = text.find('_');
  if (end == std::string_view::npos || !why_no_token_id(text.substr(0, end)).empty()) return std::nullopt;
  const std::string_view secret = text.substr(end + 1);
  if (secret.size() != 2 * kSecretBytes || !is_hex(secret)) return std::nullopt;
  return text.substr(0, end);
}

absl::StatusOr<std::string> read_token_text(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, read_private_file(path));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) return invalid_argument("{}: is empty", path);
  return text;
}

absl::StatusOr<std::vector<Token>> load_tokens(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_private_file(path));
  std::vector<Token> tokens;
  std::vector<std::string> problems;
  std::set<std::string> ids;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    const std::string where = fmt::format("{}:{}", path, ++number);
    if (line.empty()) continue;
    // No parser's message: it would quote the line, and a person may have put a token's text into it.
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) {
      problems.push_back(where + ": is no JSON object");
      continue;
    }
    std::vector<std::string> wrong;
    Token token = token_of(object, "", wrong);
    for (const std::string& what : wrong) problems.push_back(fmt::format("{}: {}", where, what));
    if (wrong.empty() && !ids.insert(token.id).second) problems.push_back(fmt::format("{}: id {} stands twice", where, token.id));
    tokens.push_back(std::move(token));
  }
  if (tokens.size() > kTokensMax)
    problems.push_back(fmt::format("{}: {} tokens, at most {} are possible", path, tokens.size(), kTokensMax));
  if (!problems.empty()) return absl::InvalidArgumentError(fmt::format("{}", fmt::join(problems, "\n")));
  return tokens;
}

absl::StatusOr<std::string> add_token(const std::string& path, Token token) {
  if (const std::string why = why_no_token_id(token.id); !why.empty()) return invalid_argument("token id '{}': {}", token.id, why);
  if (token.roles.empty()) return invalid_argument("token {}: needs at least one role of read, audit, ingest, operate", token.id);
  if (token.note.size() > kNoteLengthMax) return invalid_argument("token {}: the note is longer than {} bytes", token.id, kNoteLengthMax);
  ASSIGN_OR_RETURN(const FileChange change, FileChange::begin(path));
  ASSIGN_OR_RETURN(std::vector<Token> tokens, load_or_none(path));
  for (const Token& each : tokens)
    if (each.id == token.id)
      return failed_precondition("token {} is there already ({}); an id is given once, choose another", token.id,
                                 each.revoked_ms ? "revoked" : "not revoked");
  if (tokens.size() >= kTokensMax) return resource_exhausted("{} has {} tokens, the most that are possible", path, tokens.size());
  const std::string text = new_text(token.id);
  token.hash = sha256(text);
  tokens.push_back(std::move(token));
  RETURN_IF_ERROR(save_tokens(path, tokens));
  return text;
}

absl::Status revoke_token(const std::string& path, std::string_view id, std::int64_t now_ms) {
  ASSIGN_OR_RETURN(const FileChange change, FileChange::begin(path));
  ASSIGN_OR_RETURN(std::vector<Token> tokens, load_tokens(path));
  const auto at = std::find_if(tokens.begin(), tokens.end(), [&](const Token& each) { return each.id == id; });
  if (at == tokens.end()) return not_found("no token '{}'; `bukubesar token list` shows them", id);
  if (at->revoked_ms) return absl::OkStatus();
  at->revoked_ms = now_ms;
  return save_tokens(path, tokens);
}

}  // namespace bukubesar
