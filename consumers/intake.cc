#include "consumers/intake.h"

#include <absl/synchronization/mutex.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <deque>
#include <filesystem>
#include <map>
#include <system_error>
#include <thread>
#include <tuple>

#include "base/bounded_queue.h"
#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/thread.h"
#include "consumers/batcher.h"
#include "consumers/contract_watch.h"
#include "consumers/epochs.h"
#include "consumers/kafka_advised.h"
#include "consumers/kafka_embedded.h"
#include "consumers/kafka_source.h"
#include "consumers/publisher.h"

namespace bukubesar {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kIdlePull{50};          // how soon a stop is noticed while nothing comes
constexpr milliseconds kBusyPull{1};           // while a commit waits to be taken
constexpr std::size_t kBacklogRecords = 2048;  // where there is a backlog, a commit is worth at least so many
constexpr milliseconds kAdviseInterval{1000};
// What was advised while no broker listened is said once more.
constexpr milliseconds kAdviseAgainInterval{60'000};
constexpr milliseconds kStopDrain{2000};
constexpr milliseconds kRememberedTimeout{5000};  // for Kafka to say what was committed
constexpr milliseconds kDiskRetry{2000};          // a disk that refused is asked again so often

// `bukubesar-<ledger>-<node>`: only carries the advisory commit. A node is a data directory on a host.
std::string group_of(const Definition& definition, const std::string& data_dir) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::error_code error;
  const std::string directory = std::filesystem::weakly_canonical(data_dir, error).string();
  return fmt::format("bukubesar-{}-{}-{}", definition.name, host.data(), hex(as_view(sha256(error ? data_dir : directory))).substr(0, 8));
}

}  // namespace

std::string_view name_of(SourceState state) {
  switch (state) {
    case SourceState::connecting:
      return "connecting";
    case SourceState::streaming:
      return "streaming";
    case SourceState::waiting_for_broker:
      return "waiting_for_broker";
    case SourceState::waiting_for_disk:
      return "waiting_for_disk";
    case SourceState::stopped:
      return "stopped";
  }
  return "unknown";
}

struct Intake::Impl {
  using Job = std::shared_ptr<const Commit>;

  explicit Impl(IntakeOptions given)
      : options(std::move(given)),
        ledger(*options.ledger),
        queue(std::max<std::uint32_t>(options.config->intake.commits_in_flight_max, 1)) {}

  [[nodiscard]] const Definition& definition() const { return options.definition->definition(); }
  [[nodiscard]] bool embedded() const { return options.config->broker.kind == BrokerKind::embedded; }

  // ---- start ----

  absl::Status start() {
    if (embedded() && ledger.shorter_than_recorded()) {
      stop_before_start(
          "the ledger is shorter than was recorded outside it, and the embedded broker keeps no history to read again: restore the data "
          "directory from a backup, or start with an empty one");
      return absl::OkStatus();
    }
    if (const absl::Status expected = expect_what_kafka_remembers(); !expected.ok()) {
      stop_before_start(message_of(expected));
      return absl::OkStatus();
    }
    if (const absl::Status begun = begin(); absl::IsUnavailable(begun)) {
      refused(begun);  // the threads wait for the disk
    } else if (!begun.ok()) {
      stop_before_start(message_of(begun));
      return absl::OkStatus();
    }
    if (!embedded()) contract = std::make_unique<ContractWatch>(*options.config, definition(), options.contract_interval);
    running = true;
    commit_thread = std::thread([this] { run_commits(); });
    intake_thread = std::thread([this] { run_intake(); });
    return absl::OkStatus();
  }

  // Reads go on; what can't be started is said by sources().
  void stop_before_start(const std::string& why) {
    spdlog::error("intake does not start: {}", why);
    {
      const absl::MutexLock lock(&mutex);
      failure = why;
    }
    running = true;
    intake_thread = std::thread([this] {
      name_own_thread("intake");
      keep_writable();
    });
  }

