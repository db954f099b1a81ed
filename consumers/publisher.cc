#include "consumers/publisher.h"

#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "base/status.h"
#include "consumers/kafka_embedded.h"
#include "consumers/kafka_producer.h"
#include "events/payload.h"

namespace bukubesar {

namespace {

struct Request;
struct Route;

// One record on its way.
struct Slot {
  Request* request = nullptr;
  std::size_t index = 0;
  Route* route = nullptr;
  std::uint64_t bytes = 0;
  OutgoingRecord record;  // until it is produced
};

struct Request {
  PublishDone done;
  std::vector<absl::StatusOr<Receipt>> results;
  std::vector<Slot> slots;
  std::size_t remaining = 0;
  std::uint64_t bytes = 0;
};

struct Route {
  PublishRoute to;
  std::deque<Slot*> queue;                // not yet produced
  std::map<std::int64_t, Slot*> waiting;  // acknowledged by the broker, not yet committed, by offset
  std::uint64_t unfetched_bytes = 0;      // produced, not yet pulled by the intake
};

std::uint64_t size_of(const OutgoingRecord& record) {
  std::vector<Header> headers;
  headers.reserve(record.headers.size());
  for (const auto& [name, value] : record.headers) headers.push_back({name, value});
  return payload_size(record.key, headers, record.value);
}

}  // namespace

struct Publisher::Impl {
  using Finished = std::vector<std::unique_ptr<Request>>;

  explicit Impl(PublisherOptions given) : options(std::move(given)), routes(options.routes.size()) {
    for (std::size_t i = 0; i < routes.size(); ++i) {
      routes[i].to = options.routes[i];
      (routes[i].to.partition.is_reference() ? reference : numbered).push_back(&routes[i]);
    }
  }

  static void call(Finished finished) {
    for (const auto& request : finished) request->done(std::move(request->results));
  }

  Route* route_of(const OutgoingRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (record.reference_topic) return reference.empty() ? nullptr : reference.front();
    if (numbered.empty()) return nullptr;
    const auto count = static_cast<std::uint32_t>(numbered.size());
    if (options.partitioner == Partitioner::any) return numbered[next_any++ % count];
    if (!record.key) return numbered.front();  // it will be rejected wherever it goes
    return numbered[partition_of(options.partitioner, *record.key, count)];
  }

  void finish(Slot& slot, absl::StatusOr<Receipt> result, Finished& finished) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Request& request = *slot.request;
    request.results[slot.index] = std::move(result);
    if (--request.remaining > 0) return;
    events_in_flight -= request.slots.size();
    bytes_in_flight -= request.bytes;
    const auto found = live.find(&request);
    finished.push_back(std::move(found->second));
    live.erase(found);
  }

