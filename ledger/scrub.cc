#include "ledger/scrub.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/thread.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"

namespace bukubesar {

namespace {

constexpr std::size_t kStepBytes = 256U << 10;  // between two looks at the clock
constexpr std::chrono::seconds kFirstPassAfter{60};

// The partitions that rows of a table may be of.
std::vector<PartitionId> partitions_in(const Store::TableFile& file, const Ledger& ledger) {
  if (!file.family || *file.family == Family::checkpoints || *file.family == Family::heads) return {};
  if (file.first_key.size() < 4 || file.last_key.size() < 4) return {};
  const PartitionId first(load_be<std::uint32_t>(file.first_key.data()));
  const PartitionId last(load_be<std::uint32_t>(file.last_key.data()));
  std::vector<PartitionId> found = ledger.partitions();
  std::erase_if(found, [&](PartitionId partition) { return partition < first || last < partition; });
  return found;
}

std::string at(PartitionId partition, std::uint64_t sequence) { return fmt::format("{}:{}", partition.name(), sequence); }

}  // namespace

// One partition's rows up to a head, a step at a time: no cursor is kept while the scrub waits.
class Scrub::PartitionScrub {
 public:
  PartitionScrub(Scrub& scrub, PartitionId id, const PartitionHead& head)
      : scrub_(scrub), impl_(*scrub.options_.ledger->impl_), id_(id), head_(head) {}
  bool run() {
    while (next_ < head_.size && !ended_) {
      const std::uint64_t bytes = step();
      check_tree();
      {
        absl::MutexLock lock(&scrub_.mutex_);
        scrub_.status_.partitions[id_].next = std::min(next_, head_.size);
      }
      if (!scrub_.pace(bytes)) return false;
    }
    if (next_ < head_.size) find(next_, "the entries end here");
    if (whole_ && frontier_.size() == head_.size && frontier_.root() != head_.root)
      find_at(fmt::format("{} head", id_.name()),
              fmt::format("root of {} entries want {} got {}", head_.size, hex(as_view(head_.root)), hex(as_view(frontier_.root()))));
    return true;
  }

 private:
  void find_at(std::string place, std::string what) {
    whole_ = false;
    scrub_.find({id_}, std::move(place), std::move(what));
  }
  void find(std::uint64_t sequence, std::string what) { find_at(at(id_, sequence), std::move(what)); }

  std::uint64_t step() {
    const std::string from = chunk_key(id_, Sequence(next_));
    const auto entries = impl_.store->cursor(Family::entries, from, /*bulk=*/false);
    const auto payloads = impl_.store->cursor(Family::payloads, from, /*bulk=*/false);
    std::uint64_t bytes = 0;
    for (; entries->valid() && next_ < head_.size && bytes < kStepBytes; entries->next()) {
      const auto key = parse_chunk_key(entries->key());
      if (!key || key->partition != id_) break;
      while (payloads->valid() && payloads->key() < entries->key()) payloads->next();
      const bool paired = payloads->valid() && payloads->key() == entries->key();
      bytes += entries->value().size() + (paired ? payloads->value().size() : 0);
      if (!payloads->status().ok())
        find(key->first.value(), message_of(payloads->status()));
      else if (!paired)
        find(key->first.value(), "no row of payloads");
      check_chunk(key->first, entries->value(), paired ? std::optional(payloads->value()) : std::nullopt);
    }
    if (!entries->status().ok()) find(next_, message_of(entries->status()));
    ended_ = bytes == 0;
    return bytes;
  }

  void check_chunk(Sequence first, std::string_view entries_row, std::optional<std::string_view> payloads_row) {
    if (first.value() != next_) find(next_, fmt::format("the next row of entries begins at {}", first.value()));
    next_ = std::max(next_, first.value());
    const auto entries = decode_entry_chunk(first, entries_row);
    if (!entries.ok()) {
      find(first.value(), message_of(entries.status()));
      const auto header = decode_entry_chunk_header(entries_row);
      next_ = first.value() + (header.ok() ? header->count : 1);
      return;
    }
    absl::StatusOr<std::shared_ptr<const PayloadChunk>> payloads = nullptr;
    if (payloads_row) payloads = decode_payload_chunk(first, *payloads_row);
    if (!payloads.ok()) find(first.value(), message_of(payloads.status()));
    const PayloadChunk* kept = payloads.ok() ? payloads->get() : nullptr;
    if (kept != nullptr && kept->payloads.size() != entries->count())
      find(first.value(), fmt::format("{} payloads beside {} entries", kept->payloads.size(), entries->count()));
    for (std::size_t i = 0; i < entries->count(); ++i, ++next_) {
      if (next_ >= head_.size) break;
      check_entry(entries->entry(i), kept != nullptr && i < kept->payloads.size() ? &kept->payloads[i] : nullptr);
    }
    absl::MutexLock lock(&scrub_.mutex_);
    scrub_.status_.entries += entries->count();
  }

