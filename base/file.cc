#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/crash_point.h"
#include "base/status.h"

namespace bukubesar {

namespace {

absl::Status refused(std::string_view what, const std::string& path) {
  const int error = errno;
  const std::string text = fmt::format("{} {}: {}", what, path, std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::UnavailableError(text);
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string directory_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

// What a loop over the iterator would throw is returned.
template <class Iterator, class Take>
absl::StatusOr<std::vector<std::string>> listed(const std::string& directory, const Take& take) {
  std::vector<std::string> found;
  std::error_code error;
  Iterator at(directory, error);
  if (error == std::errc::no_such_file_or_directory) return found;
  while (!error && at != Iterator()) {
    take(*at, found, error);
    if (!error) at.increment(error);
  }
  if (error) return unavailable("read directory {}: {}", directory, error.message());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

absl::Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return refused("write", path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> read_file(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return refused("open", path);
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return refused("read", path);
    if (count == 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
  }
}

absl::Status write_file_durably(const std::string& path, std::string_view content, unsigned mode, CrashPoint half_written) {
  const std::string temporary = path + ".new";
  {
    const FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!file.ok()) return refused("open", temporary);
    RETURN_IF_ERROR(write_all(file.get(), content.substr(0, content.size() / 2), temporary));
    crash_point(half_written);
    RETURN_IF_ERROR(write_all(file.get(), content.substr(content.size() / 2), temporary));
    if (::fsync(file.get()) != 0) return refused("fsync", temporary);
  }
  crash_point("file_written");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return refused("rename", path);
  crash_point("file_renamed");
  return sync_directory(directory_of(path));
}

absl::Status append_file_durably(const std::string& path, std::string_view content, unsigned mode) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, mode));
  if (!file.ok()) return refused("open", path);
  struct stat before {};
  if (::fstat(file.get(), &before) != 0) return refused("stat", path);
  absl::Status status = write_all(file.get(), content, path);
  if (status.ok() && ::fsync(file.get()) != 0) status = refused("fsync", path);
  if (!status.ok()) {
    // What is there in part goes again, or the next append would be glued to it.
    if (::ftruncate(file.get(), before.st_size) != 0) return with_context(refused("truncate", path), message_of(status));
    return status;
  }
  return before.st_size == 0 ? sync_directory(directory_of(path)) : absl::OkStatus();
}

absl::Status cut_file(const std::string& path, std::size_t bytes) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.ok()) return refused("open", path);
  return ::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0 ? absl::OkStatus() : refused("truncate", path);
}

absl::Status check_room(const std::string& directory, std::size_t bytes) {
  const std::string path = directory + "/room";
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.ok()) return refused("open", path);
  if (::unlink(path.c_str()) != 0) return refused("unlink", path);
  constexpr std::size_t kStep = 1U << 20;
  const std::string zeros(std::min(bytes, kStep), '\0');
  for (std::size_t left = bytes; left > 0; left -= std::min(left, zeros.size()))
    RETURN_IF_ERROR(write_all(file.get(), std::string_view(zeros).substr(0, left), path));
  return ::fsync(file.get()) == 0 ? absl::OkStatus() : refused("fsync", path);
}

absl::Status make_directories(const std::string& path) {
  std::error_code error;
  std::vector<std::filesystem::path> parents;  // of what is missing: names there are not safe until they are synced
  for (auto at = std::filesystem::absolute(path, error); !error && !std::filesystem::exists(at, error); at = at.parent_path())
    parents.push_back(at.parent_path());
  if (!error) std::filesystem::create_directories(path, error);
  if (error) return unavailable("make directory {}: {}", path, error.message());
  for (const auto& parent : parents) RETURN_IF_ERROR(sync_directory(parent.string()));
  return absl::OkStatus();
}

absl::Status sync_directory(const std::string& path) {
  const FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok()) return refused("open", path);
  if (::fsync(directory.get()) != 0) return refused("fsync", path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> names_in(const std::string& directory) {
  const auto take = [](const std::filesystem::directory_entry& entry, std::vector<std::string>& found, std::error_code&) {
    found.push_back(entry.path().filename().string());
  };
  return listed<std::filesystem::directory_iterator>(directory, take);
}

absl::StatusOr<std::vector<std::string>> files_under(const std::string& directory) {
  const auto take = [](const std::filesystem::directory_entry& entry, std::vector<std::string>& found, std::error_code& error) {
    if (entry.is_regular_file(error)) found.push_back(entry.path().string());
    if (error == std::errc::no_such_file_or_directory) error.clear();  // removed meanwhile
  };
  return listed<std::filesystem::recursive_directory_iterator>(directory, take);
}

}  // namespace bukubesar
