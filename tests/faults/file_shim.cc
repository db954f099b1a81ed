// file_shim: an LD_PRELOAD library between a program and its files below FILE_SHIM_ROOT. It records what would reach the disk, counts
// calls, and makes one of them fail. tests/faults/file_shim.py speaks to it.
//
//   FILE_SHIM_ROOT=DIR        what it looks at; everything else passes through
//   FILE_SHIM_RECORD=FILE     each changing call with its data, in the order of its effects (format: struct Head)
//   FILE_SHIM_TRACE=FILE      "call class" for each call, one a line; class: the path below ROOT with digits as #
//   FILE_SHIM_FAULT=call|class|nth|action   action: an errno's number, short (half is written), kill, tear (half, then kill)
//   FILE_SHIM_FIRED=FILE      made when the fault has struck: holds the size of the log then (of the file that is standard error)
//   FILE_SHIM_FULL=FILE       while this file exists the disk is full: ENOSPC for whatever needs room
//
// A close that fails has closed, as on Linux. Directories are read through opendir and readdir, or openat, fdopendir and readdir.
//
// Not seen: stdio's own writes (RocksDB's notes for people) and memory maps, which the program does not write through.
// Passed through: what asks and locks (stat, access, statvfs, lseek, flock, fcntl), truncate by name (which nobody here calls), closedir.
// Threads  any; calls below ROOT are serialised, so that the record's order is that of the effects.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