  // A ledger that came back from an older copy has an older heads file too; its group's committed offsets say how far it once was (I9). An
  // empty one begins again because its operator wants it so, and one with another first entry is another ledger.
  absl::Status expect_what_kafka_remembers() {
    if (embedded()) return absl::OkStatus();
    const auto positions = source_positions(definition(), ledger);
    if (!positions.ok()) return absl::OkStatus();  // said by begin()
    std::vector<SourcePosition> asked;
    for (const EpochPosition& position : *positions)
      if (ledger.head(position.source.partition).size > 0) asked.push_back(position.source);
    if (asked.empty()) return absl::OkStatus();
    const std::string group = group_of(definition(), options.config->data_dir);
    const auto remembered = advised_heads(address(), group, asked, kRememberedTimeout);
    if (!remembered.ok()) {
      spdlog::warn("{}: whether this ledger was once longer is known from its heads file alone", message_of(remembered.status()));
      return absl::OkStatus();
    }
    for (const AdvisedHead& head : *remembered) {
      if (head.first != first_of(head.partition)) continue;
      const absl::Status expected = ledger.expect(head.partition, head.size, head.root, fmt::format("the committed offset of {}", group));
      if (absl::IsDataLoss(expected)) ledger.mark_damaged(head.partition, message_of(expected));
      RETURN_IF_ERROR(expected);
    }
    return absl::OkStatus();
  }

  // Names the ledger that a partition's head is of: its first entry.
  std::string first_of(PartitionId partition) const {
    const auto first = ledger.read_entries(partition, Sequence(0), 1);
    if (!first.ok() || first->empty()) return "none";
    return hex(as_view(sha256(as_view(encode_entry(first->front()))))).substr(0, 16);
  }

  // From where the ledger stands: broker, source, publisher.
  absl::Status begin() {
    if (embedded()) RETURN_IF_ERROR(start_embedded());
    RETURN_IF_ERROR(begin_epochs());
    return start_publisher();
  }

  absl::Status start_embedded() {
    const BrokerConfig& config = options.config->broker;
    RETURN_IF_ERROR(append_embedded_statements(*options.definition, ledger, {config.purchases_topic, config.reference_topic}));
    // By the definition, not by the configuration: that is where the ledger reads from.
    std::map<std::string, int> topics;
    for (const PartitionId partition : definition().all_partitions()) {
      const SourceStatement* const from = definition().source_of(partition);
      int& count = topics[from->topic];
      count = std::max(count, from->kafka_partition + 1);
    }
    auto fresh = EmbeddedBroker::start({topics.begin(), topics.end()});
    if (!fresh.ok()) return failed_precondition("{}", message_of(fresh.status()));  // not the disk's doing
    spdlog::warn(
        "embedded broker on {}: no access control, records live in memory until the ledger has them; anything else that writes there is "
        "outside every promise",
        (*fresh)->bootstrap_servers());
    const absl::MutexLock lock(&mutex);
    broker = *std::move(fresh);
    return absl::OkStatus();
  }

  // Statement entries first, then a source and a batcher where the ledger stands.
  absl::Status begin_epochs() {
    RETURN_IF_ERROR(commit_source_statements(definition(), ledger, [this](const Job& job) {
      const absl::Status status = commit_now(job);
      return status.ok() && suspended.load() ? unavailable("the disk refused a commit before this one") : status;
    }));
    ASSIGN_OR_RETURN(const std::vector<EpochPosition> positions, source_positions(definition(), ledger));
    KafkaSourceOptions source_options;
    BatcherOptions batcher_options;
    for (const EpochPosition& position : positions) {
      source_options.positions.push_back(position.source);
      batcher_options.partitions.push_back(position.source.partition);
      batcher_options.size_limits.push_back(position.size_limit);
    }
    source_options.address = address();
    source_options.embedded = embedded();
    source_options.fetch_queue_bytes_max = options.config->intake.fetch_queue_bytes_max;
    source_options.group = group_of(definition(), options.config->data_dir);
    source_options.clock = options.clock;
    batcher_options.definition = &definition();
    batcher_options.ledger = &ledger;
    auto fresh = std::make_shared<KafkaSource>(std::move(source_options));
    batcher = std::make_unique<Batcher>(std::move(batcher_options));
    {
      const absl::MutexLock lock(&mutex);
      source.swap(fresh);
    }
    return absl::OkStatus();  // the one before ends here: that waits for its threads, and nobody for us
  }

