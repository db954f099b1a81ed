#include "consumers/kafka_source.h"

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <librdkafka/rdkafka.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/sha256.h"
#include "base/status.h"
#include "config/broker_security.h"
#include "consumers/kafka_record.h"
#include "consumers/kafka_watch.h"

namespace bukubesar {

namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::uint64_t kFetchBytes = 4U << 20;  // of one partition in one fetch
// What librdkafka keeps for each record beside its bytes, about: bounds the queue where records are tiny.
constexpr std::uint64_t kRecordBookkeepingBytes = 256;
constexpr int kMetadataTimeoutMs = 1000;
constexpr int kSecureMetadataTimeoutMs = 5000;  // handshakes and signing in come first
constexpr milliseconds kBackoffFirst{100};
// After a refused fetch librdkafka asks that partition again no sooner than this. For a shorter while, its queue holds only what was
// fetched before: that is delivered, and then a fresh consumer has to find the anchor.
constexpr milliseconds kFetchBackoff{500};
constexpr milliseconds kBeforeRefusal{300};
constexpr milliseconds kBackoffMax{5000};
constexpr milliseconds kRefetchInterval{1000};  // at most one fresh consumer a second, because of jumps
constexpr milliseconds kStatusInterval{100};
// A consumer that has not heard of a partition, nor of anything else for so long, is replaced: one was seen to be silent for 45 s,
// beside a record that was there.
constexpr milliseconds kSilenceMax{20'000};
constexpr std::string_view kRecreated =
    ". The topic was recreated or truncated: a source statement in the definition has to say where to go on";
constexpr int kAnchorLooks = 2;  // a topic seen too short is looked at again by a fresh consumer before intake stops

KafkaSettings consumer_settings(const KafkaSourceOptions& options) {
  // All partitions share one queue, and librdkafka holds all of it against what it calls a partition's limit. 2.0 pauses for up to a second
  // where that is reached: it should be more than is taken in that time.
  const std::uint64_t queue_bytes = std::max<std::uint64_t>(options.fetch_queue_bytes_max, 1024);
  // Context "topic" tells of refused fetches.
  const auto& properties = options.address.broker.properties;
  const auto debugged = properties.find("debug");
  const std::string debug = debugged == properties.end() ? "topic" : debugged->second + ",topic";
  return {{"group.id", options.group},
          {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"auto.commit.enable", "false"},  // of the simple consumer's own, older way of committing
          {"auto.offset.reset", "error"},
          {"isolation.level", "read_committed"},
          {"check.crcs", "true"},
          {"allow.auto.create.topics", "false"},
          {"enable.partition.eof", "true"},
          {"queued.min.messages", std::to_string(std::clamp<std::uint64_t>(queue_bytes / kRecordBookkeepingBytes, 1, 10'000'000))},
          {"queued.max.messages.kbytes", std::to_string(std::min<std::uint64_t>(queue_bytes / 1024, 2'097'151))},
          {"max.partition.fetch.bytes", std::to_string(kFetchBytes)},
          {"fetch.error.backoff.ms", std::to_string(kFetchBackoff.count())},
          {"debug", debug},
          // Real Kafka wakes a waiting fetch; the in-process broker sleeps it out.
          {"fetch.wait.max.ms", options.embedded ? "5" : "100"}};
}

}  // namespace

struct KafkaSource::Impl final : KafkaCallbacks {
  struct Partition {
    Partition(SourcePosition where, OffsetTracker how) : position(std::move(where)), tracker(std::move(how)) {}
    SourcePosition position;
    OffsetTracker tracker;
    rd_kafka_topic_t* topic = nullptr;  // of the live consumer
    Offset eof{-1};                     // end of partition as last told; -1 unknown
    Offset high{-1};
    bool heard = false;  // this consumer has had a record or the end of the partition
    int short_looks = 0;
    std::uint64_t anchors_checked = 0, anchors_missing = 0;
  };

  explicit Impl(KafkaSourceOptions given) : options(std::move(given)) {
    for (const SourcePosition& position : options.positions) {
      partitions.emplace_back(position, OffsetTracker(position.next_offset, position.anchor, position.transactional));
      SourceStatus status;
      status.partition = position.partition;
      status.topic = position.topic;
      published.push_back(status);
    }
    taken.resize(kPullRecordsMax);
    if (!options.embedded) watch = std::make_unique<TopicWatch>(options.address, watched(), options.watch_interval);
  }
  ~Impl() override { disconnect(); }

