// TransferReader: the transfers of one partition in ledger order, from a sequence on, up to a cut: what feeds are made of.
//
// It always ends between two events, so that a sequence is all that a reader has to remember to go on.
//
// Threads  one at a time; it holds a snapshot, so it never waits for the worker, and what it reads does not move.
// Errors   DataLoss, Unavailable: segment or ledger can't be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/cut.h"
#include "base/ids.h"
#include "projections/dictionaries.h"
#include "projections/projections.h"
#include "projections/transfer.h"

namespace bukubesar {

struct TransferView {
  const Transfer& transfer;
  const Dictionaries& dictionaries;
  // Of the buyer, and of the vendor at the order, as the facts have them at the cut; "unknown".
  std::string_view region, scale;
  std::optional<std::int64_t> ledger_time_ms;
  [[nodiscard]] std::string_view text(DictionaryId id, std::uint32_t code) const { return dictionaries[id].text(code); }
};

struct TransferRange {
  PartitionId partition;
  Sequence first;                         // rows of this entry and later ones
  std::optional<Cut> cut;                 // nothing: what the projections have read
  std::optional<std::uint64_t> rows_max;  // ends with the event that reaches it
};

class TransferReader {
 public:
  // OutOfRange: a cut beyond what has been read, or a sequence beyond the cut. NotFound: no such numbered partition.
  static absl::StatusOr<std::unique_ptr<TransferReader>> open(const Projections& projections, const TransferRange& range);
  ~TransferReader();

  [[nodiscard]] const Cut& cut() const;
  // Where the next reader goes on: all events with a transfer below it are in this one. The partition's size at the cut: nothing is left.
  [[nodiscard]] Sequence next() const;
  [[nodiscard]] std::uint64_t rows() const;
  // Visits at most `rows_max` more rows; false: that were the last ones.
  [[nodiscard]] absl::StatusOr<bool> read(std::size_t rows_max, const std::function<void(const TransferView&)>& visit);

 private:
  struct Impl;
  explicit TransferReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