  [[nodiscard]] KafkaAddress address() const {
    if (embedded()) return {broker->bootstrap_servers(), BrokerConfig()};
    return kafka_address(options.config->broker);
  }

  absl::Status start_publisher() {
    PublisherOptions publishing;
    publishing.address = address();
    publishing.embedded = embedded();
    for (const PartitionId partition : definition().all_partitions()) {
      const SourceStatement* const to = definition().source_of(partition);
      publishing.routes.push_back({partition, to->epoch, to->topic, to->kafka_partition});
    }
    publishing.partitioner = parse_partitioner(definition().partitioner).value_or(Partitioner::murmur2);
    publishing.events_max = options.config->intake.publish_events_in_flight_max;
    publishing.bytes_max = options.config->intake.publish_bytes_in_flight_max;
    publishing.ledger = &ledger;
    publishing.clock = options.clock;
    ASSIGN_OR_RETURN(std::shared_ptr<Publisher> fresh, Publisher::make(std::move(publishing)));
    const absl::MutexLock lock(&mutex);
    publisher = std::move(fresh);
    return absl::OkStatus();
  }

  [[nodiscard]] std::shared_ptr<Publisher> current_publisher() const {
    const absl::MutexLock lock(&mutex);
    return publisher;
  }

  // ---- the commit thread ----

  void run_commits() {
    name_own_thread("commit");
    while (auto job = queue.pop()) {
      const absl::Status status = commit_now(*job);
      if (!status.ok()) refused(status);
      const absl::MutexLock lock(&mutex);
      --in_flight;
    }
  }

  absl::Status commit_now(const Job& job) {
    if (failed.load() || suspended.load()) return absl::OkStatus();  // not acknowledged; where Kafka has it, it is read again
    const auto start = steady_clock::now();
    const absl::StatusOr<CommitCost> cost = ledger.commit(*job);
    if (!cost.ok()) {
      doubtful = job;
      return with_context(cost.status(), "the ledger refused a commit");
    }
    const std::int64_t took_us = microseconds_since(start);
    for (const CommitObserver& observer : options.observers) observer(job);
    const absl::Status recorded = ledger.record_heads(false);
    count(*job, *cost, took_us);  // before the answer: who was told looks at figures that hold it
    if (const auto answering = current_publisher()) answering->on_commit(*job);
    crash_point("commit_answered");
    return with_context(recorded, "sizes and roots cannot be recorded outside the ledger");
  }

  void count(const Commit& commit, const CommitCost& cost, std::int64_t took_us) {
    const absl::MutexLock lock(&mutex);
    ++stats.commits;
    stats.last_commit = cost;
    stats.payload_bytes += cost.payload_bytes;
    stats.stored_bytes += cost.stored_bytes;
    stats.commit_us.add(static_cast<std::uint64_t>(took_us));
    stats.build_us.add(static_cast<std::uint64_t>(std::max<std::int64_t>(cost.build_us, 0)));
    stats.write_us.add(static_cast<std::uint64_t>(std::max<std::int64_t>(cost.write_us, 0)));
    stats.last_commit_wall_ms = options.clock->wall_ms();
    std::uint64_t entries = 0;
    for (const PartitionBatch& part : commit.parts) {
      entries += part.entries.size();
      for (const Entry& entry : part.entries) {
        stats.records += entry.kind == EntryKind::record ? 1 : 0;
        if (entry.reason != Reason::none) ++reasons[{part.partition, entry.verdict, entry.reason}];
      }
    }
    stats.commit_entries.add(entries);
  }

  void fail(const std::string& why) {
    if (failed.exchange(true)) return;
    {
      const absl::MutexLock lock(&mutex);
      failure = why;
    }
    spdlog::error("intake stops: {}", why);
    if (const auto answering = current_publisher()) answering->refuse(why);
  }

  // A disk may take writes again, and what it did with the last one shows then. Anything else needs a decision.
  void refused(const absl::Status& status) {
    if (!absl::IsUnavailable(status)) return fail(message_of(status));
    if (suspended.exchange(true)) return;
    const std::string why = "the disk refused, it is tried again every few seconds: " + message_of(status);
    {
      const absl::MutexLock lock(&mutex);
      failure = why;
    }
    spdlog::error("intake waits: {}", why);
    if (const auto answering = current_publisher()) answering->refuse(why);
  }

