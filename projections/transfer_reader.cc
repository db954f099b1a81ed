#include "projections/transfer_reader.h"

#include <algorithm>
#include <vector>

#include "base/status.h"
#include "projections/projections_impl.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

constexpr std::size_t kTimesWindow = 4096;

// Ledger times by sequence, ascending, read from the ledger a window at a time.
class LedgerTimes {
 public:
  LedgerTimes(const Ledger& ledger, LedgerClock clock, PartitionId partition, std::uint64_t size)
      : ledger_(ledger), clock_(clock), partition_(partition), size_(size) {}
  absl::StatusOr<std::optional<std::int64_t>> at(std::uint64_t sequence) {
    if (clock_ == LedgerClock::none) return std::optional<std::int64_t>();
    if (sequence < first_ || sequence >= first_ + times_.size()) RETURN_IF_ERROR(load(sequence));
    const std::int64_t time = times_[sequence - first_];
    return time == 0 ? std::optional<std::int64_t>() : std::optional<std::int64_t>(time);
  }

 private:
  absl::Status load(std::uint64_t sequence) {
    ASSIGN_OR_RETURN(std::int64_t time, ledger_.ledger_time_ms(partition_, Sequence(sequence)));
    const std::size_t count = std::min<std::uint64_t>(kTimesWindow, size_ - sequence);
    ASSIGN_OR_RETURN(const std::vector<Entry> entries, ledger_.read_entries(partition_, Sequence(sequence), count));
    if (entries.empty()) return data_loss("entry {}:{} is missing", partition_.name(), sequence);
    first_ = sequence;
    times_.clear();
    for (const Entry& entry : entries) times_.push_back(time = ledger_time_after(clock_, time, entry));
    return absl::OkStatus();
  }

  const Ledger& ledger_;
  const LedgerClock clock_;
  const PartitionId partition_;
  const std::uint64_t size_;
  std::uint64_t first_ = 0;
  std::vector<std::int64_t> times_;
};

}  // namespace

struct TransferReader::Impl {
  Impl(PartitionSnapshot from, Cut at, const FactsView& facts, LedgerTimes ledger_times)
      : partition(std::move(from)),
        cut(std::move(at)),
        times(std::move(ledger_times)),
        region(make_resolver(Dimension::region, *partition.dictionaries, facts, ScaleBasis::at_order, regions)),
        scale(make_resolver(Dimension::scale, *partition.dictionaries, facts, ScaleBasis::at_order, scales)) {}

  absl::Status bound(const TransferRange& range);
  absl::StatusOr<std::uint64_t> end_of_event(std::uint64_t row, std::uint64_t limit);
  absl::Status visit_block(const RowBlock& block, const std::function<void(const TransferView&)>& visit);

  PartitionSnapshot partition;
  Cut cut;
  LedgerTimes times;
  DimensionValues regions{{}, false}, scales{{}, false};
  std::unique_ptr<Resolver> region, scale;
  std::vector<std::uint32_t> region_ids = std::vector<std::uint32_t>(kChunkRows), scale_ids = std::vector<std::uint32_t>(kChunkRows);
  SegmentColumns scratch;
  std::uint64_t row = 0, limit = 0, count = 0;
  Sequence next;
};

// The first row at or after `row` that belongs to another event than the row before it.
absl::StatusOr<std::uint64_t> TransferReader::Impl::end_of_event(std::uint64_t at, std::uint64_t end) {
  std::optional<std::uint64_t> sequence;
  std::uint64_t found = end;
  const absl::Status status = for_each_block(partition, at - 1, end, {Column::sequence}, scratch, [&](const RowBlock& block) {
    const auto* sequences = block.columns.values<std::uint64_t>(Column::sequence);
    for (std::size_t i = 0; i < block.rows; ++i) {
      if (!sequence) sequence = sequences[i];
      if (sequences[i] == *sequence) continue;
      found = block.first_row + i;
      next = Sequence(sequences[i]);
      return absl::CancelledError();
    }
    return absl::OkStatus();
  });
  if (!status.ok() && !absl::IsCancelled(status)) return status;
  return found;
}

absl::Status TransferReader::Impl::bound(const TransferRange& range) {
  const std::uint64_t size = cut.size(partition.id);
  ASSIGN_OR_RETURN(row, rows_below(partition, range.first.value()));
  ASSIGN_OR_RETURN(limit, rows_below(partition, size));
  next = Sequence(size);
  if (range.rows_max && row + *range.rows_max < limit) {
    ASSIGN_OR_RETURN(limit, end_of_event(row + *range.rows_max, limit));
  }
  count = limit - row;
  return absl::OkStatus();
}

absl::Status TransferReader::Impl::visit_block(const RowBlock& block, const std::function<void(const TransferView&)>& visit) {
  region->resolve(block, Column::to, region_ids.data());
  scale->resolve(block, Column::to, scale_ids.data());
  for (std::size_t i = 0; i < block.rows; ++i) {
    const Transfer transfer = gather(block.columns, i);
    ASSIGN_OR_RETURN(const std::optional<std::int64_t> time_ms, times.at(transfer.sequence));
    visit({transfer, *partition.dictionaries, regions.text(region_ids[i]), scales.text(scale_ids[i]), time_ms});
  }
  return absl::OkStatus();
}

TransferReader::TransferReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TransferReader::~TransferReader() = default;

absl::StatusOr<std::unique_ptr<TransferReader>> TransferReader::open(const Projections& projections, const TransferRange& range) {
  Projections::Impl& all = *projections.impl_;
  Snapshot now = all.snapshot();
  const Cut cut = range.cut.value_or(now.cut);
  if (!now.cut.covers(cut)) return out_of_range("cut {}: read is {}", cut.text(), now.cut.text());
  const auto found =
      std::find_if(now.partitions.begin(), now.partitions.end(), [&](const PartitionSnapshot& one) { return one.id == range.partition; });
  if (found == now.partitions.end()) return not_found("partition {} has no transfers", range.partition.name());
  const std::uint64_t size = cut.size(range.partition);
  if (range.first.value() > size)
    return out_of_range("from {}: partition {} has {} entries at cut {}", range.first.value(), range.partition.name(), size, cut.text());
  ASSIGN_OR_RETURN(const FactsCut at, range.cut ? all.facts_cut(cut) : absl::StatusOr<FactsCut>(all.facts_cut(now)));
  auto impl = std::make_unique<Impl>(std::move(*found), cut, all.facts_view(at),
                                     LedgerTimes(*all.options.ledger, all.settings.clock, range.partition, size));
  RETURN_IF_ERROR(impl->bound(range));
  return std::unique_ptr<TransferReader>(new TransferReader(std::move(impl)));
}

const Cut& TransferReader::cut() const { return impl_->cut; }
Sequence TransferReader::next() const { return impl_->next; }
std::uint64_t TransferReader::rows() const { return impl_->count; }

absl::StatusOr<bool> TransferReader::read(std::size_t rows_max, const std::function<void(const TransferView&)>& visit) {
  const std::uint64_t end = std::min(impl_->limit, impl_->row + rows_max);
  static const std::vector<Column> columns = all_columns();
  RETURN_IF_ERROR(for_each_block(impl_->partition, impl_->row, end, columns, impl_->scratch,
                                 [&](const RowBlock& block) { return impl_->visit_block(block, visit); }));
  impl_->row = end;
  return end < impl_->limit;
}

}  // namespace bukubesar
