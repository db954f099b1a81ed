// BacklogEnd: tells when a server that was far behind Kafka has caught up, and has stayed there for a while. What the fetch queue held
// until then is free, but the allocator keeps it until it is asked to give it back.
//
// Threads  one at a time.
#pragma once

#include <cstdint>
#include <optional>

namespace bukubesar {

class BacklogEnd {
 public:
  static constexpr std::int64_t kFarRecords = 100'000;
  static constexpr std::int64_t kNearRecords = 1'000;
  static constexpr int kLooksNear = 3;

  // lag: records in Kafka that are not in the ledger; nothing: not known. True once after each backlog.
  bool look(std::optional<std::int64_t> lag) {
    if (!lag) return false;
    if (*lag >= kFarRecords) was_far_ = true;
    looks_near_ = *lag <= kNearRecords ? looks_near_ + 1 : 0;
    if (!was_far_ || looks_near_ < kLooksNear) return false;
    was_far_ = false;
    return true;
  }

 private:
  bool was_far_ = false;
  int looks_near_ = 0;
};

}  // namespace bukubesar
