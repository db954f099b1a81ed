#include "projections/projections.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "absl/synchronization/notification.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/status.h"
#include "base/thread.h"
#include "projections/projections_impl.h"

namespace bukubesar {

Projections::Projections(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Projections::~Projections() { stop(); }

absl::StatusOr<std::unique_ptr<Projections>> Projections::open(ProjectionsOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<Projections>(new Projections(std::move(impl)));
}

void Projections::start() {
  impl_->sealer = std::jthread([impl = impl_.get()] { impl->seal(); });
  impl_->worker = std::jthread([impl = impl_.get()] { impl->work(); });
  impl_->view_builder = std::jthread([impl = impl_.get()] { impl->build_all_views(); });
}

void Projections::stop() {
  impl_->stopping = true;
  *impl_->views_abandoned = true;
  impl_->queue.close();
  if (impl_->worker.joinable()) impl_->worker.join();
  if (impl_->view_builder.joinable()) impl_->view_builder.join();
  {
    absl::MutexLock lock(&impl_->seal_mutex);
    impl_->seal_ended = true;  // once what is full has been written
  }
  if (impl_->sealer.joinable()) impl_->sealer.join();
}

void Projections::hand_off(const std::shared_ptr<const Commit>& commit) {
  std::shared_ptr<const Commit> item = commit;
  if (impl_->queue.try_push(item)) return;
  ++impl_->hand_offs_dropped;
  impl_->behind = true;  // the queue is full, so the worker will look here after it has emptied it
}

void Projections::Impl::fail(const absl::Status& status) {
  spdlog::error("projections stopped: {}", message_of(status));
  absl::MutexLock lock(&published_mutex);
  failed = message_of(status);
}

void Projections::Impl::build_all_views() {
  name_own_thread("views");
  lower_own_priority(kBehindOthers, "the builder of views");
  const ComputesFor computing(views_abandoned);
  absl::Status status = build_views();
  while (absl::IsUnavailable(status) && !stopping) {  // a disk that did not answer may do so later
    spdlog::warn("the views wait: {}; trying again in a second", message_of(status));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (!stopping && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    status = build_views();
  }
  if (!status.ok() && !absl::IsCancelled(status)) fail(with_context(status, "building views"));
}

void Projections::Impl::work() {
  name_own_thread("fold");
  absl::Status status = catch_up(options.ledger->cut());  // what was committed between open() and now
  while (absl::IsUnavailable(status) && !stopping) status = try_again(status);
  while (status.ok() && !stopping) {
    const auto commit = queue.pop(absl::Seconds(1));
    if (status.ok() && commit) status = apply_commit(**commit);
    if (status.ok() && queue.depth() == 0 && behind.exchange(false)) status = catch_up(options.ledger->cut());
    while (absl::IsUnavailable(status) && !stopping) status = try_again(status);
  }
  if (status.ok() || stopping) return;
  fail(status);
  queue.close();
}

// A disk that did not answer may do so later. What was handed over meanwhile is read from the ledger.
absl::Status Projections::Impl::try_again(const absl::Status& failed_with) {
  spdlog::warn("projections wait: {}; trying again in a second", message_of(failed_with));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (!stopping && std::chrono::steady_clock::now() < end) queue.pop(absl::Milliseconds(50));
  return catch_up(options.ledger->cut());
}

Projections::Impl::Partition* Projections::Impl::find(PartitionId id) {
  for (Partition& partition : partitions) {
    if (partition.id == id) return &partition;
  }
  return nullptr;
}

std::uint64_t Projections::Impl::next_of(PartitionId id) const {
  if (id.is_reference()) return reference_size;
  for (const Partition& partition : partitions) {
    if (partition.id == id) return partition.fold->next_sequence();
  }
  return 0;
}

Routing Projections::Impl::routing() const {
  Routing routing;
  routing.partitioner = parse_partitioner(options.definition->partitioner).value_or(Partitioner::murmur2);
  routing.partitions = options.definition->partitions;
  return routing;
}

absl::Status Projections::Impl::apply_commit(const Commit& commit) {
  for (const PartitionBatch& part : commit.parts) {
    std::uint64_t next = next_of(part.partition);
    if (part.first.value() > next) {  // a hand-off before this one was dropped
      RETURN_IF_ERROR(catch_up(part.partition, part.first.value()));
      next = next_of(part.partition);
    }
    const std::uint64_t limit = part.first.value() + part.entries.size();
    if (next >= limit) continue;  // read from the ledger already
    RETURN_IF_ERROR(apply_part(part, next - part.first.value()));
  }
  return absl::OkStatus();
}

absl::Status Projections::Impl::apply_part(const PartitionBatch& part, std::size_t first) {
  Partition* partition = find(part.partition);
  if (partition == nullptr && !part.partition.is_reference())
    return failed_precondition("a commit names partition {}", part.partition.name());
  for (std::size_t at = first; at < part.entries.size();) {
    const std::size_t limit = std::min(part.entries.size(), at + kSliceEntries);
    {
      absl::MutexLock lock(&mutex);
      for (; at < limit; ++at) {
        const Sequence sequence = part.first + at;
        if (partition == nullptr) {
          apply_reference(sequence, part.entries[at], part.events[at]);
          continue;
        }
        partition->fold->look_ahead(part.events, at);
        std::optional<std::string_view> payload;
        if (part.payloads[at].data() != nullptr) payload = part.payloads[at];
        partition->fold->apply(sequence, part.entries[at], payload, part.events[at]);
      }
    }
    publish();
    RETURN_IF_ERROR(make_room());
  }
  return absl::OkStatus();
}

void Projections::Impl::apply_reference(Sequence sequence, const Entry& entry, const Event* event) {
  if (entry.verdict == Verdict::duplicate && entry.reason == Reason::different) {
    reference_findings.emplace_back(FindingRow{sequence.value(), kNoPurchase, 0, FindingKind::duplicate_different,
                                               static_cast<std::int64_t>(entry.duplicate_of.value()), 0});
  } else if (event != nullptr && event->fact != nullptr) {
    absl::MutexLock lock(&facts_mutex);
    facts.apply(sequence, event->type, *event->fact);
  }
  reference_size = sequence.value() + 1;
}

absl::Status Projections::Impl::catch_up(const Cut& until) {
  for (const auto& [id, size] : until.sizes()) RETURN_IF_ERROR(catch_up(id, size));
  return absl::OkStatus();
}

absl::Status Projections::Impl::catch_up(PartitionId id, std::uint64_t until) {
  Judge judge(routing());
  const std::uint64_t first = next_of(id);
  while (next_of(id) < until && !stopping) {
    ASSIGN_OR_RETURN(const StoredRun run, options.ledger->read(id, Sequence(next_of(id)), kCatchUpEntries));
    if (run.entries.empty()) return data_loss("partition {}: the ledger has no entry {} of {}", id.name(), next_of(id), until);
    RETURN_IF_ERROR(apply_run(id, run, judge));
    report("reading entries", next_of(id) - first, until - first);
  }
  return absl::OkStatus();
}

absl::Status Projections::Impl::apply_run(PartitionId id, const StoredRun& run, Judge& judge) {
  Arena arena(256 * 1024);
  std::vector<const Event*> events(run.entries.size());
  for (std::size_t i = 0; i < run.entries.size(); ++i) {
    const StoredEntry& stored = run.entries[i];
    if (stored.entry.verdict != Verdict::accepted) continue;
    const auto payload = stored.folded();
    if (!payload) return data_loss("entry {}:{} was accepted, and has no payload", id.name(), stored.sequence.value());
    const Judgement judgement = judge.judge(stored.entry.rules_version, id, *payload, arena);
    if (judgement.event == nullptr) {
      return data_loss("entry {}:{} was accepted, and rules {} now say {}", id.name(), stored.sequence.value(), stored.entry.rules_version,
                       judgement.detail);
    }
    events[i] = judgement.event;
  }
  Partition* partition = find(id);
  for (std::size_t at = 0; at < run.entries.size();) {
    const std::size_t limit = std::min(run.entries.size(), at + kSliceEntries);
    {
      absl::MutexLock lock(&mutex);
      for (; at < limit; ++at) {
        const StoredEntry& stored = run.entries[at];
        if (partition == nullptr) {
          apply_reference(stored.sequence, stored.entry, events[at]);
        } else {
          partition->fold->apply(stored.sequence, stored.entry, stored.folded(), events[at]);
        }
      }
    }
    publish();
    RETURN_IF_ERROR(make_room());
  }
  caught_up_from_ledger += run.entries.size();
  return absl::OkStatus();
}

// Full segments are written by a thread of their own: who waits for an event to be visible does not wait for a disk. Where there are too
// many of them, or no such thread yet, the worker waits.
absl::Status Projections::Impl::make_room() {
  std::size_t unsealed = 0;
  const auto count = [&] {
    mutex.AssertReaderHeld();
    unsealed = 0;
    for (const Partition& partition : partitions) unsealed = std::max(unsealed, partition.fold->segments().size());
    return unsealed <= kUnsealedMax || stopping;
  };
  {
    absl::ReaderMutexLock lock(&mutex);
    count();
  }
  if (unsealed <= 1) return absl::OkStatus();
  if (!sealer.joinable()) return seal_full();
  {
    absl::MutexLock lock(&seal_mutex);
    seal_asked = true;
  }
  if (unsealed <= kUnsealedMax) return absl::OkStatus();
  absl::ReaderMutexLock lock(&mutex);
  while (!mutex.AwaitWithTimeout(absl::Condition(&count), absl::Seconds(1))) {
  }
  return absl::OkStatus();
}

// A disk that refuses is asked again after a while; meanwhile segments wait in memory.
void Projections::Impl::seal() {
  name_own_thread("segments");
  const auto asked = [this] {
    seal_mutex.AssertHeld();
    return seal_asked || seal_ended;
  };
  const auto ended = [this] {
    seal_mutex.AssertHeld();
    return seal_ended;
  };
  for (;;) {
    {
      absl::MutexLock lock(&seal_mutex);
      seal_mutex.Await(absl::Condition(&asked));
      if (!seal_asked) return;
      seal_asked = false;
    }
    const absl::Status status = seal_full();
    if (status.ok()) continue;
    spdlog::warn("{}; trying again in a second", message_of(status));
    absl::MutexLock lock(&seal_mutex);
    if (seal_mutex.AwaitWithTimeout(absl::Condition(&ended), absl::Seconds(1))) return;
    seal_asked = true;
  }
}

absl::Status Projections::Impl::seal_full() {
  for (Partition& partition : partitions) {
    while (const std::shared_ptr<const MemorySegment> segment = oldest_full(partition)) RETURN_IF_ERROR(seal(partition, *segment));
  }
  return absl::OkStatus();
}

std::shared_ptr<const MemorySegment> Projections::Impl::oldest_full(const Partition& partition) const {
  absl::ReaderMutexLock lock(&mutex);
  return partition.fold->has_full() ? partition.fold->segments().front() : nullptr;
}

// A full segment does not change, and what it names in dictionaries stays where it is: neither needs the lock.
absl::Status Projections::Impl::seal(Partition& partition, const MemorySegment& segment) {
  const std::string bytes = encode_segment(partition.fold->content_of(segment));
  const std::string path = fmt::format("{}/{}/{}", options.directory, partition.id.name(), segment_file_name(segment.header.number));
  crash_point("segment_before");
  RETURN_IF_ERROR(write_file_durably(path, bytes, 0644, "segment_begun"));
  crash_point("segment_after");
  auto sealed = std::make_shared<FileSegments>(*partition.sealed);
  sealed->push_back(std::make_shared<FileSegment>(path, bytes, segment.header));
  absl::MutexLock lock(&mutex);
  partition.sealed = std::move(sealed);
  partition.fold->drop_oldest();
  return absl::OkStatus();
}

// Makes the worker's position known and calls who waited for it.
void Projections::Impl::publish() {
  Cut cut;
  {
    absl::ReaderMutexLock lock(&mutex);
    cut = cut_now();
  }
  std::vector<std::function<void()>> ready;
  {
    absl::MutexLock lock(&published_mutex);
    published = cut;
    for (std::vector<Waiter>& of_kind : waiters) {
      const auto reached = std::stable_partition(of_kind.begin(), of_kind.end(), [&](const Waiter& one) { return !cut.covers(one.cut); });
      for (auto at = reached; at != of_kind.end(); ++at) ready.push_back(std::move(at->callback));
      of_kind.erase(reached, of_kind.end());
    }
  }
  for (const auto& callback : ready) callback();
}

std::optional<WaitId> Projections::Impl::add_waiter(const Cut& cut, Waits kind, std::function<void()> callback) {
  WaitId id = 0;
  {
    absl::MutexLock lock(&published_mutex);
    id = next_waiter++;
    if (!published.covers(cut)) {
      std::vector<Waiter>& of_kind = waiters[static_cast<std::size_t>(kind)];
      if (of_kind.size() >= kWaitsMax) return std::nullopt;
      of_kind.push_back({id, cut, std::move(callback)});
      return id;
    }
  }
  callback();
  return id;
}

void Projections::Impl::remove_waiter(WaitId id) {
  absl::MutexLock lock(&published_mutex);
  for (std::vector<Waiter>& of_kind : waiters) std::erase_if(of_kind, [id](const Waiter& one) { return one.id == id; });
}

void Projections::forget_names(Sequence sequence) {
  absl::MutexLock lock(&impl_->facts_mutex);
  impl_->facts.forget_names(sequence);
}

Cut Projections::cut() const {
  absl::MutexLock lock(&impl_->published_mutex);
  return impl_->published;
}

absl::Status Projections::wait_for(const Cut& cut, std::chrono::milliseconds timeout) const {
  const auto done = std::make_shared<absl::Notification>();
  const std::optional<WaitId> id = impl_->add_waiter(cut, Waits::reader, [done] { done->Notify(); });
  if (!id) return resource_exhausted("{} readers wait already", kWaitsMax);
  if (done->WaitForNotificationWithTimeout(absl::FromChrono(timeout))) return absl::OkStatus();
  impl_->remove_waiter(*id);
  return deadline_exceeded("cut {} was not read within {} ms; read is {}", cut.text(), timeout.count(), this->cut().text());
}

std::optional<WaitId> Projections::when_read(const Cut& cut, Waits kind, std::function<void()> callback) {
  return impl_->add_waiter(cut, kind, std::move(callback));
}

void Projections::stop_waiting(WaitId id) { impl_->remove_waiter(id); }

ProjectionStatus Projections::status() const {
  ProjectionStatus to;
  {
    absl::ReaderMutexLock lock(&impl_->mutex);
    to.cut = impl_->cut_now();
    for (const auto& partition : impl_->partitions) {
      to.events += partition.fold->events();
      to.transfers += partition.fold->rows();
      to.purchases += partition.fold->purchases();
      to.segments += partition.sealed->size();
      to.findings += partition.fold->findings().size();
    }
    to.findings += impl_->reference_findings.size();
  }
  to.queue_depth = impl_->queue.depth();
  to.hand_offs_dropped = impl_->hand_offs_dropped;
  to.caught_up_from_ledger = impl_->caught_up_from_ledger;
  to.segments_remade = impl_->segments_remade;
  absl::MutexLock lock(&impl_->published_mutex);
  to.failed = impl_->failed;
  to.readers_waiting = impl_->waiters[static_cast<std::size_t>(Waits::reader)].size();
  return to;
}

std::vector<std::pair<std::string, std::uint64_t>> Projections::memory_bytes() const {
  std::map<std::string, std::uint64_t> parts;
  {
    absl::ReaderMutexLock lock(&impl_->mutex);
    for (const auto& partition : impl_->partitions) {
      for (const auto& [part, bytes] : partition.fold->memory_bytes()) parts[part] += bytes;
    }
  }
  parts["dictionaries"] += impl_->vendor_numbers->memory_bytes();
  absl::MutexLock lock(&impl_->cache_mutex);
  for (const auto& standing : impl_->standing) parts["standing_views"] += standing->bytes;
  return {parts.begin(), parts.end()};
}

std::uint64_t Projections::disk_bytes() const {
  absl::ReaderMutexLock lock(&impl_->mutex);
  std::uint64_t bytes = 0;
  for (const auto& partition : impl_->partitions) {
    for (const auto& segment : *partition.sealed) bytes += segment->file_bytes();
  }
  return bytes;
}

}  // namespace bukubesar
