// What a test does in a process of its own, since nobody else in this one should meet it: limits of the process, ends without destructors.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace bukubesar::testing_support {

inline constexpr int kNoExit = -1;  // a signal ended it

// Waits for the process and returns its exit code.
[[nodiscard]] inline int exit_code_of(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return kNoExit;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kNoExit;
}

// body: returns the exit code, by which it says what went wrong; 0: nothing. What it made is destroyed; what was made before it is not.
template <class Body>
[[nodiscard]] int exit_code_of_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  return exit_code_of(child);
}

// As on a disk that is full for a while: no file of this process grows beyond so many bytes (setrlimit(2)).
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    limit(bytes);
  }
  ~FullDisk() { limit(RLIM_INFINITY); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  static void limit(rlim_t bytes) {
    const rlimit soft{bytes, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_FSIZE, &soft) != 0) std::abort();
  }
};

}  // namespace bukubesar::testing_support