  [[nodiscard]] std::vector<WatchedPartition> watched() const {
    std::vector<WatchedPartition> all;
    for (const SourcePosition& position : options.positions) {
      all.push_back({position.partition, position.topic, position.kafka_partition, position.anchor});
    }
    return all;
  }

  // ---- the consumer's life ----

  void disconnect() {
    // librdkafka does not end while messages of its are held.
    current.reset();
    for (std::size_t i = cursor; i < taken_count; ++i) KafkaMessage(taken[i]).reset();
    cursor = taken_count = 0;
    if (handle == nullptr) return;
    for (Partition& partition : partitions) {
      if (partition.topic != nullptr) rd_kafka_consume_stop(partition.topic, partition.position.kafka_partition);
      partition.topic = nullptr;
    }
    queue.reset();
    topics.clear();
    handle.reset();
    broker_error.clear();
    refused_at_ms = 0;  // of the consumer that is gone
  }

  // A new consumer, at the anchors. False: not yet (or no more), and why is told.
  bool connect() {
    const SteadyTime now = options.clock->steady();
    if (now < next_attempt) return false;
    auto made = make_kafka_handle(KafkaRole::consumer, options.address, consumer_settings(options), this);
    if (!made.ok()) {
      // A setting that is wrong stays wrong; a file can be put right.
      if (absl::IsInvalidArgument(made.status()))
        stop_because(std::nullopt, message_of(made.status()));
      else
        lose_broker(message_of(made.status()));
      return false;
    }
    handle = std::move(made).value();
    if (!topology_fits() || !cluster_fits()) {
      disconnect();
      return false;
    }
    queue.reset(rd_kafka_queue_new(handle.get()));
    for (Partition& partition : partitions) {
      if (!start_partition(partition)) return false;
    }
    last_taken = options.clock->steady();
    if (ever_connected) ++reconnects;
    ever_connected = true;
    return true;
  }

  bool start_partition(Partition& partition) {
    const SourcePosition& position = partition.position;
    KafkaTopic& topic = topics[position.topic];
    if (topic == nullptr) {
      auto made = make_kafka_topic(handle.get(), position.topic);
      if (!made.ok()) return stop_because(position.partition, message_of(made.status())), false;
      topic = std::move(made).value();
    }
    const Offset start = partition.tracker.restart();
    partition.eof = Offset{-1};
    partition.heard = false;
    if (rd_kafka_consume_start_queue(topic.get(), position.kafka_partition, start.value(), queue.get()) != 0) {
      lose_broker(
          fmt::format("cannot consume {} [{}]: {}", position.topic, position.kafka_partition, rd_kafka_err2str(rd_kafka_last_error())));
      return false;
    }
    partition.topic = topic.get();
    return true;
  }

  int metadata_timeout_ms() const {
    return options.address.broker.security_protocol == "plaintext" ? kMetadataTimeoutMs : kSecureMetadataTimeoutMs;
  }

  // Every topic is there, with exactly the partitions that the definition knows.
  bool topology_fits() {
    for (const auto& [topic, count] : partition_counts(watched())) {
      const auto found = kafka_partition_count(handle.get(), topic, metadata_timeout_ms());
      if (absl::IsNotFound(found.status())) {
        lose_broker(
            fmt::format("topic {} does not exist: create it (bukubesar serve --create-topics, or broker.create_topics), "
                        "intake goes on by itself",
                        topic));
        return false;
      }
      if (!found.ok()) return lose_broker(message_of(found.status())), false;
      if (*found == count) continue;
      stop_because(std::nullopt, why_count_differs(topic, *found, count));
      return false;
    }
    return true;
  }

  bool cluster_fits() {
    if (options.embedded) return true;
    char* const id = rd_kafka_clusterid(handle.get(), 0);  // came with the metadata
    const std::string found = id == nullptr ? "" : id;
    if (id != nullptr) rd_kafka_mem_free(handle.get(), id);
    for (const Partition& partition : partitions) {
      const std::string& want = partition.position.cluster;
      if (found.empty() || want.empty() || want == found) continue;
      stop_because(
          partition.position.partition,
          fmt::format("{} is cluster {}, the definition's source is cluster {}: check broker.bootstrap_servers; where the topic moved, a "
                      "source statement in the definition has to say so",
                      options.address.bootstrap_servers, found, want));
      return false;
    }
    return true;
  }

