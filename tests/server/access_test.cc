// Every route with every role, no token, a wrong one, an expired and a revoked one; and the rules around them.
#include "server/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "adapters/http_client.h"
#include "base/status.h"
#include "server/json.h"
#include "server/node.h"
#include "server/tokens.h"

namespace bukubesar {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class TestClock final : public Clock {
 public:
  std::int64_t wall_ms() const override { return wall_; }
  std::chrono::steady_clock::time_point steady() const override { return steady_; }
  std::int64_t wall_ = 1'700'000'000'000;
  std::chrono::steady_clock::time_point steady_{};
};

class AccessTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fmt::format("{}/bukubesar_access_{}_{}", testing::TempDir(), ::getpid(),
                             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    options_.tokens_path = directory_ + "/tokens.jsonl";
    options_.clock = &clock_;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string add(Token token) {
    const auto text = add_token(options_.tokens_path, std::move(token));
    EXPECT_TRUE(text.ok()) << text.status();
    return text.value_or("");
  }
  std::string add(const std::string& id, Roles roles) {
    Token token;
    token.id = id;
    token.roles = roles;
    return add(std::move(token));
  }
  std::unique_ptr<Access> open() {
    auto access = Access::open(options_);
    EXPECT_TRUE(access.ok()) << access.status();
    return access.ok() ? *std::move(access) : nullptr;
  }
  // The status that a request is refused with; 0: it may go on.
  static unsigned ask(Access& access, const std::string& token, const char* method = "GET", const char* pattern = "/v1/totals",
                      ServerResponse* refusal = nullptr) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    ServerRequest request;
    if (!token.empty()) request.headers.emplace_back("authorization", "Bearer " + token);
    const auto refused = access.admit(request, &route);
    EXPECT_FALSE(request.header("authorization").has_value()) << "handlers must not see it";
    if (refused && refusal != nullptr) *refusal = *refused;
    return refused ? refused->status : 0;
  }
  std::string directory_;
  TestClock clock_;
  AccessOptions options_;
};

TEST_F(AccessTest, LoopbackIsOpenUntilTokensAreRequired) {
  auto access = open();
  EXPECT_TRUE(access->is_open());
  EXPECT_EQ(ask(*access, "", "POST", "/v1/events"), 0U);
  // A token that is sent counts, here too.
  EXPECT_EQ(ask(*access, "bkb_nobody_" + std::string(64, '0')), 401U);
  options_.http.tokens_required = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(Access::open(options_).status())) << "nobody could get in";
  const std::string reader = add("reader", {Role::read});
  access = open();
  EXPECT_EQ(ask(*access, ""), 401U);
  EXPECT_EQ(ask(*access, reader), 0U);
  EXPECT_EQ(ask(*access, reader, "POST", "/v1/events"), 403U);
}

TEST_F(AccessTest, BeyondLoopbackTokensAreNeededWhateverIsSet) {
  options_.http.address = "192.0.2.1";
  options_.http.tls_certificate_file = "c";
  options_.http.tls_key_file = "k";
  EXPECT_TRUE(absl::IsFailedPrecondition(Access::open(options_).status()));
  add("reader", {Role::read});
  const auto access = open();
  EXPECT_FALSE(access->is_open());
  EXPECT_EQ(ask(*access, ""), 401U);
}

TEST_F(AccessTest, PublicReadsWithoutTlsAreReadsAndTakeNoToken) {
  options_.http.address = "0.0.0.0";
  options_.http.insecure_public_read = true;
  const std::string auditor = add("auditor", {Role::read, Role::audit});
  auto access = open();
  EXPECT_EQ(ask(*access, ""), 0U);
  EXPECT_EQ(ask(*access, "", "GET", "/payload/{partition}/{sequence}"), 401U);
  EXPECT_EQ(ask(*access, "", "POST", "/v1/events"), 401U);
  EXPECT_EQ(ask(*access, "", "GET", "/metrics"), 401U);
  EXPECT_EQ(ask(*access, auditor), 401U) << "it has travelled in clear";
  options_.http.tls_certificate_file = "c";
  options_.http.tls_key_file = "k";
  access = open();
  EXPECT_EQ(ask(*access, "", "GET", "/payload/{partition}/{sequence}"), 401U);
  EXPECT_EQ(ask(*access, auditor, "GET", "/payload/{partition}/{sequence}"), 0U);
}