  // payload: null where its row can't be read, which is said already.
  void check_entry(std::string_view bytes, const std::optional<std::string_view>* payload) {
    if (whole_) frontier_.append(leaf_hash(bytes), completed_);
    const auto entry = decode_entry(bytes);
    if (!entry) return find(next_, "the bytes are no entry of version 1");
    if (payload == nullptr) return;
    if (!*payload) return check_not_kept(*entry);
    if ((*payload)->size() != entry->payload_size || sha256(**payload) != entry->payload_hash)
      find(next_, fmt::format("payload hash want {} got {}", hex(as_view(entry->payload_hash)), hex(as_view(sha256(**payload)))));
  }

  // The row of a redaction is asked for, not what the ledger has in memory: that comes a moment after the write that took the payload away.
  void check_not_kept(const Entry& entry) {
    if (entry.payload_size > kPayloadBytesMax) return;
    const auto redaction = impl_.store->get(Family::heads, redaction_key(id_, Sequence(next_)));
    if (!redaction.ok()) return find(next_, message_of(redaction.status()));
    if (!*redaction) find(next_, fmt::format("its payload of {} bytes is not kept", entry.payload_size));
  }

  void check_tree() {
    for (const Subtree& subtree : completed_) {
      const unsigned level = subtree.height / kTileHeight;
      const auto stored = impl_.store->get(Family::tree, tree_key(id_, level, subtree.index));
      const std::string place = fmt::format("{} tree level {} index {}", id_.name(), level, subtree.index);
      if (!stored.ok())
        find_at(place, message_of(stored.status()));
      else if (!*stored || **stored != as_view(subtree.hash))
        find_at(place, fmt::format("want {} got {}", hex(as_view(subtree.hash)), *stored ? hex(**stored) : "nothing"));
    }
    completed_.clear();
  }

