#include "server/reads_log.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/thread.h"
#include "base/time.h"
#include "server/json.h"

namespace bukubesar {

namespace {

constexpr std::string_view kChainBegins = "bukubesar reads 1\n";

std::string hash_of(std::string_view line_with_newline) { return hex(as_view(sha256(line_with_newline))); }
std::string first_hash() { return hash_of(kChainBegins); }
std::string file_name(std::uint64_t first) { return fmt::format("{:012}.jsonl", first); }
std::string head_path(const std::string& directory) { return directory + ".head"; }

std::string head_text(const ReadsHead& head) { return fmt::format("bukubesar reads head 1\n{}\n{}\n", head.lines, head.hash); }

std::optional<ReadsHead> parse_head(std::string_view text) {
  ReadsHead head;
  std::string rest(text);
  const std::size_t first = rest.find('\n');
  const std::size_t second = first == std::string::npos ? first : rest.find('\n', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const std::string number = rest.substr(first + 1, second - first - 1);
  if (number.empty() || number.size() > 18 || number.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  head.lines = std::stoull(number);
  head.hash = rest.substr(second + 1, rest.size() - second - 2);
  return head_text(head) == rest && head.hash.size() == 64 ? std::optional(head) : std::nullopt;
}

// By the number of their first line, as their names say.
absl::StatusOr<std::map<std::uint64_t, std::string>> files_of(const std::string& directory) {
  std::map<std::uint64_t, std::string> files;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, names_in(directory));
  for (const std::string& name : names)
    if (name.size() == 18 && name.ends_with(".jsonl") && name.find_first_not_of("0123456789") == 12) files[std::stoull(name)] = name;
  return files;
}

// Goes over lines as they follow each other, and says what is wrong with one.
class ChainCheck {
 public:
  // Empty: the line continues the chain. `line` without its newline.
  std::string next(std::string_view line) {
    const Json json = Json::parse(line, nullptr, false);
    std::string wrong;
    if (!json.is_object() || !json.contains("n") || !json["n"].is_number_unsigned() || !json.contains("previous") ||
        !json["previous"].is_string())
      wrong = "it is no line of this log";
    else if (json["previous"] != head_.hash)
      wrong =
          fmt::format("it does not continue the line before it: previous want {} got {}", head_.hash, json["previous"].get<std::string>());
    else if (json["n"] != head_.lines)
      wrong = fmt::format("n want {} got {}", head_.lines, json["n"].get<std::uint64_t>());
    else if (json.contains("break"))
      wrong = "the log was broken when the server started: " + json["break"].dump();
    ++head_.lines;
    head_.hash = hash_of(std::string(line) + "\n");
    return wrong;
  }
  [[nodiscard]] const ReadsHead& head() const { return head_; }

 private:
  ReadsHead head_{0, first_hash()};
};

// What a log is like from its first line to its last, given what the head outside knows.
struct Walked {
  ReadsHead end{0, first_hash()};
  bool reaches_head = false;  // the line that the head names is there, with its hash
  std::string torn;           // bytes after the last newline
  std::string last_file;
  std::uint64_t last_bytes = 0;  // of it, without what is torn
  std::vector<std::pair<std::string, std::string>> findings;
};

absl::StatusOr<Walked> walk(const std::string& directory, const std::optional<ReadsHead>& recorded) {
  Walked to;
  ChainCheck chain;
  to.reaches_head = !recorded || recorded->lines == 0;
  ASSIGN_OR_RETURN(const auto files, files_of(directory));
  for (const auto& [first, name] : files) {
    ASSIGN_OR_RETURN(const std::string text, read_file(directory + "/" + name));
    if (!to.torn.empty()) to.findings.emplace_back("reads/" + to.last_file, "its last line is torn");
    if (first != chain.head().lines)
      to.findings.emplace_back("reads/" + name, fmt::format("begins with n {}, the lines before it end at {}", first, chain.head().lines));
    std::size_t number = 0;
    std::size_t at = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos; at = end + 1, end = text.find('\n', at)) {
      ++number;
      const std::string wrong = chain.next(std::string_view(text).substr(at, end - at));
      if (!wrong.empty()) to.findings.emplace_back(fmt::format("reads/{}:{}", name, number), wrong);
      if (recorded && chain.head().lines == recorded->lines) to.reaches_head = chain.head().hash == recorded->hash;
    }
    to.torn = text.substr(at);
    to.last_file = name;
    to.last_bytes = at;
  }
  to.end = chain.head();
  return to;
}

absl::StatusOr<std::optional<ReadsHead>> read_head(const std::string& directory) {
  const auto text = read_file(head_path(directory));
  if (absl::IsNotFound(text.status())) return std::optional<ReadsHead>();
  RETURN_IF_ERROR(text.status());
  auto head = parse_head(*text);
  if (!head) return data_loss("{}: it is damaged", head_path(directory));
  return head;
}

constexpr std::string_view kNoHead = "it is missing, although there are lines";

std::string not_reached(const ReadsHead& recorded, const ReadsHead& end) {
  return recorded.lines > end.lines
             ? fmt::format("{} lines are known to have been written, {} are there: lines are missing at the end", recorded.lines, end.lines)
             : fmt::format("line {} is not the one that was written: its hash was {}", recorded.lines - 1, recorded.hash);
}

}  // namespace

struct ReadsLog::Impl {
  ReadsLogOptions options;
  std::string trouble;

