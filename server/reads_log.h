// ReadsLog: who asked for which payload or export, when, at which cut. Append-only, one JSON object a line, each with the hash of the line
// before it; `verify` reads it.
//
//   {"n":812,"at":"2023-05-11T01:12:00.123Z","token":"auditor","method":"GET","path":"/payload/0/812","status":200,"cut":"0=900,reference=3",
//    "previous":"<hex>"}
//
// `previous` is the SHA-256 of the line before, its newline included; of the first one that of "bukubesar reads 1\n". A file is closed at
// kReadsFileBytesMax and the next one goes on with the chain; it is named by its first n. Beside the directory `<directory>.head` has n and
// hash of the newest line that is synced: lines cut off at the end are missed there. If the log does not reach what the head says, a line
// with "break" says so in the log itself, and the chain goes on.
//
// Threads  any.
// Crash    a line is written before its answer goes out, and synced within kReadsSyncMs: power loss may take lines of that long.
// Errors   Unavailable: the disk refuses; the answer that was to be written down is then not given.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"

namespace bukubesar {

inline constexpr std::uint64_t kReadsFileBytesMax = 16U << 20;
inline constexpr int kReadsSyncMs = 200;

struct ReadsHead {
  std::uint64_t lines = 0;
  std::string hash;  // hex, of the last line
};

struct AuditedRead {
  std::string_view token, method, path, cut;
  unsigned status = 0;
};

struct ReadsLogOptions {
  std::string directory;  // <data_dir>/reads
  std::uint64_t file_bytes_max = kReadsFileBytesMax;
  const Clock* clock = &Clock::system();
  std::function<int(int fd)> sync_file = ::fdatasync;  // tests: a disk that refuses
};

class ReadsLog {
 public:
  static absl::StatusOr<std::unique_ptr<ReadsLog>> open(ReadsLogOptions options);
  ~ReadsLog();  // syncs
  [[nodiscard]] absl::Status append(const AuditedRead& read);
  [[nodiscard]] absl::Status sync();
  [[nodiscard]] ReadsHead head() const;
  // Why the log did not follow its head when it was opened; empty: it did.
  [[nodiscard]] const std::string& trouble() const;
  // Lines [first, first + count) as they are stored, without newlines; fewer at the end.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> lines(std::uint64_t first, std::size_t count) const;

 private:
  struct Impl;
  explicit ReadsLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct ReadsCheck {
  std::uint64_t lines = 0;
  std::vector<std::pair<std::string, std::string>> findings;  // place ("reads/000000000000.jsonl:17"), what
};
// Every line, the chain, and the head. A directory that is not there has no lines. While a server appends beside it, what came after the
// head that was read first is not looked at for its end.
[[nodiscard]] ReadsCheck check_reads(const std::string& directory);

}  // namespace bukubesar
