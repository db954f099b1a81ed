#include "server/eraser.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/status.h"
#include "base/thread.h"

namespace bukubesar {

namespace {
constexpr absl::Duration kLookInterval = absl::Seconds(1);  // also after a disk that refused
constexpr std::size_t kLookRun = 1024;
}  // namespace

std::string_view name_of(RedactionState state) {
  switch (state) {
    case RedactionState::pending:
      return "pending";
    case RedactionState::erasing:
      return "erasing";
    case RedactionState::done:
      return "done";
    case RedactionState::refused:
      return "refused";
  }
  return "unknown";
}

Eraser::Eraser(Ledger& ledger, std::function<const Definition&()> definition, std::function<void(PartitionId, Sequence)> erased)
    : ledger_(ledger), definition_(std::move(definition)), erased_(std::move(erased)) {}

Eraser::~Eraser() { stop(); }

void Eraser::start() {
  thread_ = std::thread([this] { loop(); });
}

void Eraser::begin_stop() {
  absl::MutexLock lock(&mutex_);
  *stopping_ = true;
}

void Eraser::stop() {
  begin_stop();
  if (thread_.joinable()) thread_.join();
}

void Eraser::wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void Eraser::loop() {
  name_own_thread("erase");
  const ComputesFor running(stopping_);
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return *stopping_ || woken_; };
  std::string trouble;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&has_work), kLookInterval);
      if (*stopping_) return;
      woken_ = false;
    }
    const absl::Status done = turn();
    if (absl::IsCancelled(done)) return;
    const std::string now = done.ok() ? "" : message_of(done);
    if (!now.empty() && now != trouble) spdlog::error("erasure: {}", now);
    trouble = now;
  }
}

absl::Status Eraser::turn() {
  RETURN_IF_ERROR(read_requests());
  RETURN_IF_ERROR(ledger_.writable());  // after a failed write, what is erased is not known before it has been read back
  std::vector<RedactionStatus> all = status();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].state != RedactionState::pending) continue;
    RETURN_IF_ERROR(still_wanted());
    const absl::Status acted = act(all[i]);
    {
      absl::MutexLock lock(&mutex_);
      statuses_[i] = all[i];
    }
    RETURN_IF_ERROR(acted);
  }
  const absl::Status finished = ledger_.finish_redactions();
  note_finished();
  return finished;
}

void Eraser::note_finished() {
  const std::vector<RedactionStatus> all = status();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const RedactionRequest& request = all[i].request;
    if (all[i].state != RedactionState::erasing) continue;
    const auto redaction = ledger_.redaction(request.partition, request.sequence);
    if (redaction == nullptr || !redaction->gone) continue;
    erased_(request.partition, request.sequence);
    spdlog::info("erased {}:{}, by reference:{}: its bytes stand in no file of the ledger any more", request.partition.name(),
                 request.sequence.value(), request.by.value());
    absl::MutexLock lock(&mutex_);
    statuses_[i].state = RedactionState::done;
  }
}

absl::Status Eraser::read_requests() {
  const PartitionId reference = PartitionId::reference();
  const Definition& definition = definition_();
  Judge judge(Routing{parse_partitioner(definition.partitioner).value_or(Partitioner::murmur2), definition.partitions});
  while (next_ < ledger_.head(reference).size) {
    ASSIGN_OR_RETURN(const StoredRun run, ledger_.read(reference, Sequence(next_), kLookRun));
    if (run.entries.empty()) return data_loss("reference:{}: not stored", next_);
    for (const StoredEntry& stored : run.entries) {
      auto request = redaction_request(stored, judge);
      if (!request) continue;
      absl::MutexLock lock(&mutex_);
      statuses_.push_back({*std::move(request), RedactionState::pending, "not looked at yet"});
    }
    next_ = run.entries.back().sequence.value() + 1;
  }
  return absl::OkStatus();
}

absl::Status Eraser::act(RedactionStatus& status) {
  const RedactionRequest& request = status.request;
  if (const auto erased = ledger_.redaction(request.partition, request.sequence); erased != nullptr && erased->by == request.by) {
    status.state = erased->gone ? RedactionState::done : RedactionState::erasing;
    status.why.clear();
    return absl::OkStatus();
  }
  auto redaction = decide_redaction(request, ledger_, definition_());
  if (absl::IsFailedPrecondition(redaction.status())) {
    status.state = RedactionState::refused;
    status.why = message_of(redaction.status());
    spdlog::warn("the redaction reference:{} of {}:{} is refused: {}", request.by.value(), request.partition.name(),
                 request.sequence.value(), status.why);
    return absl::OkStatus();
  }
  if (absl::IsOutOfRange(redaction.status())) {
    status.why = message_of(redaction.status());
    return absl::OkStatus();
  }
  if (redaction.ok()) {
    const absl::Status erased = ledger_.redact(request.partition, request.sequence, *std::move(redaction));
    if (erased.ok()) {
      status.state = RedactionState::erasing;
      status.why.clear();
      return absl::OkStatus();
    }
    redaction = erased;
  }
  status.why = message_of(redaction.status());
  return redaction.status();
}

std::vector<RedactionStatus> Eraser::status() const {
  absl::MutexLock lock(&mutex_);
  return statuses_;
}

std::optional<RedactionRequest> Eraser::erased_by(PartitionId partition, Sequence sequence) const {
  const auto redaction = ledger_.redaction(partition, sequence);
  if (redaction == nullptr) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  for (const RedactionStatus& each : statuses_)
    if (each.request.by == redaction->by) return each.request;
  return std::nullopt;
}

}  // namespace bukubesar