  // The broker or a connection failed: wait, longer each time, then begin again with a new consumer.
  void lose_broker(std::string why) {
    // What librdkafka has met on the way says more than that nobody answers: a password, a certificate.
    if (handle != nullptr) rd_kafka_poll(handle.get(), 0);
    if (!broker_error.empty() && why != broker_error) why += ": " + broker_error;
    disconnect();
    next_attempt = options.clock->steady() + backoff;
    if (waiting_why != why) spdlog::warn("intake waits for the broker at {}: {}", options.address.bootstrap_servers, why);
    backoff = std::min(backoff * 2, kBackoffMax);
    waiting_why = why;
    publish_statuses();
  }

  void on_error(std::string_view text) override {
    // That all brokers are down comes after, and because of, what went wrong with each.
    if (broker_error.empty() || text.find("All broker connections are down") == std::string_view::npos) broker_error = std::string(text);
  }

  void stop_because(std::optional<PartitionId> culprit, const std::string& why) {
    if (is_stopped) return;
    is_stopped = true;
    stopped_why = why;
    stopped_by = culprit;
    publish_statuses();  // who reads the log finds it in the status, too
    spdlog::error("intake stops{}: {}", culprit ? " at partition " + culprit->name() : "", why);
    disconnect();
    publish_statuses();
  }

  // ---- records ----

  std::size_t pull(std::vector<PulledPartition>& into, std::size_t records_max, std::uint64_t bytes_max, milliseconds timeout) {
    if (is_stopped || (handle == nullptr && !connect())) {
      std::this_thread::sleep_for(std::min(timeout, milliseconds(10)));
      return 0;
    }
    if (cursor == taken_count) take(records_max, timeout);
    if (fetch_was_refused()) return 0;
    const std::size_t appended = deliver(into, bytes_max);
    remember_anchors(into);
    if (handle != nullptr) after_pull();
    return appended;
  }

  void take(std::size_t records_max, milliseconds timeout) {
    records_max = std::min(records_max, kPullRecordsMax);
    cursor = taken_count = 0;
    // With a timeout a batch call would wait until the batch is full.
    ssize_t count = rd_kafka_consume_batch_queue(queue.get(), 0, taken.data(), records_max);
    if (count <= 0 && timeout > milliseconds(0)) {
      rd_kafka_message_t* first = rd_kafka_consume_queue(queue.get(), static_cast<int>(timeout.count()));
      if (first == nullptr) return;
      taken[0] = first;
      count = records_max > 1 ? rd_kafka_consume_batch_queue(queue.get(), 0, taken.data() + 1, records_max - 1) : 0;
      count = std::max<ssize_t>(count, 0) + 1;
    }
    taken_count = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    if (taken_count > 0) last_taken = options.clock->steady();
  }

  // Each partition says something after a connect: a record or where it ends. False: one has not, and the consumer was dropped.
  bool is_heard(SteadyTime now) {
    if (now - last_taken < kSilenceMax) return true;
    for (const Partition& partition : partitions) {
      if (partition.heard) continue;
      lose_broker(fmt::format("nothing was heard of {} [{}] for {} s", partition.position.topic, partition.position.kafka_partition,
                              kSilenceMax.count() / 1000));
      return false;
    }
    return true;
  }

  // A refused fetch may be a leader that moved, or a topic that is gone, and its name's next bearer answers the fetch after. True: the
  // consumer was dropped.
  bool fetch_was_refused() {
    const std::int64_t at = refused_at_ms.load();
    if (at == 0) return false;
    const bool drained = cursor == taken_count;
    if (!drained && steady_ms() - at < kBeforeRefusal.count()) return false;
    std::string why;
    {
      const absl::MutexLock lock(&mutex);
      why = refused_why;
    }
    lose_broker("a fetch was refused: " + why);
    return true;
  }

