// KafkaSource: records of explicitly given Kafka partitions, in order, without loss: anchor, gaps, reconnection.
//
// One consumer for all partitions of a node, on one queue. A live consumer is never paused, resumed or sought (librdkafka 2.0 can
// skip records then): whatever goes wrong, it is dropped and a new one starts at the anchors.
//
// A topic that is deleted and made again refuses a fetch in between: then too a new consumer has to find the anchor. Only where the
// live one was not fetching in that moment (its queue was full) does nothing tell it; a TopicWatch looks back for that every
// watch_interval. What was read in between is stored; the reason given for the stop says from which offset on entries are in doubt.
//
// Invariants  I3: what pull() hands out is consecutive, but for the gaps it names; each gap ends at the offset of a record beside it.
// Threads     pull(), advise() and stop_because() from one thread (the intake's); statuses() from any.
// Limits      a pull: kPullRecordsMax records. Fetched ahead: fetch_queue_bytes_max over all partitions, without librdkafka's own
//             bookkeeping; one fetch more (kFetchBytes of each partition) may come on top.
// Errors      none returned: a broker that is away is waited out, what must not go on stops the source, and statuses() says why.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "consumers/intake.h"
#include "consumers/kafka_handle.h"
#include "consumers/offset_tracker.h"
#include "events/record.h"
#include "ledger/commit.h"

namespace bukubesar {

inline constexpr std::size_t kPullRecordsMax = 512;

// Where one partition goes on.
struct SourcePosition {
  PartitionId partition;
  Epoch epoch;
  std::string cluster;  // the cluster's id; empty is not compared
  std::string topic;
  std::int32_t kafka_partition = 0;
  bool transactional = false;
  Offset next_offset;
  std::optional<Anchor> anchor;  // nothing where no record of this epoch is stored
};

struct KafkaSourceOptions {
  KafkaAddress address;
  std::string group;  // carries the advisory commits, nothing else
  std::uint64_t fetch_queue_bytes_max = 512U << 20;
  bool embedded = false;  // the in-process broker: no admin calls, and an idle fetch is not woken
  std::vector<SourcePosition> positions;
  std::chrono::milliseconds watch_interval{1000};
  const Clock* clock = &Clock::system();
};

// Collects over several pulls, until its owner takes it away.
struct PulledPartition {
  RecordBatch batch;
  std::vector<Gap> gaps;
};

// What stands in the ledger, for Kafka's committed offset and its metadata (I9).
struct AdvisedOffset {
  PartitionId partition;
  Epoch epoch;
  Offset next_offset;
  std::string metadata;
};

class KafkaSource {
 public:
  explicit KafkaSource(KafkaSourceOptions options);
  ~KafkaSource();

  // Waits up to `timeout` for a first record, then appends what is there to `into` (beside the positions given), up to about
  // `bytes_max` of payload. Returns the number of records appended.
  std::size_t pull(std::vector<PulledPartition>& into, std::size_t records_max, std::uint64_t bytes_max, std::chrono::milliseconds timeout);

  // Commits offsets to Kafka without waiting: they only inform.
  void advise(const std::vector<AdvisedOffset>& offsets);

  // Ends consuming for good. `partition` is the culprit; nothing: all are.
  void stop_because(std::optional<PartitionId> partition, const std::string& why);
  [[nodiscard]] bool stopped() const;
  [[nodiscard]] std::vector<SourceStatus> statuses() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