  // ---- the intake thread ----

  void run_intake() {
    name_own_thread("intake");
    while (!stopping.load() && !failed.load()) {
      if (suspended.load()) {
        wait_for_disk();
        continue;
      }
      if (source->stopped()) break;
      if (const absl::Status status = turn(); !status.ok()) refused(status);
    }
    if (failed.load()) {
      const absl::MutexLock lock(&mutex);
      if (source != nullptr) source->stop_because(std::nullopt, failure);
    } else if (!suspended.load()) {
      if (!batcher->empty()) flush();
      if (source->stopped()) current_publisher()->refuse(stop_reason());
    }
    keep_writable();
  }

  // Nothing is read any more, but signer and eraser still write: a store that refused is opened anew for them.
  void keep_writable() {
    while (!stopping.load()) {
      if (ledger.writable().ok() && !suspended.load()) {
        std::this_thread::sleep_for(kIdlePull);
        continue;
      }
      const absl::Status status = reopen();
      if (status.ok()) {
        spdlog::warn("the disk takes writes again");
        continue;
      }
      if (!absl::IsUnavailable(status)) return fail(message_of(status));
      wait_a_while();
    }
  }

  // What is in flight is given up: Kafka has it still, or the embedded broker's client was not told that it is stored.
  void wait_for_disk() {
    while (!stopping.load() && suspended.load()) {
      close_source();
      wait_a_while();
      if (stopping.load()) return;
      const absl::Status status = begin_again();
      if (status.ok()) {
        spdlog::warn("the disk takes writes again: intake goes on at cut {}", ledger.cut().text());
      } else if (absl::IsUnavailable(status)) {
        suspended = true;
        note_waiting(message_of(status));
      } else {
        return fail(message_of(status));
      }
    }
  }

  void note_waiting(const std::string& what) {
    const std::string why = "the disk refused, it is tried again every few seconds: " + what;
    const absl::MutexLock lock(&mutex);
    if (why == failure) return;  // said already
    failure = why;
    spdlog::error("intake waits: {}", why);
  }

  absl::Status begin_again() {
    RETURN_IF_ERROR(reopen());
    return begin();
  }

  absl::Status reopen() {
    wait_for_commits();
    RETURN_IF_ERROR(ledger.reopen());
    // The commit that failed may be there all the same: nobody was told yet.
    if (const Job job = std::exchange(doubtful, nullptr); job != nullptr && is_stored(*job))
      for (const CommitObserver& observer : options.observers) observer(job);
    if (suspended.exchange(false)) {
      const absl::MutexLock lock(&mutex);
      failure.clear();
    }
    return absl::OkStatus();
  }

  void wait_a_while() const {
    for (const auto end = steady_clock::now() + kDiskRetry; !stopping.load() && steady_clock::now() < end;)
      std::this_thread::sleep_for(kIdlePull);
  }

  [[nodiscard]] bool is_stored(const Commit& commit) const {
    for (const PartitionBatch& part : commit.parts)
      if (ledger.head(part.partition).size < part.first.value() + part.entries.size()) return false;
    return true;
  }

  // Everything that talks to the broker, and the embedded broker itself: its clients end before it does.
  void close_source() {
    if (const auto ended = current_publisher()) ended->stop();
    std::shared_ptr<KafkaSource> ended;
    {
      const absl::MutexLock lock(&mutex);
      publisher.reset();
      if (source == nullptr) return;
      last_statuses = source->statuses();
      ended = std::move(source);
    }
    ended.reset();  // the consumer's threads end here; sources() keeps what it last said
    const absl::MutexLock lock(&mutex);
    broker.reset();
  }

