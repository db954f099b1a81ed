// Files that hold a secret, and noticing that a file has changed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace bukubesar {

// As read_file() (base/file.h); FailedPrecondition where anybody but its owner may read or write it.
[[nodiscard]] absl::StatusOr<std::string> read_private_file(const std::string& path);

// Differs once a file was written, replaced, removed or its mode changed; links are followed.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;  // all 0: there is no file
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
[[nodiscard]] FileStamp file_stamp(const std::string& path);

}  // namespace bukubesar
