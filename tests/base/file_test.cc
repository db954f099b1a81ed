// What stands in a directory: sorted, with an error where it cannot be read to its end, and never an exception.
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/child.h"

namespace bukubesar {
namespace {

using testing_support::exit_code_of_child;

class Directory : public ::testing::Test {
 protected:
  Directory() {
    root_ = testing::TempDir() + "/file_" + std::to_string(::getpid()) + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(root_ + "/b/c");
    for (const char* name : {"/z", "/b/y", "/b/c/x"}) EXPECT_TRUE(write_file_durably(root_ + name, "").ok());
  }
  ~Directory() override { std::filesystem::remove_all(root_); }
  std::string root_;
};

TEST_F(Directory, IsListedSorted) {
  EXPECT_EQ(*names_in(root_), (std::vector<std::string>{"b", "z"}));
  EXPECT_EQ(*files_under(root_), (std::vector<std::string>{root_ + "/b/c/x", root_ + "/b/y", root_ + "/z"}));
}

TEST_F(Directory, ThatIsMissingHasNothingAndOneThatIsNoneIsRefused) {
  EXPECT_TRUE(names_in(root_ + "/no")->empty());
  EXPECT_TRUE(files_under(root_ + "/no")->empty());
  EXPECT_TRUE(absl::IsUnavailable(names_in(root_ + "/z").status()));
  EXPECT_TRUE(absl::IsUnavailable(files_under(root_ + "/z").status()));
}

// In a process of its own, that may open one file more: the directory is opened, those in it are not.
TEST_F(Directory, ThatIsReadInPartIsAnError) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer needs files itself to look at an object";
#endif
#endif
  const int code = exit_code_of_child([root = root_] {
    const int lowest = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(lowest);
    const rlimit few{static_cast<rlim_t>(lowest) + 1, static_cast<rlim_t>(lowest) + 1};
    if (lowest < 0 || ::setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
    if (!names_in(root).ok()) return 2;
    return absl::IsUnavailable(files_under(root).status()) ? 0 : 3;
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace bukubesar
