#include "server/data_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status.h"

namespace bukubesar {

namespace {

struct flock whole_file() {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

std::string written_owner(int fd) {
  char owner[32] = {};
  const ssize_t got = ::pread(fd, owner, sizeof owner - 1, 0);
  return got > 0 ? std::string(owner, static_cast<std::size_t>(got)) : "unknown";
}

}  // namespace

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
  struct flock whole = whole_file();
  if (::fcntl(lock.fd_, F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) return unavailable("{}: {}", path, std::strerror(errno));
    return failed_precondition("{} is in use by process {}; stop it first, or choose another directory with --data", data_dir,
                               written_owner(lock.fd_));
  }
  const std::string owner = std::to_string(::getpid());
  if (::ftruncate(lock.fd_, 0) != 0 || ::pwrite(lock.fd_, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size()))
    return unavailable("{}: {}", path, std::strerror(errno));
  return lock;
}

absl::StatusOr<std::optional<std::string>> DataLock::owner(const std::string& data_dir) {
  const std::string path = data_dir + "/lock";
  DataLock lock;  // only for its descriptor
  lock.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (lock.fd_ < 0 && errno == ENOENT) return std::optional<std::string>();
  if (lock.fd_ < 0) return unavailable("{}: {}", path, std::strerror(errno));
  struct flock whole = whole_file();
  if (::fcntl(lock.fd_, F_OFD_GETLK, &whole) != 0) return unavailable("{}: {}", path, std::strerror(errno));
  if (whole.l_type == F_UNLCK) return std::optional<std::string>();
  return std::optional<std::string>(written_owner(lock.fd_));
}

}  // namespace bukubesar
