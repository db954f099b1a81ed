#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "projections/projections_impl.h"

namespace bukubesar {

Projections::Impl::Impl(ProjectionsOptions given)
    : options(std::move(given)), settings(FoldSettings::of(*options.definition)), queue(options.hand_offs_max) {}

void Projections::Impl::report(std::string_view what, std::uint64_t done, std::uint64_t total) const {
  if (options.progress) options.progress(what, done, total);
}

absl::Status Projections::Impl::open() {
  ASSIGN_OR_RETURN(view_definitions, parse_views(options.views_text));
  for (std::uint32_t number = 0; number < options.definition->partitions; ++number) {
    Partition partition;
    partition.id = PartitionId(number);
    RETURN_IF_ERROR(make_directories(fmt::format("{}/{}", options.directory, partition.id.name())));
    RETURN_IF_ERROR(load_segments(partition));
    partitions.push_back(std::move(partition));
  }
  vendor_numbers = std::make_shared<VendorNumbers>(partitions.size());
  // Facts are few: the reference partition is read again as a whole.
  RETURN_IF_ERROR(catch_up(options.ledger->cut()));
  RETURN_IF_ERROR(seal_full());
  publish();
  return absl::OkStatus();
}

namespace {

// Segment files of a directory by number; leftovers of an interrupted write are removed.
absl::StatusOr<std::vector<std::string>> segment_files(const std::string& directory) {
  std::vector<std::string> paths;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, names_in(directory));
  for (const std::string& name : names) {
    std::string path = fmt::format("{}/{}", directory, name);
    std::error_code error;
    if (name.ends_with(".seg"))
      paths.push_back(std::move(path));
    else if (name.ends_with(".seg.new") && !std::filesystem::remove(path, error) && error)
      return unavailable("remove {}: {}", path, error.message());
  }
  return paths;
}

// The last goes first: whatever ends the process in between, what is left has no hole.
absl::Status remove_files(const std::string& directory, const std::vector<std::string>& paths, std::size_t first) {
  std::error_code error;
  for (std::size_t i = paths.size(); i-- > first;) {
    if (!std::filesystem::remove(paths[i], error) && error) return unavailable("remove {}: {}", paths[i], error.message());
  }
  return sync_directory(directory);
}

}  // namespace

// What is damaged, missing or of another ledger goes, with all that follows it; the ledger has it all.
absl::Status Projections::Impl::load_segments(Partition& partition) {
  const std::string directory = fmt::format("{}/{}", options.directory, partition.id.name());
  ASSIGN_OR_RETURN(std::vector<std::string> paths, segment_files(directory));
  for (;;) {
    partition.fold = std::make_unique<PartitionFold>(partition.id, settings, options.segment_rows);
    auto sealed = std::make_shared<FileSegments>();
    absl::Status status;
    std::size_t loaded = 0;
    for (; loaded < paths.size() && status.ok(); ++loaded) {
      status = load_one(partition, paths[loaded], *sealed);
      report("reading segments", loaded + 1, paths.size());
    }
    if (status.ok()) {
      partition.sealed = std::move(sealed);
      return absl::OkStatus();
    }
    if (absl::IsUnavailable(status)) return status;
    const std::size_t first_bad = loaded - 1;
    spdlog::warn("{}; it and the {} after it are made again from the ledger", message_of(status), paths.size() - loaded);
    segments_remade += paths.size() - first_bad;
    RETURN_IF_ERROR(remove_files(directory, paths, first_bad));
    paths.resize(first_bad);
  }
}

absl::Status Projections::Impl::load_one(Partition& partition, const std::string& path, FileSegments& sealed) {
  ASSIGN_OR_RETURN(const std::string bytes, read_file(path));
  ASSIGN_OR_RETURN(const SegmentContent content, decode_segment(bytes, path));
  const SegmentHeader& header = content.header;
  if (std::filesystem::path(path).filename() != segment_file_name(header.number))
    return data_loss("segment {}: it is number {}", path, header.number);
  const std::uint64_t size = options.ledger->head(partition.id).size;
  if (header.next_sequence == 0 || header.next_sequence > size) {
    return data_loss("segment {}: reaches entry {}, the ledger has {}", path, header.next_sequence, size);
  }
  ASSIGN_OR_RETURN(const std::vector<Entry> last, options.ledger->read_entries(partition.id, Sequence(header.next_sequence - 1), 1));
  if (last.size() != 1 || last[0].payload_hash != header.last_payload_hash) {
    return data_loss("segment {}: made from another ledger; entry {} differs", path, header.next_sequence - 1);
  }
  RETURN_IF_ERROR(partition.fold->restore(content));
  sealed.push_back(std::make_shared<FileSegment>(path, bytes, header));
  return absl::OkStatus();
}

// Every view from history, one after another; and I6: whatever it is grouped by, its total is that of the ungrouped question. All of them
// at the cut of the start, so that an ungrouped question is asked once for all views that share it.
absl::Status Projections::Impl::build_views() {
  const Snapshot start = snapshot();
  for (const ViewDefinition& view : view_definitions) {
    if (stopping) return absl::OkStatus();
    const std::shared_ptr<StandingScan> one = standing_scan(view.query, /*pin=*/true);
    RETURN_IF_ERROR(extend_in_steps(*one, &start));
    std::shared_ptr<const TotalsAnswer> answer;
    {
      absl::MutexLock lock(&one->mutex);
      ASSIGN_OR_RETURN(answer, extend_to(*one, is_past(*one, start) ? snapshot() : start));
    }
    TotalsQuery ungrouped = view.query;
    ungrouped.by.clear();
    const TotalsAnswer& grouped = *answer;
    ASSIGN_OR_RETURN(const TotalsAnswer whole, totals_at(ungrouped, grouped.cut, snapshot()));
    if (grouped.total.committed != whole.total.committed || grouped.total.strict != whole.total.strict ||
        grouped.total.broad != whole.total.broad || grouped.total.stage_unknown != whole.total.stage_unknown ||
        grouped.total.packages != whole.total.packages || grouped.total.vendors != whole.total.vendors) {
      return data_loss("view '{}': its total differs from the ungrouped one at cut {} (I6)", view.name, grouped.cut.text());
    }
  }
  return absl::OkStatus();
}

}  // namespace bukubesar
