// Files whose loss would matter: written whole, synced, renamed into place, and the directory synced.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/crash_point.h"

namespace bukubesar {

// NotFound where the file does not exist; Unavailable, with errno's text, for any other refusal.
[[nodiscard]] absl::StatusOr<std::string> read_file(const std::string& path);

// After it returns OK the whole new content survives power loss; before, the old one does. `mode` as in open(2). `half_written`: where a
// test may end the process with half of the bytes in the file.
[[nodiscard]] absl::Status write_file_durably(const std::string& path, std::string_view content, unsigned mode = 0644,
                                              CrashPoint half_written = "file_begun");

// Appends and syncs. The file is made where it is missing (and its directory synced).
[[nodiscard]] absl::Status append_file_durably(const std::string& path, std::string_view content, unsigned mode = 0644);

// What lies beyond the first `bytes` is cut off. Not synced. Errors as of read_file().
[[nodiscard]] absl::Status cut_file(const std::string& path, std::size_t bytes);

// All of it, however many calls that takes. `path` is for the message.
[[nodiscard]] absl::Status write_all(int fd, std::string_view content, const std::string& path);

// OK where the disk of `directory` takes so many bytes more now. They are written, synced and gone again, also after a crash.
[[nodiscard]] absl::Status check_room(const std::string& directory, std::size_t bytes);

// With all that is missing on the way; their names survive power loss.
[[nodiscard]] absl::Status make_directories(const std::string& path);
[[nodiscard]] absl::Status sync_directory(const std::string& path);

// Sorted; none where there is no such directory. Unavailable: it could not be read to its end.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> names_in(const std::string& directory);
// The paths of the files in it and in its directories, each beginning with `directory`.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> files_under(const std::string& directory);

}  // namespace bukubesar