  // Not the injected clock: what is compared is librdkafka's own time.
  static std::int64_t steady_ms() {
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  void on_fetch_refused(std::string_view text) override {
    const absl::MutexLock lock(&mutex);
    if (refused_at_ms != 0) return;
    refused_at_ms = steady_ms();
    refused_why = text;
  }

  std::size_t deliver(std::vector<PulledPartition>& into, std::uint64_t bytes_max) {
    std::size_t appended = 0;
    std::uint64_t bytes = 0;
    while (cursor < taken_count && bytes < bytes_max) {
      current.reset(taken[cursor++]);
      Partition* partition = partition_of(*current);
      if (partition == nullptr) continue;
      if (current->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        on_event(*partition, *current);
      } else if (const std::uint64_t size = on_record(*partition, *current, into); size != 0) {
        ++appended;
        bytes += size;
      }
      if (handle == nullptr) break;  // stopped or lost on the way; what is left was dropped with the consumer
    }
    current.reset();
    return appended;
  }

  Partition* partition_of(const rd_kafka_message_t& message) {
    if (last_hit < partitions.size() && partitions[last_hit].topic == message.rkt &&
        partitions[last_hit].position.kafka_partition == message.partition) {
      return &partitions[last_hit];
    }
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      // Compared by name too: a message may carry another handle of the same topic.
      if (partitions[i].position.kafka_partition != message.partition || message.rkt == nullptr) continue;
      if (partitions[i].topic != message.rkt && partitions[i].position.topic != rd_kafka_topic_name(message.rkt)) continue;
      last_hit = i;
      return &partitions[i];
    }
    // An error of the whole consumer, not of a partition.
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR && message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      broker_error = rd_kafka_message_errstr(&message);
    }
    return nullptr;
  }

  // Returns the payload's size where the record was appended, else 0.
  std::uint64_t on_record(Partition& partition, rd_kafka_message_t& message, std::vector<PulledPartition>& into) {
    const Offset offset(message.offset);
    partition.heard = true;
    using Action = OffsetTracker::Action;
    const Action action = partition.tracker.on_record(offset);
    PulledPartition& to = into[static_cast<std::size_t>(&partition - partitions.data())];
    switch (action) {
      case Action::skip:
        return 0;
      case Action::anchor_missing:
        anchor_lost(partition, fmt::format("the first record Kafka has from there on is at offset {}", offset.value()));
        return 0;
      case Action::check_anchor:
        check_anchor(partition, message);
        return 0;
      case Action::take_after_gap:
        to.gaps.push_back({partition.position.epoch, partition.tracker.gap().first, partition.tracker.gap().second});
        break;
      case Action::take:
        break;
    }
    to.batch.records.push_back(kafka_record(message, *to.batch.arena, headers));
    return std::max<std::uint64_t>(to.batch.records.back().payload.size(), 1);
  }

