#include "adapters/secret_file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/private_file.h"

namespace bukubesar {
namespace {

using ::testing::HasSubstr;

class Secret : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }
  void TearDown() override { std::filesystem::remove(path_); }
  const std::string path_ = ::testing::TempDir() + "bukubesar_secret_" + std::to_string(::getpid());
};

TEST_F(Secret, IsMadeOnceAndReadAgain) {
  const auto made = read_or_make_secret(path_);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(made->made);
  const auto again = read_or_make_secret(path_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->made);
  EXPECT_EQ(again->secret, made->secret);
}

TEST_F(Secret, AnyChangedDigitIsFound) {
  ASSERT_TRUE(read_or_make_secret(path_).ok());
  const std::string sound = *read_file(path_);
  for (std::size_t i = 0; i + 1 < sound.size(); ++i) {  // all but the line's end
    std::string damaged = sound;
    damaged[i] = damaged[i] == '0' ? '1' : '0';
    ASSERT_TRUE(write_file_durably(path_, damaged, 0600).ok());
    const auto got = read_or_make_secret(path_);
    ASSERT_FALSE(got.ok()) << i;
    EXPECT_THAT(std::string(got.status().message()), HasSubstr(path_)) << i;
  }
}

TEST_F(Secret, AKeyOfYourOwnNeedsNoCheck) {
  ASSERT_TRUE(write_file_durably(path_, std::string(64, 'a') + "\n", 0600).ok());
  const auto got = read_or_make_secret(path_);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->secret, std::string(32, '\xaa'));
}

}  // namespace
}  // namespace bukubesar
