#include "server/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"

namespace bukubesar {
namespace {

using testing::HasSubstr;
using testing::Not;

class Tokens : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fmt::format("{}/bukubesar_tokens_{}_{}", testing::TempDir(), ::getpid(),
                             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    path_ = directory_ + "/tokens.jsonl";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string add(const std::string& id, Roles roles = {Role::read}) {
    Token token;
    token.id = id;
    token.roles = roles;
    const auto text = add_token(path_, token);
    EXPECT_TRUE(text.ok()) << text.status();
    return text.value_or("");
  }
  std::string wrong(const std::string& content) {
    EXPECT_TRUE(write_file_durably(path_, content, 0600).ok());
    return message_of(load_tokens(path_).status());
  }
  std::string directory_, path_;
};

TEST_F(Tokens, TheFileHoldsTheHashAndNotTheText) {
  const std::string text = add("bpkp", {Role::read, Role::audit});
  EXPECT_EQ(text.substr(0, 9), "bkb_bpkp_");
  EXPECT_EQ(text.size(), 9U + 64U);
  const std::string file = *read_file(path_);
  EXPECT_THAT(file, Not(HasSubstr(text.substr(9))));
  EXPECT_THAT(file, HasSubstr(hex(as_view(sha256(text)))));
  const auto tokens = load_tokens(path_);
  ASSERT_TRUE(tokens.ok());
  ASSERT_EQ(tokens->size(), 1U);
  EXPECT_TRUE(tokens->front().roles == (Roles{Role::read, Role::audit}));
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_NE(add("other"), text);
}

TEST_F(Tokens, AnIdIsGivenOnce) {
  add("a");
  EXPECT_TRUE(revoke_token(path_, "a", 1000).ok());
  Token again;
  again.id = "a";
  again.roles = {Role::read};
  EXPECT_TRUE(absl::IsFailedPrecondition(add_token(path_, again).status()));
  EXPECT_TRUE(absl::IsNotFound(revoke_token(path_, "b", 1000)));
  EXPECT_EQ(load_tokens(path_)->front().state(2000), "revoked");
}

TEST_F(Tokens, ManyHandsLoseNothing) {
  std::vector<std::thread> hands;
  for (int hand = 0; hand < 8; ++hand)
    hands.emplace_back([this, hand] {
      for (int i = 0; i < 5; ++i) add(fmt::format("t-{}-{}", hand, i));
    });
  for (std::thread& hand : hands) hand.join();
  EXPECT_EQ(load_tokens(path_)->size(), 40U);
}

TEST_F(Tokens, RefusesAFileThatOthersMayRead) {
  add("a");
  for (const mode_t mode : {0640U, 0604U, 0660U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    EXPECT_TRUE(absl::IsFailedPrecondition(load_tokens(path_).status())) << mode;
  }
}

TEST_F(Tokens, NamesEveryWrongLineAndQuotesNoSecret) {
  const std::string secret = add("good");
  const std::string good = *read_file(path_);
  EXPECT_THAT(wrong(good + good), HasSubstr(path_ + ":2: id good stands twice"));
  EXPECT_THAT(wrong(good + "{}\n"), HasSubstr(":2: hash: must be 64 hex digits"));
  // Somebody has pasted the token itself.
  const std::string pasted = wrong(good + secret + "\n" + "{\"id\":\"" + secret + "\"}\n");
  EXPECT_THAT(pasted, HasSubstr(":2: is no JSON object"));
  EXPECT_THAT(pasted, HasSubstr(":3: id: must be 1 … 40 of a-z, 0-9 and '-'"));
  EXPECT_THAT(pasted, Not(HasSubstr(secret)));
  std::string renamed = good;
  renamed.replace(renamed.find("\"read\""), 6, "\"root\"");
  EXPECT_THAT(wrong(renamed), HasSubstr("roles: holds something that is none of read, audit, ingest, operate"));
}

TEST_F(Tokens, OnlyWholeTextsNameAnId) {
  const std::string text = add("a-1");
  EXPECT_EQ(token_id_of(text).value_or(""), "a-1");
  for (const std::string& broken : {text.substr(1), text.substr(0, text.size() - 1), text + "0", std::string("bkb_A_") + text.substr(8),
                                    std::string("bkb_a-1"), std::string(), "bkb__" + text.substr(8)})
    EXPECT_FALSE(token_id_of(broken).has_value()) << broken;
}

}  // namespace
}  // namespace bukubesar