  Scrub& scrub_;
  const Ledger::Impl& impl_;
  const PartitionId id_;
  const PartitionHead head_;
  std::uint64_t next_ = 0;
  Frontier frontier_;
  std::vector<Subtree> completed_;
  bool whole_ = true;  // false: something was found, and hashes above it would say so again
  bool ended_ = false;
};

Scrub::Scrub(ScrubOptions options) : options_(std::move(options)) {}
Scrub::~Scrub() { stop(); }

void Scrub::start() {
  thread_ = std::thread([this] { loop(); });
}

void Scrub::begin_stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

void Scrub::stop() {
  begin_stop();
  if (thread_.joinable()) thread_.join();
}

ScrubStatus Scrub::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

void Scrub::loop() {
  name_own_thread("scrub");
  lower_own_priority(kLast, "the scrub");
  if (!wait(absl::FromChrono(std::min<std::chrono::seconds>(options_.interval, kFirstPassAfter)))) return;
  for (;;) {
    const auto began = std::chrono::steady_clock::now();
    if (!pass()) return;
    const auto next = began + options_.interval;
    if (!wait(std::max(absl::FromChrono(next - std::chrono::steady_clock::now()), absl::ZeroDuration()))) return;
  }
}

bool Scrub::pass() {
  // What is not there yet comes from Kafka again, and is hashed on its way.
  const auto heads = options_.ledger->heads();
  {
    absl::MutexLock lock(&mutex_);
    status_.in_pass = true;
    for (const auto& [id, head] : heads) {
      status_.partitions[id].next = 0;
      status_.partitions[id].size = head.size;
    }
  }
  may_read_at_ = std::chrono::steady_clock::now();
  for (const auto& [id, head] : heads)
    if (!PartitionScrub(*this, id, head).run()) return false;
  if (!read_other_rows() || !check_files()) return false;
  for (const auto& [id, head] : heads)
    if (!look_into_gaps(id)) return false;
  absl::MutexLock lock(&mutex_);
  status_.in_pass = false;
  ++status_.passes;
  status_.last_pass_ended_ms = Clock::system().wall_ms();
  return !stopping_;
}

// Offsets, checkpoints and heads are small: that they can be read says that their blocks are whole.
bool Scrub::read_other_rows() {
  for (const Family family : {Family::offsets, Family::checkpoints, Family::heads}) {
    std::string from;
    for (bool more = true; more;) {
      const auto rows = options_.ledger->impl_->store->cursor(family, from, /*bulk=*/false);
      std::uint64_t bytes = 0;
      for (; rows->valid() && bytes < kStepBytes; rows->next()) {
        if (family == Family::offsets && !parse_offset_run(rows->key(), rows->value()))
          find({}, "offsets", fmt::format("a damaged row: {}", hex(rows->key())));
        bytes += rows->key().size() + rows->value().size();
      }
      more = rows->valid();
      if (more) from = rows->key();
      if (!rows->status().ok()) find({}, std::string(name_of(family)), message_of(rows->status()));
      if (!pace(bytes)) return false;
    }
  }
  return true;
}

bool Scrub::check_files() {
  const Store& store = *options_.ledger->impl_->store;
  for (const Store::TableFile& file : store.table_files()) {
    bool goes_on = true;
    const absl::Status status = store.check_file(file, [&](std::uint64_t bytes) { return goes_on = pace(bytes); });
    if (!goes_on) return false;
    if (!status.ok()) find(partitions_in(file, *options_.ledger), std::filesystem::path(file.path).filename().string(), message_of(status));
  }
  return true;
}

// Each gap once in the life of the process. Where Kafka cannot be asked, the next pass asks again.
bool Scrub::look_into_gaps(PartitionId partition) {
  if (!options_.record_in_gap || !options_.commits_gaps_at_once) return true;
  const Epoch epoch = options_.ledger->head(partition).epoch;
  if (!options_.commits_gaps_at_once(partition, epoch)) return true;
  // The topics of earlier epochs are not read any more.
  auto& seen_to = gaps_seen_to_[partition];
  seen_to = std::max(seen_to, std::pair(epoch, Offset(0)));
  const auto gaps = options_.ledger->gaps(partition, epoch, seen_to.second, kGapsPerPassMax);
  if (!gaps.ok()) {
    find({partition}, fmt::format("{} offsets", partition.name()), message_of(gaps.status()));
    return true;
  }
  for (const Gap& gap : *gaps) {
    if (gap.epoch != epoch) return true;  // of one that has begun since
    const auto record = options_.record_in_gap(partition, gap);
    if (!record.ok()) {
      spdlog::info("scrub: gaps of partition {}: {}", partition.name(), message_of(record.status()));
      return true;
    }
    // What Kafka has after all is missing here: not damage of what is stored, so it does not end the signing.
    if (*record)
      find({}, fmt::format("{} epoch {} offset {}", partition.name(), epoch.value(), (*record)->value()),
           fmt::format("Kafka has a record inside the gap {} … {}: the ledger misses it", gap.first.value(), gap.limit.value() - 1));
    seen_to = {gap.epoch, gap.limit};
    {
      absl::MutexLock lock(&mutex_);
      ++status_.gaps_looked_at;
    }
    if (!wait(absl::FromChrono(kGapPause))) return false;
  }
  return true;
}

bool Scrub::pace(std::uint64_t bytes) {
  {
    absl::MutexLock lock(&mutex_);
    status_.read_bytes += bytes;
  }
  const double seconds = static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(options_.bytes_per_s_max, 1));
  may_read_at_ += std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
  // After a time without the processor it does not run to catch up.
  const auto now = std::chrono::steady_clock::now();
  may_read_at_ = std::max(may_read_at_, now);
  return wait(absl::FromChrono(may_read_at_ - now));
}

bool Scrub::wait(absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&stopping_), time);
}

void Scrub::find(const std::vector<PartitionId>& damaged, std::string place, std::string what) {
  spdlog::error("scrub: {}: {}", place, what);
  for (const PartitionId partition : damaged) options_.ledger->mark_damaged(partition, fmt::format("{}: {}", place, what));
  absl::MutexLock lock(&mutex_);
  ++status_.errors;
  for (const PartitionId partition : damaged) ++status_.partitions[partition].errors;
  const bool known =
      std::any_of(status_.findings.begin(), status_.findings.end(), [&](const ScrubFinding& finding) { return finding.place == place; });
  if (!known && status_.findings.size() < kScrubFindingsMax) status_.findings.push_back({std::move(place), std::move(what)});
}

}  // namespace bukubesar
