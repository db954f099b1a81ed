// ReplayWalk: the entries of all partitions of a running server in one order, forward and back: by ledger time, then by partition, then by
// sequence; where a ledger has no ledger time, partition after partition.
//
// Threads  one.
// Errors   as HttpClient; Unavailable where an answer is not what GET /v1/history promises.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/ask.h"

namespace bukubesar {

struct ReplayBounds {
  std::string from;  // empty: the beginning
  std::string to;    // a cut
  Parameters where;  // filters, as /v1/history has them
};

class ReplayWalk {
 public:
  // partitions: as a cut has them.
  ReplayWalk(HttpClient& client, ReplayBounds bounds, std::vector<std::string> partitions, std::size_t page);

  // Begins anew: forward from the beginning, or back from the end.
  void restart(bool backward);
  // Begins anew between the entries of a cut (before the next one) and those after it; both directions go on from there.
  void restart_at(const std::string& cut);
  // The next entry in the order, or the one before; nothing at that end. Going back after going forward gives the same entries again.
  [[nodiscard]] absl::StatusOr<std::optional<Json>> next();
  [[nodiscard]] absl::StatusOr<std::optional<Json>> previous();

 private:
  struct Stream {  // of one partition, in one direction
    std::string partition;
    std::deque<Json> loaded;
    std::string cursor;
    bool done = false;
  };
  struct Direction {
    bool backward = false;
    ReplayBounds bounds;
    std::vector<Stream> streams;
  };
  [[nodiscard]] Direction direction(bool backward, const ReplayBounds& bounds) const;
  absl::Status fill(const Direction& direction, Stream& stream);
  absl::StatusOr<std::optional<Json>> pull(Direction& direction);

  HttpClient& client_;
  const ReplayBounds bounds_;
  const std::vector<std::string> partitions_;
  const std::size_t page_;
  Direction forward_, back_;
  std::deque<Json> seen_;  // consecutive entries
  std::size_t at_ = 0;     // in seen_: the next one to show going forward
};

}  // namespace bukubesar
