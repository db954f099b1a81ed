// Zip archives whose bytes depend on their contents alone: names sorted, one fixed time, one method. libzip stays inside zip_file.cc.
//
// Limits  kZipBytesMax of contents, unpacked; kZipFilesMax files.
// Errors  DataLoss names the file inside the archive that is damaged. InvalidArgument: a limit. NotFound, Unavailable: the disk.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace bukubesar {

inline constexpr std::uint64_t kZipBytesMax = 2ULL << 30;
inline constexpr std::uint64_t kZipFilesMax = 10'000;

using ZipFiles = std::map<std::string, std::string>;  // name → content

// Takes the place of a file that is there, whole or not at all.
[[nodiscard]] absl::Status write_zip(const std::string& path, const ZipFiles& files);
[[nodiscard]] absl::StatusOr<ZipFiles> read_zip(const std::string& path);

}  // namespace bukubesar
