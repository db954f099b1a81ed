// PartitionFold: entries of one partition, in order → dictionaries, states, transfers, findings. It knows nothing of files.
//
// Transfers go into memory segments of at least `segment_rows` rows, closed at the first event boundary at or past them.
//
// Invariants  I5: all of it is a function of the entries and of FoldSettings. Entries come dense, from next_sequence() on.
// Threads     apply() and restore() by one thread, under the owner's lock; what is const under the owner's lock too, but for
//             dictionary texts and chunk rows below a published count, which any thread may read.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "base/ids.h"
#include "base/sha256.h"
#include "config/definition.h"
#include "ledger/entry.h"
#include "projections/dictionaries.h"
#include "projections/encoder.h"
#include "projections/fold.h"
#include "projections/segment.h"
#include "projections/stable_vector.h"

namespace bukubesar {

// Raised with every change of the fold's meaning: segments of another version are made again.
inline constexpr int kFoldVersion = 2;
inline constexpr std::size_t kFindingKindCount = 20;

// What decides the fold beside the entries.
struct FoldSettings {
  int zone_minutes = 0;
  LedgerClock clock = LedgerClock::kafka;
  std::vector<FeedStatement> feeds;
  std::vector<std::string> authorities;
  Hash256 hash{};
  [[nodiscard]] static FoldSettings of(const Definition& definition);
};

// Rows in memory: open (the last one) or full, waiting to be written.
struct MemorySegment {
  SegmentHeader header;  // rows and what comes with the end are filled when it is closed
  std::uint64_t rows = 0;
  std::vector<std::shared_ptr<RowChunk>> chunks;
  struct Position {
    DictionarySizes sizes{};
    std::size_t findings = 0, first_feeds = 0;
  };
  Position begin, end;
};

class PartitionFold {
 public:
  PartitionFold(PartitionId id, const FoldSettings& settings, std::uint64_t segment_rows);

  // `event`: null where the entry was not accepted. `payload`: only read to name the purchase of a differing duplicate.
  void apply(Sequence sequence, const Entry& entry, std::optional<std::string_view> payload, const Event* event);
  // Asks memory for what apply() will look at of the events that follow `events[at]`, which another thread may have made, and for their
  // purchases' numbers, which lie all over the dictionary.
  void look_ahead(std::span<const Event* const> events, std::size_t at) const;
  // The next entry to apply: those before it are left out (projections/recount.h). Not beyond what was applied: no way back.
  void skip_to(Sequence sequence);
  // Takes over a stored segment, the one that follows what is here. DataLoss: it does not follow, or holds what can not be.
  [[nodiscard]] absl::Status restore(const SegmentContent& content);

  [[nodiscard]] PartitionId id() const { return id_; }
  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  [[nodiscard]] std::uint64_t purchases() const { return purchases_; }
  [[nodiscard]] std::int64_t ledger_time_ms() const { return ledger_time_ms_; }
  [[nodiscard]] const Hash256& last_payload_hash() const { return last_payload_hash_; }
  [[nodiscard]] const Dictionaries& dictionaries() const { return dictionaries_; }
  [[nodiscard]] const StableVector<PurchaseState>& states() const { return states_; }
  [[nodiscard]] const StableVector<FindingRow>& findings() const { return findings_; }
  [[nodiscard]] const std::array<std::uint64_t, kFindingKindCount>& finding_counts() const { return finding_counts_; }
  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> memory_bytes() const;

  // Full segments, oldest first, then the open one.
  [[nodiscard]] const std::deque<std::shared_ptr<MemorySegment>>& segments() const { return segments_; }
  [[nodiscard]] bool has_full() const { return segments_.size() > 1; }
  [[nodiscard]] SegmentContent content_of(const MemorySegment& segment) const;
  // The oldest full one has been written.
  void drop_oldest() { segments_.pop_front(); }

 private:
  void apply_purchase_event(Sequence sequence, const Event& event);
  std::uint32_t counting_feed(const Event& event, const PurchaseState& state, const FoldInput& input);
  std::uint32_t lookup_or_claim(std::uint32_t system, std::uint32_t institution, std::uint32_t feed);
  std::optional<std::uint32_t> stated_feed(std::string_view system, std::string_view institution);
  void add_duplicate_different(Sequence sequence, const Entry& entry, std::optional<std::string_view> payload);
  void append(const Transfer& transfer);
  void append_finding(const FindingRow& finding);
  void close_segment();
  void open_segment();
  [[nodiscard]] MemorySegment::Position position() const;
  std::uint32_t purchase_of(std::string_view subject);
  void advance_ledger_time(const Entry& entry);
  [[nodiscard]] absl::Status check_follows(const SegmentContent& content) const;
  [[nodiscard]] absl::Status restore_texts(const SegmentContent& content);
  [[nodiscard]] absl::Status check_codes(const SegmentContent& content) const;

  const PartitionId id_;
  const FoldSettings settings_;
  const std::uint64_t segment_rows_;
  Dictionaries dictionaries_;
  Encoder encoder_{dictionaries_};
  StableVector<PurchaseState> states_;  // by purchase number
  StableVector<FindingRow> findings_;
  std::array<std::uint64_t, kFindingKindCount> finding_counts_{};
  absl::flat_hash_map<std::uint64_t, std::uint32_t> feeds_;  // (system, institution) → the feed that counts
  StableVector<FirstFeed> first_feeds_;
  absl::flat_hash_set<std::pair<std::uint64_t, std::uint64_t>> references_;  // (purchase and direction, hash)
  std::deque<std::shared_ptr<MemorySegment>> segments_;
  std::uint32_t next_segment_ = 0;
  std::uint64_t next_sequence_ = 0, rows_ = 0, events_ = 0, purchases_ = 0;
  std::int64_t ledger_time_ms_ = 0;
  Hash256 last_payload_hash_{};
  FoldDocument document_;
  FoldOutput output_;
};

}  // namespace bukubesar
