// DataLock: one process writes a data directory. flock(2) on <data_dir>/lock: it ends with the process, however that ends.
#pragma once

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

 private:
  int fd_ = -1;
};

}  // namespace bukubesar
