// Intake: records → verdicts → entries → commits. The only writer of the ledger while the node runs.
//
// Threads  start() makes two: intake (pull, judge, find duplicates, hash) and commit (compress, write, sync), with a bounded
//          queue between them. Batches form by themselves: take what is there, up to a limit.
// Crash    at any moment: the ledger holds whole commits, and consuming starts again at next_offset − 1 (the anchor).
// Errors   the intake stops, and says why in status(), where going on could lose or double something: anchor different, missing
//          or out of range; more Kafka partitions than defined. Where the disk refuses, it waits and tries again, and goes on by
//          itself. A topic contract that breaks while the intake runs is said by contract(), and the intake goes on. Reads go on.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "config/config.h"
#include "config/definition.h"
#include "ledger/commit.h"
#include "ledger/ledger.h"

namespace bukubesar {

enum class SourceState : std::uint8_t { connecting, streaming, waiting_for_broker, waiting_for_disk, stopped };
[[nodiscard]] std::string_view name_of(SourceState state);

struct SourceStatus {
  PartitionId partition;
  SourceState state = SourceState::connecting;
  std::string why;  // where stopped or waiting: what happened, and what the operator can do
  std::string topic;
  std::int64_t high_watermark = -1;  // Kafka's; -1 unknown
  std::int64_t lag_records = -1;     // high watermark − next offset; -1 unknown, as while the broker is away
  std::uint64_t reconnects = 0;
  std::uint64_t gaps_refetched = 0;
  std::uint64_t anchors_checked = 0;
  std::uint64_t anchors_missing = 0;  // retention had removed just the anchor
};

// Counts of observations up to each bound, the last one without a bound: what a Prometheus histogram wants, raw.
struct Histogram {
  static constexpr std::array<std::uint64_t, 14> kBounds = {1,     4,     16,     64,     256,    1'000,   2'000,
                                                            4'000, 8'000, 16'000, 32'000, 65'536, 262'144, 1'048'576};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};  // not cumulative
  std::uint64_t sum = 0, observations = 0;
  void add(std::uint64_t value) {
    ++counts[static_cast<std::size_t>(std::lower_bound(kBounds.begin(), kBounds.end(), value) - kBounds.begin())];
    sum += value;
    ++observations;
  }
};

struct ReasonCount {
  PartitionId partition;
  Verdict verdict = Verdict::none;
  Reason reason = Reason::none;
  std::uint64_t count = 0;
};

// Since start.
struct IntakeStats {
  std::uint64_t records = 0, commits = 0;
  std::uint64_t queue_depth = 0;  // commits between intake and commit thread, at most intake.commits_in_flight_max
  CommitCost last_commit;
  std::uint64_t payload_bytes = 0, stored_bytes = 0;
  Histogram commit_entries;                 // entries in a commit
  Histogram commit_us, build_us, write_us;  // whole commit; compress and hash; write and sync. Microseconds
  std::vector<ReasonCount> reasons;         // duplicates and rejections, by partition and reason
  std::uint64_t publish_events_in_flight = 0, publish_bytes_in_flight = 0;
  std::int64_t last_commit_wall_ms = 0;  // 0: none yet
};

// Where an event that was published ended up.
struct Receipt {
  PartitionId partition;
  Sequence sequence;
  Epoch epoch;
  Offset offset;
  Verdict verdict = Verdict::none;
  Reason reason = Reason::none;
  Sequence duplicate_of = kNoSequence;
};

// One record to publish. The intake's stamp is put on it where the broker is the embedded one.
struct OutgoingRecord {
  bool reference_topic = false;
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> value;
};
using PublishDone = std::function<void(std::vector<absl::StatusOr<Receipt>>)>;

struct IntakeOptions {
  const Config* config = nullptr;
  DefinitionFile* definition = nullptr;  // the embedded broker appends source statements to it
  Ledger* ledger = nullptr;
  std::vector<CommitObserver> observers;
  const Clock* clock = &Clock::system();
  std::chrono::milliseconds contract_interval{5000};  // how often a real broker is asked whether the topic contract still stands
};

// `cluster` of source statements made for the embedded broker.
inline constexpr std::string_view kEmbeddedCluster = "embedded";

// One way in which cluster and topics differ from what the definition and the topic contract ask.
struct ContractFinding {
  bool fatal = false;
  std::string what;
};

class Intake {
 public:
  explicit Intake(IntakeOptions options);
  ~Intake();

  // Connects (embedded: starts the broker and commits the source statements first). Failures of the broker are waited out, not returned.
  [[nodiscard]] absl::Status start();
  // Instead of start(): sources() say stopped, and why. publish() refuses.
  void refuse_to_start(const std::string& why);
  // Stops pulling, drains what is in flight, commits it, closes. Idempotent.
  void stop();

  // Produces to the broker and calls `done` once, with one receipt for each record in the order given, after the ledger's commit.
  // ResourceExhausted, with nothing produced, where the bound on what is in flight is reached. `done` runs on a thread of the intake's: it
  // must not block.
  [[nodiscard]] absl::Status publish(std::vector<OutgoingRecord> records, PublishDone done);

  [[nodiscard]] std::vector<SourceStatus> sources() const;
  [[nodiscard]] IntakeStats stats() const;
  // How the topic contract stands while the intake runs; nothing: not known.
  [[nodiscard]] std::optional<std::vector<ContractFinding>> contract() const;
  // Of the embedded broker, "127.0.0.1:41234", another after the disk had refused; of the configured one otherwise.
  [[nodiscard]] std::string bootstrap_servers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What `bukubesar doctor` prints.
[[nodiscard]] absl::StatusOr<std::vector<ContractFinding>> check_topic_contract(
    const Config& config, const Definition* definition, std::chrono::milliseconds timeout = std::chrono::seconds(10));
// Makes both topics as the contract asks, where they are missing.
[[nodiscard]] absl::Status create_topics(const Config& config, std::uint32_t partitions);
// Whether librdkafka takes the broker's settings; nothing is asked of the broker.
[[nodiscard]] absl::Status check_broker_settings(const Config& config);
// The cluster id of the configured broker.
[[nodiscard]] absl::StatusOr<std::string> cluster_id(const Config& config);
// The first offset that the broker still has: what a first definition's `first_offset` should be. NotFound: no such topic.
[[nodiscard]] absl::StatusOr<Offset> first_offset_of(const Config& config, const std::string& topic, std::int32_t kafka_partition);
// The first committed record that a fresh consumer finds inside the gap; nothing where there is none, or retention has passed. Waits some
// seconds, then Unavailable.
[[nodiscard]] absl::StatusOr<std::optional<Offset>> record_in_gap(const Config& config, const SourceStatement& source, const Gap& gap);

}  // namespace bukubesar
