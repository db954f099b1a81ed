// DataLock: one process writes a data directory. An open-file-description lock on <data_dir>/lock: it ends with the process, however that
// ends, and whoever only asks who has it takes nothing and writes nothing.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace bukubesar {

class DataLock {
 public:
  DataLock() = default;
  ~DataLock();
  DataLock(DataLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  DataLock& operator=(DataLock&& other) noexcept;
  // FailedPrecondition names the process that has it.
  static absl::StatusOr<DataLock> take(const std::string& data_dir);
  // The process that has it, "unknown" where it did not say; nothing: nobody has. Unavailable: it cannot be told.
  static absl::StatusOr<std::optional<std::string>> owner(const std::string& data_dir);

 private:
  int fd_ = -1;
};

}  // namespace bukubesar