TEST_F(AccessTest, ARouteThatTheTableDoesNotKnowNeedsOperate) {
  options_.http.tokens_required = true;
  const std::string reader = add("reader", {Role::read, Role::audit, Role::ingest});
  const auto access = open();
  EXPECT_EQ(ask(*access, reader, "GET", "/v1/forgotten"), 403U);
}

TEST_F(AccessTest, ExpiresAndIsRevokedWhileItRuns) {
  options_.http.tokens_required = true;
  Token token;
  token.id = "short";
  token.roles = {Role::read};
  token.expires_ms = clock_.wall_ms() + 1000;
  const std::string brief = add(token);
  const std::string longer = add("longer", {Role::read});
  const auto access = open();
  EXPECT_EQ(ask(*access, brief), 0U);
  clock_.wall_ += 1000;
  ServerResponse refusal;
  EXPECT_EQ(ask(*access, brief, "GET", "/v1/totals", &refusal), 401U);
  EXPECT_THAT(refusal.body, HasSubstr("the token has expired"));
  EXPECT_EQ(ask(*access, longer), 0U);
  ASSERT_TRUE(revoke_token(options_.tokens_path, "longer", 5).ok());
  access->look_for_changes(false);
  EXPECT_EQ(ask(*access, longer, "GET", "/v1/totals", &refusal), 401U);
  EXPECT_THAT(refusal.body, HasSubstr("the token was revoked"));
  // A broken file leaves what stood, and says so.
  ASSERT_TRUE(write_file_durably(options_.tokens_path, "nonsense\n", 0600).ok());
  access->look_for_changes(false);
  access->look_for_changes(false);
  EXPECT_EQ(access->stats().reloads_failed, 1U) << "once for each change, not for each look";
  EXPECT_THAT(access->warnings(), testing::Contains(HasSubstr("is no JSON object")));
  EXPECT_EQ(ask(*access, longer, "GET", "/v1/totals", &refusal), 401U);
  EXPECT_THAT(refusal.body, HasSubstr("revoked"));
}

TEST_F(AccessTest, EachTokenHasARateOfItsOwn) {
  options_.http.tokens_required = true;
  Token token;
  token.id = "slow";
  token.roles = {Role::read};
  token.requests_per_second = 2;
  token.burst = 3;
  const std::string slow = add(token);
  token.id = "free";
  token.requests_per_second = 0;
  const std::string unlimited = add(token);
  const auto access = open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(*access, slow), 0U) << i;
  ServerResponse refusal;
  EXPECT_EQ(ask(*access, slow, "GET", "/v1/totals", &refusal), 429U);
  EXPECT_TRUE(refusal.has_header("Retry-After"));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(*access, unlimited), 0U);
  clock_.steady_ += milliseconds(500);
  EXPECT_EQ(ask(*access, slow), 0U);
  EXPECT_EQ(ask(*access, slow), 429U);
  // Another file does not give a new allowance.
  add("third", {Role::read});
  access->look_for_changes(true);
  EXPECT_EQ(ask(*access, slow), 429U);
  clock_.steady_ += std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(*access, slow), 0U) << i;
  EXPECT_EQ(ask(*access, slow), 429U) << "what was not used is not saved up beyond the burst";
  EXPECT_EQ(access->stats().uses.at("slow").allowed, 7U);
  EXPECT_EQ(access->stats().uses.at("slow").refused_rate, 4U);
}

