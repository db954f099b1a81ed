// TlsCertificate: what the HTTP server shows to its clients, and read again without a restart.
//
// A connection keeps what it began with; the next one gets what was read last. TLS 1.2 and 1.3, forward-secret ciphers alone.
//
// Threads  any.
// Errors   FailedPrecondition: everybody may read the key. InvalidArgument: no certificate, no key, or one that does not fit the other.
//          Files that cannot be loaded again leave what stood: logged once, counted, shown in status.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/private_file.h"

namespace boost::asio::ssl {
class context;
}

namespace bukubesar {

class TlsCertificate {
 public:
  static absl::StatusOr<std::unique_ptr<TlsCertificate>> load(std::string certificate_file, std::string key_file);

  [[nodiscard]] std::shared_ptr<boost::asio::ssl::context> context() const;
  // Reads both files again where one has changed, or in any case.
  void look_for_changes(bool in_any_case);

  struct Stats {
    std::uint64_t reloads = 0, reloads_failed = 0;
    std::int64_t expires_ms = 0;  // of the one in use
  };
  [[nodiscard]] Stats stats() const;
  // For people, in status: it expires soon, it could not be read again.
  [[nodiscard]] std::vector<std::string> warnings(std::int64_t now_ms) const;

 private:
  struct Loaded {
    std::shared_ptr<boost::asio::ssl::context> context;
    std::int64_t expires_ms = 0;
  };
  TlsCertificate(std::string certificate_file, std::string key_file);
  [[nodiscard]] absl::StatusOr<Loaded> read() const;

  const std::string certificate_file_, key_file_;
  mutable absl::Mutex mutex_;
  Loaded loaded_ ABSL_GUARDED_BY(mutex_);
  FileStamp certificate_stamp_ ABSL_GUARDED_BY(mutex_), key_stamp_ ABSL_GUARDED_BY(mutex_);
  std::string trouble_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t reloads_ ABSL_GUARDED_BY(mutex_) = 0, reloads_failed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace bukubesar