// Without a guard around the first call: a sanitizer's runtime would want to see it, and calls us before it is up itself.
#define REAL(name)                                                       \
  (*[] {                                                                 \
    static std::atomic<void*> found;                                     \
    if (found.load() == nullptr) found.store(::dlsym(RTLD_NEXT, #name)); \
    return reinterpret_cast<decltype(name)*>(found.load());              \
  }())

struct Fault {
  std::string call, path_class, action;
  long left = 0;
};

// Opened by name, never closed: the process's end does that.
struct Shim {
  std::string root, full, fired;
  int record = -1, trace = -1;
  Fault fault;
  std::recursive_mutex mutex;
  std::map<int, std::string> paths;  // of open descriptors below root
  struct Directory {
    std::string path;
    bool begun = false;
  };
  std::map<DIR*, Directory> directories;

  Shim() {
    root = text("FILE_SHIM_ROOT");
    full = text("FILE_SHIM_FULL");
    fired = text("FILE_SHIM_FIRED");
    const auto output = [](const std::string& path) {
      return path.empty() ? -1 : REAL(open)(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    };
    record = output(text("FILE_SHIM_RECORD"));
    trace = output(text("FILE_SHIM_TRACE"));
    std::vector<std::string> parts(1);
    for (const char c : text("FILE_SHIM_FAULT"))
      if (c == '|')
        parts.emplace_back();
      else
        parts.back() += c;
    if (parts.size() == 4) fault = {parts[0], parts[1], parts[3], std::atol(parts[2].c_str())};
  }
  static std::string text(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  }
};

Shim& shim() {
  static auto* const one = new Shim;
  return *one;
}

// A sanitizer's runtime starts before every library, and makes its reports' directory through us while nothing may allocate yet. Atomic,
// since compilers carry out plain constructors themselves.
std::atomic<bool> begun = false;
__attribute__((constructor)) void begin() { begun = true; }

bool watches() { return begun && !shim().root.empty(); }

// Absolute; nothing for what is not below root, and for RocksDB's notes.
std::string below_root(const char* path) {
  if (path == nullptr || !watches()) return {};
  const Shim& s = shim();
  std::string whole = path;
  if (whole.compare(0, s.root.size(), s.root) != 0) return {};
  if (whole.size() > s.root.size() && whole[s.root.size()] != '/') return {};
  if (whole.find("/ledger.log") != std::string::npos) return {};
  while (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  return whole;
}

// The same for a name in an open directory, as std::filesystem walks trees.
std::string below_root(int directory, const char* name) {
  if (name == nullptr || name[0] == '/' || !watches()) return below_root(name);
  const std::lock_guard lock(shim().mutex);
  const auto found = shim().paths.find(directory);
  return found == shim().paths.end() ? std::string() : below_root((found->second + "/" + name).c_str());
}

std::string class_of(const std::string& path) {
  std::string name = path.size() > shim().root.size() ? path.substr(shim().root.size() + 1) : ".";
  for (char& c : name)
    if (c >= '0' && c <= '9') c = '#';
  return name;
}

void put(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = REAL(write)(fd, bytes.data(), bytes.size());
    if (done <= 0) std::abort();
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
}

enum Op : std::uint8_t {
  create = 'C',
  cut = 'T',
  bytes = 'W',
  sync_file = 'S',
  sync_dir = 'D',
  sync_failed = 'F',
  moved = 'R',
  linked = 'L',  // the new name, then the one that was there
  removed = 'U',
  made_dir = 'M'
};

// Little-endian, then path, second path, data.
struct __attribute__((packed)) Head {
  std::uint8_t op;
  std::uint64_t inode, offset;
  std::uint32_t path_bytes, second_bytes, data_bytes;
};

void record(Op op, std::uint64_t inode, std::uint64_t offset, std::string_view path, std::string_view second, std::string_view data) {
  if (shim().record < 0) return;
  const Head head{op,
                  inode,
                  offset,
                  static_cast<std::uint32_t>(path.size()),
                  static_cast<std::uint32_t>(second.size()),
                  static_cast<std::uint32_t>(data.size())};
  std::string row(reinterpret_cast<const char*>(&head), sizeof head);
  row.append(path).append(second).append(data);
  put(shim().record, row);
}

std::uint64_t inode_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_ino : 0;
}

// What is to happen to this call: "" nothing.
std::string strike(const char* call, const std::string& path) {
  Shim& s = shim();
  const std::string path_class = class_of(path);
  if (s.trace >= 0) put(s.trace, std::string(call) + " " + path_class + "\n");
  if (s.fault.left <= 0 || s.fault.call != call || s.fault.path_class != path_class || --s.fault.left > 0) return {};
  if (!s.fired.empty()) {
    struct stat log {};
    const std::string size = ::fstat(STDERR_FILENO, &log) == 0 ? std::to_string(log.st_size) : "0";
    const int fired = REAL(open)(s.fired.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    put(fired, size);
    REAL(close)(fired);
  }
  if (s.fault.action == "kill") ::kill(::getpid(), SIGKILL);
  return s.fault.action;
}

bool fails(const std::string& action) {
  if (action.empty() || action[0] < '0' || action[0] > '9') return false;
  errno = std::atoi(action.c_str());
  return true;
}

bool no_room() {
  if (shim().full.empty() || ::access(shim().full.c_str(), F_OK) != 0) return false;
  errno = ENOSPC;
  return true;
}

// The descriptor's path; nothing where it is none of ours.
const std::string* path_of(int fd) {
  const auto found = shim().paths.find(fd);
  return found == shim().paths.end() ? nullptr : &found->second;
}

int open_file(const char* path, int flags, mode_t mode, const char* call = nullptr) {
  auto& real = REAL(open);
  const std::string ours = below_root(path);
  if (ours.empty()) return real(path, flags, mode);
  const std::lock_guard lock(shim().mutex);
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (fails(strike(call != nullptr ? call : writes ? "open" : "open_read", ours))) return -1;
  const bool is_new = (flags & O_CREAT) != 0 && ::access(path, F_OK) != 0;
  if (is_new && no_room()) return -1;
  const int fd = real(path, flags, mode);
  if (fd < 0) return fd;
  shim().paths[fd] = ours;
  if (is_new) record(create, inode_of(fd), 0, ours, {}, {});
  if (!is_new && writes && (flags & O_TRUNC) != 0) record(cut, inode_of(fd), 0, ours, {}, {});
  return fd;
}

ssize_t write_file(int fd, const char* data, std::size_t size, off_t offset) {
  const auto real = [&](std::size_t count) { return offset < 0 ? REAL(write)(fd, data, count) : REAL(pwrite64)(fd, data, count, offset); };
  if (!watches()) return real(size);
  const std::lock_guard lock(shim().mutex);
  const std::string* path = path_of(fd);
  if (path == nullptr) return real(size);
  const std::string action = strike("write", *path);
  if (fails(action) || no_room()) return -1;
  const bool half = (action == "short" || action == "tear") && size > 1;
  const ssize_t done = real(half ? size / 2 : size);
  if (done > 0) {
    const off_t at = offset < 0 ? ::lseek(fd, 0, SEEK_CUR) - done : offset;
    record(bytes, inode_of(fd), static_cast<std::uint64_t>(at), {}, {}, {data, static_cast<std::size_t>(done)});
  }
  if (action == "tear") ::kill(::getpid(), SIGKILL);
  return done;
}

int sync_one(int fd, int (*real)(int), const char* call) {
  if (!watches()) return real(fd);
  const std::lock_guard lock(shim().mutex);
  const std::string* path = path_of(fd);
  if (path == nullptr) return real(fd);
  if (fails(strike(call, *path))) {
    const int error = errno;
    record(sync_failed, inode_of(fd), 0, *path, {}, {});
    errno = error;
    return -1;
  }
  const int done = real(fd);
  struct stat info {};
  if (done == 0 && ::fstat(fd, &info) == 0) record(S_ISDIR(info.st_mode) ? sync_dir : sync_file, info.st_ino, 0, *path, {}, {});
  return done;
}

template <class Real>
ssize_t read_file(int fd, const char* call, Real real) {
  if (!watches()) return real();
  const std::lock_guard lock(shim().mutex);
  const std::string* path = path_of(fd);
  if (path != nullptr && fails(strike(call, *path))) return -1;
  return real();
}

int close_file(int fd) {
  if (!watches()) return REAL(close)(fd);
  const std::lock_guard lock(shim().mutex);
  const auto closed = shim().paths.extract(fd);
  const int done = REAL(close)(fd);
  return !closed.empty() && fails(strike("close", closed.mapped())) ? -1 : done;
}

DIR* keep(DIR* directory, const std::string& path) {
  if (directory != nullptr) shim().directories[directory] = {path};
  return directory;
}

template <class Real>
int change_name(const std::string& ours, const char* to, const char* call, Op op, Real real) {
  if (ours.empty()) return real();
  const std::lock_guard lock(shim().mutex);
  if (fails(strike(call, ours)) || ((op == made_dir || op == linked) && no_room())) return -1;
  const int done = real();
  if (done == 0) record(op, 0, 0, ours, to == nullptr ? std::string() : below_root(to), {});
  return done;
}

int truncate_file(int fd, off64_t size) {
  if (!watches()) return REAL(ftruncate64)(fd, size);
  const std::lock_guard lock(shim().mutex);
  const std::string* path = path_of(fd);
  if (path == nullptr) return REAL(ftruncate64)(fd, size);
  if (fails(strike("ftruncate", *path))) return -1;
  const int done = REAL(ftruncate64)(fd, size);
  if (done == 0) record(cut, inode_of(fd), static_cast<std::uint64_t>(size), {}, {}, {});
  return done;
}

int allocate(int fd, int mode, off64_t offset, off64_t size) {
  if (!watches()) return REAL(fallocate64)(fd, mode, offset, size);
  const std::lock_guard lock(shim().mutex);
  const std::string* path = path_of(fd);
  if (path != nullptr && (fails(strike("fallocate", *path)) || no_room())) return -1;
  return REAL(fallocate64)(fd, mode, offset, size);
}

mode_t mode_argument(int flags, va_list arguments) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0; }

}  // namespace

// NOLINTBEGIN: the C library's names, which its headers declare
extern "C" {
int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  return open_file(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  return open_file(path, flags, mode);
}
int __open_2(const char* path, int flags) { return open_file(path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_file(path, flags, 0); }
int openat(int directory, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_argument(flags, arguments);
  va_end(arguments);
  const std::string ours = below_root(directory, path);
  if (ours.empty()) return REAL(openat)(directory, path, flags, mode);
  return open_file(ours.c_str(), flags, mode, (flags & O_DIRECTORY) != 0 ? "opendir" : nullptr);
}
int close(int fd) { return close_file(fd); }
ssize_t write(int fd, const void* data, size_t size) { return write_file(fd, static_cast<const char*>(data), size, -1); }
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) { return write_file(fd, static_cast<const char*>(data), size, offset); }
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return write_file(fd, static_cast<const char*>(data), size, offset);
}
ssize_t read(int fd, void* data, size_t size) {
  return read_file(fd, "read", [&] { return REAL(read)(fd, data, size); });
}
ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  return read_file(fd, "read", [&] { return REAL(pread64)(fd, data, size, offset); });
}
ssize_t pread64(int fd, void* data, size_t size, off64_t offset) {
  return read_file(fd, "read", [&] { return REAL(pread64)(fd, data, size, offset); });
}
ssize_t __read_chk(int fd, void* data, size_t size, size_t) { return read(fd, data, size); }
ssize_t __pread_chk(int fd, void* data, size_t size, off_t offset, size_t) { return pread(fd, data, size, offset); }
ssize_t __pread64_chk(int fd, void* data, size_t size, off64_t offset, size_t) { return pread64(fd, data, size, offset); }
int fsync(int fd) { return sync_one(fd, &REAL(fsync), "fsync"); }
int fdatasync(int fd) { return sync_one(fd, &REAL(fdatasync), "fdatasync"); }
int ftruncate(int fd, off_t size) noexcept { return truncate_file(fd, size); }
int ftruncate64(int fd, off64_t size) noexcept { return truncate_file(fd, size); }
int fallocate(int fd, int mode, off_t offset, off_t size) { return allocate(fd, mode, offset, size); }
int fallocate64(int fd, int mode, off64_t offset, off64_t size) { return allocate(fd, mode, offset, size); }
int rename(const char* from, const char* to) noexcept {
  return change_name(below_root(from), to, "rename", moved, [&] { return REAL(rename)(from, to); });
}
int unlink(const char* path) noexcept {
  return change_name(below_root(path), nullptr, "unlink", removed, [&] { return REAL(unlink)(path); });
}
int rmdir(const char* path) noexcept {
  return change_name(below_root(path), nullptr, "rmdir", removed, [&] { return REAL(rmdir)(path); });
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  const char* call = (flags & AT_REMOVEDIR) != 0 ? "rmdir" : "unlink";
  return change_name(below_root(directory, path), nullptr, call, removed, [&] { return REAL(unlinkat)(directory, path, flags); });
}
int remove(const char* path) noexcept {
  return change_name(below_root(path), nullptr, "unlink", removed, [&] { return REAL(remove)(path); });
}
int link(const char* from, const char* to) noexcept {
  return change_name(below_root(to), from, "link", linked, [&] { return REAL(link)(from, to); });
}
DIR* opendir(const char* path) {
  const std::string ours = below_root(path);
  if (ours.empty()) return REAL(opendir)(path);
  const std::lock_guard lock(shim().mutex);
  return fails(strike("opendir", ours)) ? nullptr : keep(REAL(opendir)(path), ours);
}
DIR* fdopendir(int fd) {
  if (!watches()) return REAL(fdopendir)(fd);
  const std::lock_guard lock(shim().mutex);
  const std::string* path = path_of(fd);
  return path == nullptr ? REAL(fdopendir)(fd) : keep(REAL(fdopendir)(fd), *path);
}
dirent* readdir(DIR* directory) {
  if (!watches()) return REAL(readdir)(directory);
  const std::lock_guard lock(shim().mutex);
  const auto open = shim().directories.find(directory);
  if (open == shim().directories.end()) return REAL(readdir)(directory);
  // The system is asked at the first name, and again after the last one.
  if (!std::exchange(open->second.begun, true) && fails(strike("readdir", open->second.path))) return nullptr;
  dirent* entry = REAL(readdir)(directory);
  if (entry == nullptr) fails(strike("readdir", open->second.path));
  return entry;
}
int closedir(DIR* directory) {
  if (watches()) {
    const std::lock_guard lock(shim().mutex);
    shim().directories.erase(directory);
    shim().paths.erase(::dirfd(directory));
  }
  return REAL(closedir)(directory);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return change_name(below_root(path), nullptr, "mkdir", made_dir, [&] { return REAL(mkdir)(path, mode); });
}
}
// NOLINTEND
