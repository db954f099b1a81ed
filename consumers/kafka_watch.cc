#include "consumers/kafka_watch.h"

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "base/thread.h"
#include "consumers/kafka_record.h"

namespace bukubesar {

namespace {

constexpr int kLookTimeoutMs = 3000;
constexpr int kCountTimeoutMs = 1000;  // a stop waits for a look under way
constexpr std::string_view kInDoubt =
    ". The topic was recreated or truncated: a source statement in the definition has to say where to go on. Entries stored after that "
    "offset since then may come from the new topic";

// What became of one anchor; nothing: it stands, or retention has removed it. Unavailable: the broker does not say.
absl::StatusOr<std::optional<std::string>> judge_anchor(rd_kafka_t* handle, const WatchedPartition& watched, rd_kafka_message_t& message) {
  const Anchor& anchor = *watched.anchor;
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR && message.offset == anchor.offset.value()) return difference_from(anchor, message);
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  if (message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF && message.err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
    return unavailable("{}", rd_kafka_err2str(message.err));
  std::int64_t low = -1, high = -1;
  const rd_kafka_resp_err_t asked =
      rd_kafka_query_watermark_offsets(handle, watched.topic.c_str(), watched.kafka_partition, &low, &high, kLookTimeoutMs);
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable("{}", rd_kafka_err2str(asked));
  if (high > anchor.offset.value()) return std::nullopt;
  return fmt::format("{} [{}] ends at offset {}, but the ledger has stored its offset {} (payload hash {})", watched.topic,
                     watched.kafka_partition, high, anchor.offset.value(), hex(as_view(anchor.payload_hash)));
}

absl::StatusOr<std::optional<std::string>> look_at(rd_kafka_t* handle, const WatchedPartition& watched) {
  ASSIGN_OR_RETURN(const auto topic, make_kafka_topic(handle, watched.topic));
  const KafkaQueue queue(rd_kafka_queue_new(handle));
  if (rd_kafka_consume_start_queue(topic.get(), watched.kafka_partition, watched.anchor->offset.value(), queue.get()) != 0)
    return unavailable("{}", rd_kafka_err2str(rd_kafka_last_error()));
  const KafkaMessage message(rd_kafka_consume_queue(queue.get(), kLookTimeoutMs));
  absl::StatusOr<std::optional<std::string>> why = unavailable("{} does not answer", watched.topic);
  if (message != nullptr) why = judge_anchor(handle, watched, *message);
  rd_kafka_consume_stop(topic.get(), watched.kafka_partition);
  return why;
}

struct Look {
  std::optional<WatchFinding> finding;
  std::vector<bool> unanswered;  // beside the partitions: nothing is known of these
};

Look look(const KafkaAddress& address, const std::vector<WatchedPartition>& partitions) {
  const Look nothing_answered{std::nullopt, std::vector<bool>(partitions.size(), true)};
  // Wants one record of each partition: the smallest fetch still brings a whole batch.
  const auto handle = make_kafka_handle(KafkaRole::consumer, address,
                                        {{"isolation.level", "read_committed"},
                                         {"auto.offset.reset", "error"},
                                         {"auto.commit.enable", "false"},
                                         {"allow.auto.create.topics", "false"},
                                         {"enable.partition.eof", "true"},
                                         {"check.crcs", "true"},
                                         {"queued.min.messages", "1"},
                                         {"max.partition.fetch.bytes", "1024"}},
                                        nullptr);
  if (!handle.ok()) return nothing_answered;
  for (const auto& [topic, wanted] : partition_counts(partitions)) {
    const auto found = kafka_partition_count(handle->get(), topic, kCountTimeoutMs);
    if (absl::IsUnavailable(found.status())) return nothing_answered;  // the others would not be answered either
    if (found.ok() && *found != wanted) return {WatchFinding{std::nullopt, why_count_differs(topic, *found, wanted)}, {}};
  }
  Look to{std::nullopt, std::vector<bool>(partitions.size(), false)};
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    if (!partitions[i].anchor) continue;
    const auto why = look_at(handle->get(), partitions[i]);
    if (why.ok() && *why) return {WatchFinding{partitions[i].partition, **why + std::string(kInDoubt)}, {}};
    to.unanswered[i] = !why.ok();
  }
  return to;
}

}  // namespace

struct TopicWatch::Impl {
  void run() {
    name_own_thread("topics");
    for (;;) {
      std::vector<WatchedPartition> older;
      {
        const absl::MutexLock lock(&mutex);
        if (mutex.AwaitWithTimeout(absl::Condition(&ending), absl::FromChrono(interval))) return;
        older = noted;
        noted = newest;
      }
      Look seen = look(address, older);
      const absl::MutexLock lock(&mutex);
      ++looks;
      if (seen.finding) {
        finding = std::move(seen.finding);
        return;
      }
      for (std::size_t i = 0; i < older.size(); ++i)
        if (seen.unanswered[i] && older[i].anchor) noted[i].anchor = older[i].anchor;  // it is looked at next time
    }
  }

  KafkaAddress address;
  std::chrono::milliseconds interval{1000};
  mutable absl::Mutex mutex;
  // The anchors that were noted first since the last look are looked at next: what comes after that look took them is noted anew, from
  // the anchors that stood then, so no moment goes by unwatched. One whose look the broker did not answer stays noted.
  std::vector<WatchedPartition> noted ABSL_GUARDED_BY(mutex), newest ABSL_GUARDED_BY(mutex);
  std::optional<WatchFinding> finding ABSL_GUARDED_BY(mutex);
  std::uint64_t looks ABSL_GUARDED_BY(mutex) = 0;
  bool ending ABSL_GUARDED_BY(mutex) = false;
  std::jthread thread;
};

TopicWatch::TopicWatch(KafkaAddress address, std::vector<WatchedPartition> partitions, std::chrono::milliseconds interval)
    : impl_(std::make_unique<Impl>()) {
  impl_->address = std::move(address);
  impl_->interval = interval;
  {
    const absl::MutexLock lock(&impl_->mutex);
    impl_->noted = impl_->newest = std::move(partitions);
  }
  impl_->thread = std::jthread([impl = impl_.get()] { impl->run(); });
}

TopicWatch::~TopicWatch() {
  const absl::MutexLock lock(&impl_->mutex);
  impl_->ending = true;
}

void TopicWatch::note(std::size_t index, const Anchor& anchor) {
  const absl::MutexLock lock(&impl_->mutex);
  impl_->newest[index].anchor = anchor;
  if (!impl_->noted[index].anchor) impl_->noted[index].anchor = anchor;
}

std::optional<WatchFinding> TopicWatch::finding() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->finding;
}

std::uint64_t TopicWatch::looks() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->looks;
}

std::map<std::string, int> partition_counts(const std::vector<WatchedPartition>& partitions) {
  std::map<std::string, int> counts;
  for (const WatchedPartition& partition : partitions) {
    int& count = counts[partition.topic];
    count = std::max(count, partition.kafka_partition + 1);
  }
  return counts;
}

std::string why_count_differs(const std::string& topic, int found, int wanted) {
  return fmt::format("topic {} has {} partitions, the definition knows {}: {}", topic, found, wanted,
                     found > wanted ? "keys now go elsewhere, so a retry could miss its first copy; the partition count of a "
                                      "ledger is fixed: move to a topic with as many partitions as the definition says"
                                    : "records that the ledger should hold cannot come; check broker.bootstrap_servers and "
                                      "the topic");
}

}  // namespace bukubesar