  absl::Status turn() {
    RETURN_IF_ERROR(ledger.writable());  // a signing may have met the disk's refusal
    forget_committed();
    const bool waiting = queue.depth() > 0;
    const milliseconds timeout = batcher->empty() ? kIdlePull : waiting ? kBusyPull : milliseconds(0);
    const std::size_t records_left = options.config->intake.commit_records_max - batcher->records();
    const std::uint64_t bytes_left = options.config->intake.commit_bytes_max - batcher->bytes();
    const std::size_t pulled = source->pull(batcher->inbox(), std::min(records_left, kPullRecordsMax), bytes_left, timeout);
    if (pulled > 0) {
      RETURN_IF_ERROR(batcher->judge_new());
      if (embedded()) tell_pulled();
    }
    if (batcher->limit_reached()) return begin_next_epoch();
    const bool full =
        batcher->records() >= options.config->intake.commit_records_max || batcher->bytes() >= options.config->intake.commit_bytes_max;
    const bool worth_it = pulled < kPullRecordsMax || batcher->records() >= kBacklogRecords;
    if (!batcher->empty() && (full || (worth_it && queue.depth() == 0))) flush();
    advise();
    return absl::OkStatus();
  }

  void tell_pulled() {
    for (std::size_t i = 0; i < batcher->inbox().size(); ++i) {
      const std::uint64_t bytes = batcher->grown(i);
      if (bytes > 0) current_publisher()->on_pulled(batcher->inbox()[i].batch.partition, bytes);
    }
  }

  void flush() {
    Job job = batcher->take();
    {
      const absl::MutexLock lock(&mutex);
      ++in_flight;
    }
    if (!queue.push(std::move(job))) {
      const absl::MutexLock lock(&mutex);
      --in_flight;
    }
  }

  // The ledger answers for the ids of commits that have returned.
  void forget_committed() {
    std::size_t returned = batcher->taken();
    {
      const absl::MutexLock lock(&mutex);
      returned -= in_flight;
    }
    for (; returned > 0; --returned) batcher->forget_oldest();
  }

  // The old source is read up to where the definition's next statement continues from.
  absl::Status begin_next_epoch() {
    if (!batcher->empty()) flush();
    wait_for_commits();
    if (failed.load() || suspended.load()) return absl::OkStatus();
    return begin_epochs();
  }

