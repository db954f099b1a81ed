#include "server/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status.h"

namespace bukubesar {

DataLock::~DataLock() {
  if (fd_ >= 0) ::close(fd_);
}

DataLock& DataLock::operator=(DataLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

absl::StatusOr<DataLock> DataLock::take(const std::string& data_dir) {
  const std::string path = data_dir + "/lock";
  DataLock lock;
  lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock.fd_ < 0) return unavailable("{}: {}", path, std::strerror(errno));
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    char owner[32] = {};
    const ssize_t got = ::pread(lock.fd_, owner, sizeof owner - 1, 0);
    return failed_precondition("{} is in use by process {}; stop it first, or choose another directory with --data", data_dir,
                               got > 0 ? std::string(owner, static_cast<std::size_t>(got)) : "unknown");
  }
  const std::string owner = std::to_string(::getpid());
  if (::ftruncate(lock.fd_, 0) != 0 || ::pwrite(lock.fd_, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size()))
    return unavailable("{}: {}", path, std::strerror(errno));
  return lock;
}

}  // namespace bukubesar
