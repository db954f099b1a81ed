// EmbeddedBroker: the in-process broker of librdkafka, for a first look and for tests. Its records live in memory and end with it.
//
// It listens on a random port of 127.0.0.1 without access control: another client writing there is outside every promise.
//
// Limits  5 MiB or 100,000 batches for each partition, oldest dropped, read or not: whoever produces keeps what is unfetched
//         under kEmbeddedUnfetchedBytesMax, and records under kEmbeddedRecordBytesMax.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace bukubesar {

inline constexpr std::size_t kEmbeddedRecordBytesMax = 2U << 20;
inline constexpr std::size_t kEmbeddedUnfetchedBytesMax = 2U << 20;

class EmbeddedBroker {
 public:
  // topics: name and partition count.
  static absl::StatusOr<std::unique_ptr<EmbeddedBroker>> start(const std::vector<std::pair<std::string, int>>& topics);
  ~EmbeddedBroker();
  [[nodiscard]] const std::string& bootstrap_servers() const;
  // For tests of broker loss: the listener goes away, what it holds stays.
  void set_down(bool down);

 private:
  struct Impl;
  explicit EmbeddedBroker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