  // Until none is under way. The batcher, and all that it keeps, ends here: whoever goes on makes another one where the ledger stands.
  void wait_for_commits() {
    const absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(this, &Impl::all_committed));
    batcher.reset();
  }
  [[nodiscard]] bool all_committed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return in_flight == 0; }

  void advise() {
    const auto now = options.clock->steady();
    if (embedded() || now - last_advice < kAdviseInterval) return;
    last_advice = now;
    if (now - last_full_advice >= kAdviseAgainInterval) {
      last_full_advice = now;
      advised_sizes.clear();
    }
    std::vector<AdvisedOffset> offsets;
    for (const PartitionId partition : definition().all_partitions()) {
      const PartitionHead head = ledger.head(partition);
      if (head.size == advised_sizes[partition]) continue;
      advised_sizes[partition] = head.size;
      offsets.push_back({partition, head.epoch, head.next_offset, format_advised(head.size, head.root, first_of(partition))});
    }
    source->advise(offsets);
  }

  std::string stop_reason() const {
    for (const SourceStatus& status : source->statuses()) {
      if (status.state == SourceState::stopped) return "the intake has stopped: " + status.why;
    }
    return "the intake has stopped";
  }

  // ---- stop ----

  void stop() {
    if (!running) return;
    running = false;
    const auto publishing = current_publisher();
    if (!failed.load() && publishing != nullptr && streaming() && !publishing->drain(kStopDrain))
      spdlog::warn("some published events are answered as unknown: stopping");
    stopping = true;
    intake_thread.join();
    queue.close();
    if (commit_thread.joinable()) commit_thread.join();
    close_source();
    if (!failed.load() && !suspended.load()) {
      if (const absl::Status status = ledger.record_heads(true); !status.ok()) spdlog::error("{}", message_of(status));
    }
  }

  [[nodiscard]] bool streaming() const {
    std::shared_ptr<KafkaSource> of;  // the intake thread may be changing epochs
    {
      const absl::MutexLock lock(&mutex);
      of = source;
    }
    if (of == nullptr) return false;
    for (const SourceStatus& status : of->statuses()) {
      if (status.state != SourceState::streaming) return false;
    }
    return true;
  }

  // ---- what others see ----

  std::vector<SourceStatus> statuses() const {
    std::shared_ptr<KafkaSource> of;
    std::string why;
    std::vector<SourceStatus> all;
    {
      const absl::MutexLock lock(&mutex);
      of = source;
      why = failure;
      all = last_statuses;
    }
    if (of != nullptr) all = of->statuses();
    if (all.empty()) {
      for (const PartitionId partition : definition().all_partitions()) {
        SourceStatus status;
        status.partition = partition;
        if (const SourceStatement* const statement = definition().source_of(partition)) status.topic = statement->topic;
        all.push_back(std::move(status));
      }
    }
    if (why.empty()) return all;
    for (SourceStatus& status : all) {
      status.state = suspended.load() ? SourceState::waiting_for_disk : SourceState::stopped;
      status.why = why;
      status.lag_records = -1;
    }
    return all;
  }

  IntakeStats counters() const {
    IntakeStats copy;
    {
      const absl::MutexLock lock(&mutex);
      copy = stats;
      for (const auto& [key, count] : reasons) copy.reasons.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), count});
    }
    copy.queue_depth = queue.depth();
    if (const auto publishing = current_publisher()) {
      copy.publish_events_in_flight = publishing->events_in_flight();
      copy.publish_bytes_in_flight = publishing->bytes_in_flight();
    }
    return copy;
  }

  const IntakeOptions options;
  Ledger& ledger;
  std::unique_ptr<Batcher> batcher;  // of the intake thread; none while suspended, or once failed
  std::unique_ptr<ContractWatch> contract;
  BoundedQueue<Job> queue;
  std::thread intake_thread, commit_thread;
  bool running = false;
  std::atomic<bool> stopping = false, failed = false;
  std::atomic<bool> suspended = false;  // the disk refused; the intake thread waits for it
  Job doubtful;                         // its commit failed; between the two threads, which do not run beside each other then
  steady_clock::time_point last_advice{}, last_full_advice{};
  std::map<PartitionId, std::uint64_t> advised_sizes;

  mutable absl::Mutex mutex;
  // Written under the mutex, by start(), the intake thread and stop(): whoever is another thread reads them under it.
  std::unique_ptr<EmbeddedBroker> broker;
  std::shared_ptr<Publisher> publisher;
  std::shared_ptr<KafkaSource> source;
  std::size_t in_flight ABSL_GUARDED_BY(mutex) = 0;  // of the commits that the batcher keeps, the newest
  std::string failure ABSL_GUARDED_BY(mutex);
  std::vector<SourceStatus> last_statuses ABSL_GUARDED_BY(mutex);  // after stop()
  IntakeStats stats ABSL_GUARDED_BY(mutex);
  std::map<std::tuple<PartitionId, Verdict, Reason>, std::uint64_t> reasons ABSL_GUARDED_BY(mutex);
};

Intake::Intake(IntakeOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Intake::~Intake() { stop(); }
absl::Status Intake::start() { return impl_->start(); }
void Intake::refuse_to_start(const std::string& why) { impl_->stop_before_start(why); }
void Intake::stop() { impl_->stop(); }

absl::Status Intake::publish(std::vector<OutgoingRecord> records, PublishDone done) {
  const auto publisher = impl_->current_publisher();
  if (publisher == nullptr) {
    const absl::MutexLock lock(&impl_->mutex);
    return failed_precondition("the intake does not run{}{}", impl_->failure.empty() ? "" : ": ", impl_->failure);
  }
  return publisher->publish(std::move(records), std::move(done));
}

std::vector<SourceStatus> Intake::sources() const { return impl_->statuses(); }
IntakeStats Intake::stats() const { return impl_->counters(); }
std::optional<std::vector<ContractFinding>> Intake::contract() const {
  return impl_->contract == nullptr ? std::nullopt : impl_->contract->findings();
}
std::string Intake::bootstrap_servers() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->broker != nullptr ? impl_->broker->bootstrap_servers() : impl_->options.config->broker.bootstrap_servers;
}

}  // namespace bukubesar
