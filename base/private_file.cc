#include "base/private_file.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/status.h"

namespace bukubesar {

absl::StatusOr<std::string> read_private_file(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077U) != 0)
    return failed_precondition("{}: mode {:o} lets others at it, and it holds a secret; chmod 600 it", path, info.st_mode & 0777U);
  return read_file(path);
}

FileStamp file_stamp(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  const auto nanoseconds = [](const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
  return {info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size), nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

}  // namespace bukubesar