TEST_F(AccessTest, HostNamesAreCheckedWhereWhoeverComesMayWrite) {
  auto access = open();
  EXPECT_TRUE(access->wrong_host("evil.example").has_value());
  EXPECT_TRUE(access->wrong_host("127.0.0.1.evil.example:80").has_value());
  for (const char* host : {"localhost:8080", "127.0.0.1", "127.0.0.2:99", "[::1]:8080", "LOCALHOST", ""})
    EXPECT_FALSE(access->wrong_host(host).has_value()) << host;
  options_.http.host_names = "ledger.example,Other.example";
  access = open();
  EXPECT_FALSE(access->wrong_host("ledger.EXAMPLE:443").has_value());
  EXPECT_FALSE(access->wrong_host("other.example").has_value());
  EXPECT_TRUE(access->wrong_host("evil.example").has_value());
  EXPECT_THAT(access->warnings(), testing::Contains(HasSubstr("tokens are not required")));
  options_.http.host_names.clear();
  options_.http.tokens_required = true;
  add("reader", {Role::read});
  EXPECT_FALSE(open()->wrong_host("ledger.example").has_value()) << "a page in a browser has no token to send";
}

// ---- the routes that there are ----

class Routes : public AccessTest {
 protected:
  void SetUp() override {
    AccessTest::SetUp();
    options_.clock = &Clock::system();
    config_.data_dir = directory_;
    config_.http.port = 0;
    config_.http.tokens_required = true;
    Token token;
    token.requests_per_second = 0;
    for (Role role : kAllRoles) {
      token.id = std::string(name_of(role));
      token.roles = {role};
      by_role_[role] = add(token);
    }
    token.id = "expired";
    token.roles = Roles::all();
    token.expires_ms = 1000;
    refused_["expired"] = add(token);
    token.id = "revoked";
    token.expires_ms.reset();
    refused_["revoked"] = add(token);
    ASSERT_TRUE(revoke_token(options_.tokens_path, "revoked", 1000).ok());
    std::string forged = by_role_[Role::operate];
    forged.back() = forged.back() == '0' ? '1' : '0';
    refused_["wrong"] = forged;
    refused_["no token of ours"] = "secret";
    node_ = std::make_unique<Node>(config_, nullptr);
    const absl::Status status = node_->start();
    ASSERT_TRUE(status.ok()) << status;
  }
  void TearDown() override {
    node_.reset();
    AccessTest::TearDown();
  }
  HttpResponse ask(const Route& route, const std::string& token) {
    HttpClientOptions options;
    options.url = fmt::format("http://127.0.0.1:{}", node_->port());
    options.attempts_max = 1;
    options.token = token;
    auto client = HttpClient::make(options);
    EXPECT_TRUE(client.ok());
    std::string path = std::regex_replace(route.pattern, std::regex("\\{partition\\}"), "0");
    path = std::regex_replace(path, std::regex("\\{[a-z.]+\\}"), "1");
    if (route.pattern == "/v1/stream") path += "?topics=nothing";  // let in, it would go on for ever
    auto response = route.method == "GET" ? client->get(path) : client->post(path, "application/cloudevents+json", "{}");
    EXPECT_TRUE(response.ok()) << path << ": " << response.status();
    return response.ok() ? *std::move(response) : HttpResponse{};
  }
  Config config_;
  std::map<Role, std::string> by_role_;
  std::map<std::string, std::string> refused_;
  std::unique_ptr<Node> node_;
};

