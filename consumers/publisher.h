// Publisher: events in, receipts out. Bounds what is in flight, produces, and answers each record only after the ledger's commit (I8).
//
// A record's place is known twice, in any order: from the broker (delivery report) and from the ledger (commit). The second to come
// finds the first: delivered records wait by (partition, offset), and a record that was committed before its report came is looked up.
//
// Threads  publish() from any; on_pulled() from the intake thread; on_commit() from the commit thread. `done` runs on the
//          commit thread or the producer's, never inside publish().
// Limits   events_max and bytes_max in flight. Embedded broker: kEmbeddedUnfetchedBytesMax produced and not pulled for each partition.
// Errors   ResourceExhausted: the bounds are reached. FailedPrecondition: the intake has stopped. InvalidArgument: more in one request
//          than may ever be in flight.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "consumers/intake.h"
#include "consumers/kafka_handle.h"
#include "events/rules.h"

namespace bukubesar {

// Where records of one ledger partition are produced to.
struct PublishRoute {
  PartitionId partition;
  Epoch epoch;
  std::string topic;
  std::int32_t kafka_partition = 0;
};

struct PublisherOptions {
  KafkaAddress address;
  bool embedded = false;
  std::vector<PublishRoute> routes;  // the numbered partitions ascending, then the reference partition
  Partitioner partitioner = Partitioner::murmur2;
  std::uint64_t events_max = 20'000;
  std::uint64_t bytes_max = 64U << 20;
  const Ledger* ledger = nullptr;
  const Clock* clock = &Clock::system();
};

class Publisher {
 public:
  static absl::StatusOr<std::unique_ptr<Publisher>> make(PublisherOptions options);
  ~Publisher();
  [[nodiscard]] absl::Status publish(std::vector<OutgoingRecord> records, PublishDone done);
  void on_pulled(PartitionId partition, std::uint64_t payload_bytes);
  void on_commit(const Commit& commit);
  // Nothing more is taken; what waits is answered as unknown. For an intake that stopped.
  void refuse(const std::string& why);
  // No new ones from here on; waits for what is in flight, at most so long. True where nothing is left.
  bool drain(std::chrono::milliseconds timeout);
  void stop();
  [[nodiscard]] std::uint64_t events_in_flight() const;
  [[nodiscard]] std::uint64_t bytes_in_flight() const;

 private:
  struct Impl;
  explicit Publisher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