  // Produces what the route's bound lets through.
  void feed(Route& route, Finished& finished) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    while (!route.queue.empty()) {
      Slot& slot = *route.queue.front();
      // One record always goes, or a record as large as the bound never would.
      if (options.embedded && route.unfetched_bytes > 0 && route.unfetched_bytes + slot.bytes > kEmbeddedUnfetchedBytesMax) return;
      const absl::Status status = producer->produce(route.to.topic, route.to.kafka_partition, slot.record,
                                                    options.embedded ? std::optional(options.clock->wall_ms()) : std::nullopt, &slot);
      if (absl::IsResourceExhausted(status)) return;  // the producer's thread feeds again
      route.queue.pop_front();
      slot.record = {};
      if (status.ok()) {
        route.unfetched_bytes += slot.bytes;
      } else {
        finish(slot, status, finished);
      }
    }
  }

  absl::Status publish(std::vector<OutgoingRecord> records, PublishDone done) {
    auto request = std::make_unique<Request>();
    request->done = std::move(done);
    request->slots.resize(records.size());
    request->results.assign(records.size(), unavailable("no outcome yet"));
    request->remaining = records.size();
    for (std::size_t i = 0; i < records.size(); ++i) {
      Slot& slot = request->slots[i];
      slot.request = request.get();
      slot.index = i;
      slot.bytes = size_of(records[i]);
      slot.record = std::move(records[i]);
      request->bytes += slot.bytes;
    }
    const absl::MutexLock lock(&mutex);
    if (!refused.empty()) return failed_precondition("{}", refused);
    if (request->slots.size() > options.events_max || request->bytes > options.bytes_max) {
      return invalid_argument("{} events with {} bytes in one request: at most {} events and {} bytes", request->slots.size(),
                              request->bytes, options.events_max, options.bytes_max);
    }
    if (events_in_flight + request->slots.size() > options.events_max || bytes_in_flight + request->bytes > options.bytes_max) {
      return resource_exhausted("{} events with {} bytes are in flight, at most {} and {}: send again later", events_in_flight,
                                bytes_in_flight, options.events_max, options.bytes_max);
    }
    take(std::move(request));
    return absl::OkStatus();
  }

  void take(std::unique_ptr<Request> request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Request& taken = *request;
    events_in_flight += taken.slots.size();
    bytes_in_flight += taken.bytes;
    live.emplace(&taken, std::move(request));
    if (taken.slots.empty()) {  // an empty request is answered as such
      later.push_back(std::move(live.extract(live.find(&taken)).mapped()));
      return;
    }
    std::vector<Route*> touched;
    Finished finished;
    for (Slot& slot : taken.slots) {
      slot.route = route_of(slot.record);
      const absl::Status status = check(slot);
      if (!status.ok()) {
        finish(slot, status, finished);
        continue;
      }
      slot.route->queue.push_back(&slot);
      if (std::find(touched.begin(), touched.end(), slot.route) == touched.end()) touched.push_back(slot.route);
    }
    for (Route* route : touched) feed(*route, finished);
    // publish() never calls back itself: its caller may hold a lock.
    for (auto& done : finished) later.push_back(std::move(done));
  }

  absl::Status check(const Slot& slot) const {
    if (slot.route == nullptr) return failed_precondition("the definition has no source for this topic");
    if (options.embedded && slot.bytes > kEmbeddedRecordBytesMax) {
      return invalid_argument("the record has {} bytes, the embedded broker takes at most {}", slot.bytes, kEmbeddedRecordBytesMax);
    }
    return absl::OkStatus();
  }

  // The broker has answered.
  void delivered(Slot& slot, absl::StatusOr<Offset> offset) {
    Finished finished;
    Route* const route = slot.route;
    bool look_up = false;
    {
      const absl::MutexLock lock(&mutex);
      if (!offset.ok()) {
        route->unfetched_bytes -= std::min(route->unfetched_bytes, slot.bytes);
        finish(slot, offset.status(), finished);
        feed(*route, finished);
      } else if (!refused_hard.empty()) {
        finish(slot, unavailable("Kafka has it at offset {}, the ledger does not yet: {}", offset->value(), refused_hard), finished);
      } else {
        const auto [place, fresh] = route->waiting.emplace(offset->value(), &slot);
        if (!fresh) finish(slot, unavailable("two records were acknowledged at offset {}", offset->value()), finished);
        look_up = fresh;
      }
    }
    if (look_up) look_up_committed(*route, *offset, finished);
    call(std::move(finished));
  }

  // Where the commit came before the report, on_commit() has passed by and the ledger knows.
  void look_up_committed(Route& route, Offset offset, Finished& finished) {
    const PartitionHead head = options.ledger->head(route.to.partition);
    if (head.epoch != route.to.epoch || head.next_offset <= offset) return;
    absl::StatusOr<Receipt> receipt = stored_receipt(route.to, offset);
    const absl::MutexLock lock(&mutex);
    const auto found = route.waiting.find(offset.value());
    if (found == route.waiting.end()) return;
    Slot& slot = *found->second;
    route.waiting.erase(found);
    finish(slot, std::move(receipt), finished);
  }

  absl::StatusOr<Receipt> stored_receipt(const PublishRoute& to, Offset offset) const {
    ASSIGN_OR_RETURN(const Sequence sequence, options.ledger->sequence_of(to.partition, to.epoch, offset));
    ASSIGN_OR_RETURN(const std::vector<Entry> entries, options.ledger->read_entries(to.partition, sequence, 1));
    if (entries.empty()) return data_loss("entry {}:{} is not there", to.partition.name(), sequence.value());
    return receipt_of(to.partition, sequence, entries.front());
  }

  static Receipt receipt_of(PartitionId partition, Sequence sequence, const Entry& entry) {
    return {partition, sequence, entry.epoch, entry.offset, entry.verdict, entry.reason, entry.duplicate_of};
  }

  void on_commit(const Commit& commit) {
    Finished finished;
    {
      const absl::MutexLock lock(&mutex);
      for (const PartitionBatch& part : commit.parts) {
        Route* const route = route_named(part.partition);
        if (route != nullptr && part.epoch == route->to.epoch && !route->waiting.empty()) answer(*route, part, finished);
      }
    }
    call(std::move(finished));
  }

  void answer(Route& route, const PartitionBatch& part, Finished& finished) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    auto waiting = route.waiting.begin();
    std::size_t at = 0;
    while (waiting != route.waiting.end() && waiting->first < part.next_offset.value()) {
      while (at < part.entries.size() && part.entries[at].offset.value() < waiting->first) ++at;
      if (at == part.entries.size()) return;
      if (part.entries[at].offset.value() != waiting->first) {
        ++waiting;  // of an earlier commit: whoever put it there looks it up
        continue;
      }
      finish(*waiting->second, receipt_of(part.partition, part.first + at, part.entries[at]), finished);
      waiting = route.waiting.erase(waiting);
    }
  }

  Route* route_named(PartitionId partition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    for (Route& route : routes) {
      if (route.to.partition == partition) return &route;
    }
    return nullptr;
  }

  void on_pulled(PartitionId partition, std::uint64_t bytes) {
    if (!options.embedded) return;  // nothing is held back there
    Finished finished;
    {
      const absl::MutexLock lock(&mutex);
      Route* const route = route_named(partition);
      if (route == nullptr) return;
      // Records of other clients were never counted in.
      route->unfetched_bytes -= std::min(route->unfetched_bytes, bytes);
      feed(*route, finished);
      for (auto& done : finished) later.push_back(std::move(done));
    }
  }

  void tick() {
    Finished finished;
    {
      const absl::MutexLock lock(&mutex);
      finished.swap(later);
      for (Route& route : routes) {
        if (refused_hard.empty()) feed(route, finished);
      }
    }
    call(std::move(finished));
  }

  void refuse(const std::string& why) {
    Finished finished;
    {
      const absl::MutexLock lock(&mutex);
      if (!refused_hard.empty()) return;
      refused_hard = why;
      if (refused.empty()) refused = why;
      finished.swap(later);
      for (Route& route : routes) {
        for (Slot* slot : route.queue) finish(*slot, unavailable("not sent: {}", why), finished);
        route.queue.clear();
        for (const auto& [offset, slot] : route.waiting) {
          finish(*slot, unavailable("Kafka has it at offset {}, the ledger does not yet: {}", offset, why), finished);
        }
        route.waiting.clear();
      }
    }
    call(std::move(finished));
  }

  [[nodiscard]] bool nothing_in_flight() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return live.empty(); }

  const PublisherOptions options;
  std::unique_ptr<KafkaProducer> producer;
  mutable absl::Mutex mutex;
  std::vector<Route> routes ABSL_GUARDED_BY(mutex);
  std::vector<Route*> numbered ABSL_GUARDED_BY(mutex), reference ABSL_GUARDED_BY(mutex);
  std::uint32_t next_any ABSL_GUARDED_BY(mutex) = 0;
  absl::flat_hash_map<Request*, std::unique_ptr<Request>> live ABSL_GUARDED_BY(mutex);
  Finished later ABSL_GUARDED_BY(mutex);  // to be called from the producer's thread
  std::uint64_t events_in_flight ABSL_GUARDED_BY(mutex) = 0;
  std::uint64_t bytes_in_flight ABSL_GUARDED_BY(mutex) = 0;
  std::string refused ABSL_GUARDED_BY(mutex);       // no new requests
  std::string refused_hard ABSL_GUARDED_BY(mutex);  // nothing is waited for any more
};