  mutable absl::Mutex mutex;
  ReadsHead head ABSL_GUARDED_BY(mutex){0, first_hash()};
  int file ABSL_GUARDED_BY(mutex) = -1;
  std::uint64_t file_bytes ABSL_GUARDED_BY(mutex) = 0;
  std::string unsynced ABSL_GUARDED_BY(mutex);      // the file's end, as far as no sync has covered it
  bool sync_failed ABSL_GUARDED_BY(mutex) = false;  // the disk may not have it, and no later sync would write it
  std::string failed ABSL_GUARDED_BY(mutex);        // a write that failed half way: nothing more is written
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool dirty ABSL_GUARDED_BY(mutex) = false;

  absl::Mutex sync_mutex;  // one sync or change of the file at a time; taken before mutex
  std::thread syncing;

  absl::Status open();
  absl::Status open_file(std::uint64_t first) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status open_next_file_where_full();
  absl::Status write_at(std::uint64_t at, std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status write_line(Json line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status write_unsynced_again() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status sync_lines(ReadsHead& synced) ABSL_EXCLUSIVE_LOCKS_REQUIRED(sync_mutex);
  absl::Status sync();
  void sync_loop();
};

absl::Status ReadsLog::Impl::open_file(std::uint64_t first) {
  const std::string path = options.directory + "/" + file_name(first);
  const int next = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
  if (next < 0) return unavailable("open {}: {}", path, std::strerror(errno));
  struct stat info {};
  const absl::Status opened =
      ::fstat(next, &info) == 0 ? sync_directory(options.directory) : unavailable("stat {}: {}", path, std::strerror(errno));
  ::close(opened.ok() ? std::exchange(file, next) : next);
  if (opened.ok()) file_bytes = static_cast<std::uint64_t>(info.st_size);
  return opened;
}

absl::Status ReadsLog::Impl::open_next_file_where_full() {
  {
    absl::MutexLock lock(&mutex);
    if (file_bytes < options.file_bytes_max) return absl::OkStatus();
  }
  absl::MutexLock one(&sync_mutex);
  absl::MutexLock lock(&mutex);
  if (file_bytes < options.file_bytes_max) return absl::OkStatus();  // another thread was faster
  RETURN_IF_ERROR(write_unsynced_again());
  sync_failed = options.sync_file(file) != 0;
  if (sync_failed) return unavailable("sync {}: {}", options.directory, std::strerror(errno));
  unsynced.clear();
  return open_file(head.lines);
}

absl::Status ReadsLog::Impl::open() {
  RETURN_IF_ERROR(make_directories(options.directory));
  const auto recorded = read_head(options.directory);
  if (absl::IsUnavailable(recorded.status())) return recorded.status();
  if (!recorded.ok()) trouble = message_of(recorded.status());
  ASSIGN_OR_RETURN(const Walked walked, walk(options.directory, recorded.ok() ? *recorded : std::nullopt));
  // Lines that were damaged since stay where they are, for verify to name; the chain goes on behind them.
  if (recorded.ok() && *recorded && !walked.reaches_head) trouble = not_reached(**recorded, walked.end);
  if (recorded.ok() && !*recorded) {
    // From the first start on there is a head, so that one that is missing was taken away.
    if (walked.end.lines > 0) trouble = fmt::format("{}: {}", head_path(options.directory), kNoHead);
    if (walked.end.lines == 0) RETURN_IF_ERROR(write_file_durably(head_path(options.directory), head_text(walked.end), 0640));
  }
  absl::MutexLock lock(&mutex);
  head = walked.end;
  // What a crash tore was never synced, nor answered: the line after it takes its place.
  if (!walked.torn.empty()) RETURN_IF_ERROR(cut_file(options.directory + "/" + walked.last_file, walked.last_bytes));
  ASSIGN_OR_RETURN(const auto files, files_of(options.directory));
  const bool fresh = files.empty() || !trouble.empty();
  RETURN_IF_ERROR(open_file(fresh ? head.lines : files.rbegin()->first));
  if (trouble.empty()) return absl::OkStatus();
  spdlog::error("the log of reads is damaged: {}", trouble);
  return write_line({{"break", trouble}});
}

absl::Status ReadsLog::Impl::write_at(std::uint64_t at, std::string_view text) {
  if (::lseek(file, static_cast<off_t>(at), SEEK_SET) < 0) return unavailable("{}: {}", options.directory, std::strerror(errno));
  return write_all(file, text, options.directory);
}

// After a failed sync the system takes its pages for written, and the next sync says that all is well: only what is written anew counts.
absl::Status ReadsLog::Impl::write_unsynced_again() {
  if (sync_failed) RETURN_IF_ERROR(write_at(file_bytes - unsynced.size(), unsynced));
  sync_failed = false;
  return absl::OkStatus();
}

absl::Status ReadsLog::Impl::write_line(Json line) {
  if (!failed.empty()) return absl::UnavailableError(failed);
  Json whole = {{"n", head.lines}, {"at", format_instant_ms(options.clock->wall_ms(), 0)}};
  whole.update(line);
  whole["previous"] = head.hash;
  const std::string text = to_text(whole) + "\n";
  if (const absl::Status written = with_context(write_at(file_bytes, text), "the log of reads can't be written"); !written.ok()) {
    // A line that is there in part is taken away again, so that the next one can be tried.
    if (::ftruncate(file, static_cast<off_t>(file_bytes)) != 0) failed = message_of(written);
    return written;
  }
  file_bytes += text.size();
  unsynced += text;
  ++head.lines;
  head.hash = hash_of(text);
  dirty = true;
  return absl::OkStatus();
}

// Lines are written beside it. Nobody changes the file, which sync_mutex is for.
absl::Status ReadsLog::Impl::sync_lines(ReadsHead& synced) {
  std::size_t bytes = 0;
  int current = -1;
  {
    absl::MutexLock lock(&mutex);
    RETURN_IF_ERROR(write_unsynced_again());
    synced = head;
    bytes = unsynced.size();
    current = file;
  }
  const bool ok = options.sync_file(current) == 0;
  const int error = errno;
  absl::MutexLock lock(&mutex);
  sync_failed = !ok;
  if (!ok) return unavailable("sync {}: {}", options.directory, std::strerror(error));
  unsynced.erase(0, bytes);
  return absl::OkStatus();
}

absl::Status ReadsLog::Impl::sync() {
  absl::MutexLock one(&sync_mutex);
  {
    absl::MutexLock lock(&mutex);
    if (!std::exchange(dirty, false)) return absl::OkStatus();
  }
  ReadsHead synced;
  absl::Status status = sync_lines(synced);
  if (status.ok()) status = write_file_durably(head_path(options.directory), head_text(synced), 0640);
  if (!status.ok()) {
    absl::MutexLock lock(&mutex);
    dirty = true;
  }
  return status;
}

void ReadsLog::Impl::sync_loop() {
  name_own_thread("reads-log");
  std::string last;
  while (true) {
    {
      absl::MutexLock lock(&mutex);
      if (mutex.AwaitWithTimeout(absl::Condition(&stopping), absl::Milliseconds(kReadsSyncMs))) return;
    }
    const absl::Status status = sync();
    if (const std::string now = message_of(status); now != last) {
      if (!status.ok()) spdlog::error("{}", now);
      last = now;
    }
  }
}

ReadsLog::ReadsLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ReadsLog::~ReadsLog() {
  {
    absl::MutexLock lock(&impl_->mutex);
    impl_->stopping = true;
  }
  if (impl_->syncing.joinable()) impl_->syncing.join();
  if (const absl::Status status = impl_->sync(); !status.ok()) spdlog::error("{}", message_of(status));
  absl::MutexLock lock(&impl_->mutex);
  if (impl_->file >= 0) ::close(impl_->file);
}

absl::StatusOr<std::unique_ptr<ReadsLog>> ReadsLog::open(ReadsLogOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  RETURN_IF_ERROR(impl->open());
  impl->syncing = std::thread([raw = impl.get()] { raw->sync_loop(); });
  return std::unique_ptr<ReadsLog>(new ReadsLog(std::move(impl)));
}

absl::Status ReadsLog::append(const AuditedRead& read) {
  RETURN_IF_ERROR(impl_->open_next_file_where_full());
  absl::MutexLock lock(&impl_->mutex);
  return impl_->write_line({{"token", text_or_null(read.token)},
                            {"method", read.method},
                            {"path", read.path},
                            {"status", read.status},
                            {"cut", text_or_null(read.cut)}});
}

absl::Status ReadsLog::sync() { return impl_->sync(); }

ReadsHead ReadsLog::head() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->head;
}

const std::string& ReadsLog::trouble() const { return impl_->trouble; }

absl::StatusOr<std::vector<std::string>> ReadsLog::lines(std::uint64_t first, std::size_t count) const {
  const std::uint64_t limit = std::min<std::uint64_t>(head().lines, first + count);
  std::vector<std::string> to;
  ASSIGN_OR_RETURN(const auto files, files_of(impl_->options.directory));
  auto at = files.upper_bound(first);
  if (at != files.begin()) --at;
  for (; at != files.end() && at->first < limit; ++at) {
    ASSIGN_OR_RETURN(const std::string text, read_file(impl_->options.directory + "/" + at->second));
    std::uint64_t n = at->first;
    std::size_t from = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos && n < limit; from = end + 1, end = text.find('\n', from), ++n)
      if (n >= first) to.push_back(text.substr(from, end - from));
  }
  return to;
}

ReadsCheck check_reads(const std::string& directory) {
  ReadsCheck to;
  const auto recorded = read_head(directory);
  if (!recorded.ok()) to.findings.emplace_back("reads.head", message_of(recorded.status()));
  const auto walked = walk(directory, recorded.ok() ? *recorded : std::nullopt);
  if (!walked.ok()) {
    to.findings.emplace_back("reads", message_of(walked.status()));
    return to;
  }
  to.lines = walked->end.lines;
  for (const auto& finding : walked->findings) to.findings.push_back(finding);
  if (recorded.ok() && *recorded && !walked->reaches_head) to.findings.emplace_back("reads", not_reached(**recorded, walked->end));
  if (recorded.ok() && !*recorded && walked->end.lines > 0) to.findings.emplace_back("reads.head", kNoHead);
  return to;
}

}  // namespace bukubesar
