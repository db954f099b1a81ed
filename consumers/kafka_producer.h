// KafkaProducer: idempotent, acks=all; tells what became of each record.
//
// Where librdkafka gives a handle up for good (the broker refuses it the rights, fences it, or its sequence is lost), what it holds is
// answered with the reason, and a new handle takes its place, once in a while until one is let.
//
// Threads  produce() from any; `delivered` and `tick` run on the producer's own thread, and must not block.
// Errors   InvalidArgument: the record is too large. ResourceExhausted: the local queue is full, nothing was taken.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "consumers/intake.h"
#include "consumers/kafka_handle.h"

namespace bukubesar {

struct KafkaProducerOptions {
  KafkaAddress address;
  bool embedded = false;
  std::uint64_t records_max = 20'000;  // in librdkafka's queue
  std::uint64_t bytes_max = 64U << 20;
  // Called once for each record that produce() took. Unavailable: not acknowledged, it may or may not be stored.
  std::function<void(void* token, absl::StatusOr<Offset>)> delivered;
  std::function<void()> tick;  // every few dozen milliseconds
};

class KafkaProducer {
 public:
  static absl::StatusOr<std::unique_ptr<KafkaProducer>> make(KafkaProducerOptions options);
  ~KafkaProducer();
  // The record is copied. timestamp_ms: nothing leaves it to Kafka.
  [[nodiscard]] absl::Status produce(const std::string& topic, std::int32_t kafka_partition, const OutgoingRecord& record,
                                     std::optional<std::int64_t> timestamp_ms, void* token);
  // Gives up what is still on its way; `delivered` has been called for everything when it returns. Idempotent.
  void stop();

 private:
  struct Impl;
  explicit KafkaProducer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