Publisher::Publisher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Publisher::~Publisher() { stop(); }

absl::StatusOr<std::unique_ptr<Publisher>> Publisher::make(PublisherOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  KafkaProducerOptions producer;
  producer.address = impl->options.address;
  producer.embedded = impl->options.embedded;
  producer.records_max = impl->options.events_max;
  producer.bytes_max = impl->options.bytes_max;
  Impl* raw = impl.get();
  producer.delivered = [raw](void* token, absl::StatusOr<Offset> offset) { raw->delivered(*static_cast<Slot*>(token), std::move(offset)); };
  producer.tick = [raw] { raw->tick(); };
  // tick() may run before the pointer is set, but then there is nothing to feed.
  ASSIGN_OR_RETURN(impl->producer, KafkaProducer::make(std::move(producer)));
  return std::unique_ptr<Publisher>(new Publisher(std::move(impl)));
}

absl::Status Publisher::publish(std::vector<OutgoingRecord> records, PublishDone done) {
  return impl_->publish(std::move(records), std::move(done));
}
void Publisher::on_pulled(PartitionId partition, std::uint64_t payload_bytes) { impl_->on_pulled(partition, payload_bytes); }
void Publisher::on_commit(const Commit& commit) { impl_->on_commit(commit); }
void Publisher::refuse(const std::string& why) { impl_->refuse(why); }

bool Publisher::drain(std::chrono::milliseconds timeout) {
  const absl::MutexLock lock(&impl_->mutex);
  if (impl_->refused.empty()) impl_->refused = "the intake is stopping";
  return impl_->mutex.AwaitWithTimeout(absl::Condition(impl_.get(), &Impl::nothing_in_flight), absl::FromChrono(timeout));
}

void Publisher::stop() {
  impl_->refuse("the intake has stopped");
  impl_->producer->stop();  // answers what was still on its way to the broker
  impl_->tick();
}

std::uint64_t Publisher::events_in_flight() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->events_in_flight;
}
std::uint64_t Publisher::bytes_in_flight() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->bytes_in_flight;
}

}  // namespace bukubesar