  void remember_anchors(const std::vector<PulledPartition>& into) {
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      const auto& records = into[i].batch.records;
      OffsetTracker& tracker = partitions[i].tracker;
      if (records.empty() || (tracker.anchor() && tracker.anchor()->offset >= records.back().offset)) continue;
      const Record& last = records.back();
      tracker.remember({last.offset, last.timestamp_ms, last.timestamp_type, sha256(last.payload)});
      if (watch != nullptr) watch->note(i, *tracker.anchor());
    }
  }

  // ---- the anchor ----

  void check_anchor(Partition& partition, rd_kafka_message_t& message) {
    if (const auto difference = difference_from(*partition.tracker.anchor(), message)) {
      return stop_because(partition.position.partition, *difference + std::string(kRecreated));
    }
    partition.tracker.anchor_matched();
    partition.short_looks = 0;
    ++partition.anchors_checked;
  }

  // The anchor's offset gave no record. Retention may have removed just that one; anything else stops the intake.
  void anchor_lost(Partition& partition, const std::string& what) {
    const SourcePosition& position = partition.position;
    std::int64_t low = -1, high = -1;
    const rd_kafka_resp_err_t error =
        rd_kafka_query_watermark_offsets(handle.get(), position.topic.c_str(), position.kafka_partition, &low, &high, kMetadataTimeoutMs);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return lose_broker(
          fmt::format("cannot ask for the ends of {} [{}]: {}", position.topic, position.kafka_partition, rd_kafka_err2str(error)));
    }
    const std::int64_t next = partition.tracker.next_offset().value();
    if (low == next && partition.tracker.anchor()) {
      spdlog::warn("partition {}: retention has removed just the last stored record, offset {}: going on at {}", position.partition.name(),
                   next - 1, next);
      ++partition.anchors_missing;
      partition.tracker.give_up_anchor();
      return begin_again();
    }
    // A look may have met a leader in change; a topic that is really different is so at the second look too. One that is being filled may
    // have reached the anchor since the look: the next one compares what is there.
    const bool reached_since = low < next && high >= next;
    if (++partition.short_looks < (reached_since ? 2 * kAnchorLooks : kAnchorLooks))
      return lose_broker(fmt::format("{}; looking again", what));
    const std::string stored =
        partition.tracker.anchor()
            ? fmt::format(" The last stored record, offset {}, has payload hash {} and Kafka has none there.",
                          partition.tracker.anchor()->offset.value(), hex(as_view(partition.tracker.anchor()->payload_hash)))
            : "";
    std::string why;
    if (low > next) {
      why = fmt::format("Kafka has removed offsets {} to {} of {} [{}] before they were read (retention or deleted records)", next, low - 1,
                        position.topic, position.kafka_partition);
    } else if (high < next) {
      why = fmt::format("{} [{}] ends at offset {}, the ledger has read up to {}: the topic was recreated or truncated", position.topic,
                        position.kafka_partition, high, next);
    } else {
      why = fmt::format("{} [{}] holds no record at offset {}, which the ledger has stored: {}", position.topic, position.kafka_partition,
                        next - 1, what);
    }
    stop_because(position.partition,
                 fmt::format("{}.{} A source statement in the definition has to say where to go on: bukubesar source change prints it", why,
                             stored));
  }

  // What the watch has found stops the intake.
  bool watch_is_content() {
    const auto finding = watch == nullptr ? std::nullopt : watch->finding();
    if (finding) stop_because(finding->partition, finding->why);
    return !finding;
  }

  // A fresh consumer at once, without waiting.
  void begin_again() {
    disconnect();
    next_attempt = options.clock->steady();
  }

  // ---- what is no record ----

  void on_event(Partition& partition, rd_kafka_message_t& message) {
    switch (message.err) {
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        partition.heard = true;
        partition.eof = Offset(message.offset);
        if (partition.tracker.awaiting_anchor()) anchor_lost(partition, fmt::format("the end, offset {}, comes first", message.offset));
        break;
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        anchor_lost(partition, "the offset is out of range");
        break;
      default:
        lose_broker(fmt::format("{} [{}]: {}{}", partition.position.topic, partition.position.kafka_partition,
                                rd_kafka_message_errstr(&message), broker_advice(rd_kafka_message_errstr(&message))));
    }
  }

  void after_pull() {
    rd_kafka_poll(handle.get(), 0);
    if (!broker_error.empty()) return lose_broker(std::string(broker_error));
    const SteadyTime now = options.clock->steady();
    if (!is_heard(now)) return;
    if (std::any_of(partitions.begin(), partitions.end(), [](const Partition& p) { return p.tracker.wants_refetch(); }) &&
        now - last_refetch >= kRefetchInterval) {
      last_refetch = now;
      return begin_again();
    }
    if (now - last_status >= kStatusInterval) {
      publish_statuses();
      if (!watch_is_content()) return;
    }
  }

  // ---- what others see ----

  void publish_statuses() {
    last_status = options.clock->steady();
    bool all_heard = handle != nullptr;
    for (Partition& partition : partitions) {
      if (handle != nullptr && partition.topic != nullptr) refresh_high(partition);
      if (partition.tracker.awaiting_anchor() || !partition.heard) all_heard = false;
    }
    if (all_heard) {
      backoff = kBackoffFirst;
      if (!waiting_why.empty()) spdlog::info("the broker at {} answers again", options.address.bootstrap_servers);
      waiting_why.clear();
    }
    const absl::MutexLock lock(&mutex);
    for (std::size_t i = 0; i < partitions.size(); ++i) fill(partitions[i], published[i]);
  }

  void refresh_high(Partition& partition) {
    std::int64_t low = -1, high = -1;
    // The last fetch's answer, kept by librdkafka: no request.
    if (rd_kafka_get_watermark_offsets(handle.get(), partition.position.topic.c_str(), partition.position.kafka_partition, &low, &high) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        high >= 0) {
      partition.high = Offset(high);
    }
  }

  void fill(const Partition& partition, SourceStatus& status) const {
    if (is_stopped) {
      status.state = SourceState::stopped;
      status.why = !stopped_by || *stopped_by == partition.position.partition
                       ? stopped_why
                       : fmt::format("stopped with partition {}: {}", stopped_by->name(), stopped_why);
    } else if (!waiting_why.empty()) {
      status.state = SourceState::waiting_for_broker;
      status.why = waiting_why;
    } else {
      status.state = partition.heard && !partition.tracker.awaiting_anchor() ? SourceState::streaming : SourceState::connecting;
      status.why = partition.tracker.wants_refetch() ? "offsets jump: a fresh consumer looks again" : "";
    }
    const std::int64_t next = partition.tracker.next_offset().value();
    status.high_watermark = std::max(partition.high.value(), partition.eof.value());
    // At the end of a topic written in transactions the last offsets are control records: nothing is left to read.
    const bool at_end =
        partition.eof.value() >= partition.high.value() && partition.eof.value() >= next && !partition.tracker.wants_refetch();
    status.lag_records = status.high_watermark < 0 ? -1 : at_end ? 0 : std::max<std::int64_t>(status.high_watermark - next, 0);
    // What has come to Kafka since it was last heard of is not known.
    if (status.state == SourceState::waiting_for_broker || status.state == SourceState::stopped) status.lag_records = -1;
    status.reconnects = reconnects;
    status.gaps_refetched = partition.tracker.gaps_refetched();
    status.anchors_checked = partition.anchors_checked;
    status.anchors_missing = partition.anchors_missing;
  }

  void advise(const std::vector<AdvisedOffset>& offsets) {
    if (handle == nullptr || offsets.empty()) return;
    const std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)> list(
        rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())), &rd_kafka_topic_partition_list_destroy);
    for (const AdvisedOffset& advised : offsets) {
      for (const Partition& partition : partitions) {
        if (partition.position.partition != advised.partition || partition.position.epoch != advised.epoch) continue;
        rd_kafka_topic_partition_t* entry =
            rd_kafka_topic_partition_list_add(list.get(), partition.position.topic.c_str(), partition.position.kafka_partition);
        entry->offset = advised.next_offset.value();
        entry->metadata = strdup(advised.metadata.c_str());  // freed with the list
        entry->metadata_size = advised.metadata.size();
      }
    }
    if (list->cnt > 0) rd_kafka_commit(handle.get(), list.get(), 1);
  }

  const KafkaSourceOptions options;
  std::vector<Partition> partitions;
  KafkaHandle handle;
  std::map<std::string, KafkaTopic> topics;
  KafkaQueue queue;
  std::vector<rd_kafka_message_t*> taken;  // [cursor, taken_count) wait to be delivered
  std::size_t cursor = 0, taken_count = 0;
  KafkaMessage current;  // the one that is looked at; disconnect() lets go of it
  std::size_t last_hit = 0;
  std::vector<Header> headers;                 // reused
  std::string broker_error;                    // set by the callback, on the thread that polls
  std::atomic<std::int64_t> refused_at_ms{0};  // the live consumer's first refused fetch; 0: none
  bool ever_connected = false;
  bool is_stopped = false;
  std::string stopped_why, waiting_why;
  std::optional<PartitionId> stopped_by;
  std::uint64_t reconnects = 0;
  milliseconds backoff = kBackoffFirst;
  SteadyTime next_attempt{}, last_refetch{}, last_status{};
  SteadyTime last_taken{};  // when the live consumer was made, or last had something

  mutable absl::Mutex mutex;
  std::vector<SourceStatus> published ABSL_GUARDED_BY(mutex);
  std::string refused_why ABSL_GUARDED_BY(mutex);
  std::unique_ptr<TopicWatch> watch;  // nothing: embedded
};

KafkaSource::KafkaSource(KafkaSourceOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
KafkaSource::~KafkaSource() = default;
std::size_t KafkaSource::pull(std::vector<PulledPartition>& into, std::size_t records_max, std::uint64_t bytes_max, milliseconds timeout) {
  return impl_->pull(into, records_max, bytes_max, timeout);
}
void KafkaSource::advise(const std::vector<AdvisedOffset>& offsets) { impl_->advise(offsets); }
void KafkaSource::stop_because(std::optional<PartitionId> partition, const std::string& why) { impl_->stop_because(partition, why); }
bool KafkaSource::stopped() const { return impl_->is_stopped; }
std::vector<SourceStatus> KafkaSource::statuses() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->published;
}

}  // namespace bukubesar