TEST_F(Routes, EachWithEveryRoleAndEveryTokenThatDoesNotCount) {
  ASSERT_GT(node_->routes().size(), 15U);
  for (const Route& route : node_->routes()) {
    const std::string name = route.method + " " + route.pattern;
    EXPECT_TRUE(is_in_access_table(route.method, route.pattern)) << name << " has no line in server/roles.cc";
    const std::optional<Role> needed = role_needed(route.method, route.pattern);
    refused_["no"] = "";
    for (const auto& [what, token] : refused_) {
      const HttpResponse response = ask(route, token);
      if (!needed) {
        // What is open may still not be there: no asset is called "1".
        EXPECT_EQ(response.status, route.pattern == "/assets/{name}" ? 404 : 200) << name << " with " << what << " token";
        continue;
      }
      EXPECT_EQ(response.status, 401) << name << " with " << what << " token";
      EXPECT_THAT(std::string(response.header("WWW-Authenticate").value_or("")), HasSubstr("Bearer realm=\"bukubesar\"")) << name;
      EXPECT_FALSE(response.header("Bukubesar-Cut").has_value()) << name;
      if (!token.empty()) {
        EXPECT_THAT(response.body, testing::Not(HasSubstr(token))) << name;
      }
    }
    if (!needed) continue;
    for (const auto& [role, token] : by_role_) {
      const HttpResponse response = ask(route, token);
      if (role == *needed) {
        EXPECT_TRUE(response.status != 401 && response.status != 403) << name << " with " << name_of(role) << ": " << response.body;
      } else {
        EXPECT_EQ(response.status, 403) << name << " with " << name_of(role);
        EXPECT_THAT(response.body,
                    HasSubstr(fmt::format("needs role {}; token {} has {}", name_of(*needed), name_of(role), name_of(role))));
      }
    }
  }
}

TEST_F(Routes, AStrangersUnknownPathIs401AndAReaders404) {
  Route nowhere;
  nowhere.method = "GET";
  nowhere.pattern = "/v1/nowhere";
  EXPECT_EQ(ask(nowhere, "").status, 401);
  EXPECT_EQ(ask(nowhere, by_role_[Role::read]).status, 404);
}

TEST_F(Routes, WhyAPayloadWasRejectedMayQuoteItAndNeedsAudit) {
  Route events;
  events.method = "POST";
  events.pattern = "/v1/events";
  const HttpResponse posted = ask(events, by_role_[Role::ingest]);
  ASSERT_EQ(posted.status, 200) << posted.body;
  ASSERT_THAT(posted.body, HasSubstr("rejected"));
  Token token;
  token.id = "auditor";
  token.roles = {Role::read, Role::audit};
  const std::string auditor = add(token);
  node_->reload_access();
  Route entry;
  entry.method = "GET";
  entry.pattern = "/v1/entries/0/0";
  EXPECT_THAT(ask(entry, by_role_[Role::read]).body, testing::Not(HasSubstr("\"detail\"")));
  EXPECT_THAT(ask(entry, auditor).body, HasSubstr("\"detail\""));
}

// docs/API.md has the table that the code has.
TEST_F(Routes, TheDocumentSaysWhatTheCodeSays) {
  const auto text = read_file(std::string(BUKUBESAR_SOURCE_DIR) + "/docs/API.md");
  ASSERT_TRUE(text.ok());
  std::map<std::string, std::string> written;
  const std::regex line(R"(\| `((?:GET|POST) [^`]+)` \| (read|audit|ingest|operate|–) \|)");
  for (auto at = std::sregex_iterator(text->begin(), text->end(), line); at != std::sregex_iterator(); ++at) written[(*at)[1]] = (*at)[2];
  std::map<std::string, std::string> known;
  for (const Route& route : node_->routes()) {
    const std::optional<Role> role = role_needed(route.method, route.pattern);
    known[route.method + " " + route.pattern] = role ? std::string(name_of(*role)) : "–";
  }
  EXPECT_EQ(written, known);
}

TEST_F(Routes, MetricsCountByTokenAndReason) {
  Route totals;
  totals.method = "GET";
  totals.pattern = "/v1/totals";
  ask(totals, by_role_[Role::read]);
  ask(totals, by_role_[Role::audit]);
  ask(totals, refused_["expired"]);
  Route metrics;
  metrics.method = "GET";
  metrics.pattern = "/metrics";
  const std::string text = ask(metrics, by_role_[Role::operate]).body;
  EXPECT_THAT(text, HasSubstr(R"(bukubesar_http_token_requests_total{token="read",outcome="allowed"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(bukubesar_http_token_requests_total{token="audit",outcome="refused_role"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(bukubesar_http_refused_total{why="expired"} 1)"));
  for (const auto& [role, token] : by_role_) EXPECT_THAT(text, testing::Not(HasSubstr(token)));
}

}  // namespace
}  // namespace bukubesar
