// OffsetTracker: what to do with the next record of one Kafka partition, by its offset alone. No Kafka in here, so that every case is
// tested.
//
// A consumer starts at the anchor, the last stored record, which must come first and be equal. After that, offsets either follow
// on (take), or jump: then a fresh consumer has to see the same jump before it counts as a gap (librdkafka 2.0 can skip records).
// Until then the tracker only collects further jumps, so that one pass of the fresh consumer confirms several.
//
// Invariants  I3: every offset is taken once, in order, or lies in a gap that ends at the offset of a taken record.
// Threads     one.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "base/ids.h"
#include "base/sha256.h"
#include "events/record.h"

namespace bukubesar {

// What is known of a stored record: enough to see that Kafka still has the same one at its offset.
struct Anchor {
  Offset offset;
  std::int64_t timestamp_ms = 0;
  TimestampType timestamp_type = TimestampType::none;
  Hash256 payload_hash{};
};

class OffsetTracker {
 public:
  enum class Action : std::uint8_t {
    take,            // the next record
    take_after_gap,  // the next record; [gap().first, gap().second) does not exist
    skip,            // before the wanted one, or seen while jumps are collected
    check_anchor,    // compare it with anchor(), then call anchor_matched()
    anchor_missing,  // the anchor's offset is there no more
  };

  OffsetTracker(Offset next_offset, std::optional<Anchor> anchor, bool transactional);

  // A fresh consumer begins. Returns the offset to start at.
  [[nodiscard]] Offset restart();
  [[nodiscard]] Action on_record(Offset offset);
  void anchor_matched() { awaiting_anchor_ = false; }
  // Retention has removed just the anchor: the next consumer starts at next_offset().
  void give_up_anchor() { anchor_.reset(); }
  // The last taken record of a pull: the anchor of the next consumer.
  void remember(const Anchor& last) { anchor_ = last; }

  [[nodiscard]] bool awaiting_anchor() const { return awaiting_anchor_; }
  // A jump waits for a fresh consumer to look again.
  [[nodiscard]] bool wants_refetch() const { return collecting_; }
  [[nodiscard]] Offset next_offset() const { return next_; }
  [[nodiscard]] const std::optional<Anchor>& anchor() const { return anchor_; }
  [[nodiscard]] std::pair<Offset, Offset> gap() const { return gap_; }
  [[nodiscard]] std::uint64_t gaps_refetched() const { return gaps_refetched_; }

 private:
  static constexpr std::size_t kSuspectedMax = 65'536;
  Action on_jump(Offset offset);
  void suspect(Offset first, Offset limit);

  Offset next_;  // the next to take
  std::optional<Anchor> anchor_;
  const bool transactional_;
  bool awaiting_anchor_ = false;
  bool collecting_ = false;
  Offset scanned_{0};                              // while collecting: one past the last record seen
  std::set<std::pair<Offset, Offset>> suspected_;  // jumps that an earlier consumer has seen
  std::set<std::pair<Offset, Offset>> newly_;      // jumps that only this consumer has seen
  std::pair<Offset, Offset> gap_;
  std::uint64_t gaps_refetched_ = 0;
};

}  // namespace bukubesar
