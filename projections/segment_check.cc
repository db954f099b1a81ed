#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/file.h"
#include "base/status.h"
#include "events/rules.h"
#include "projections/partition_fold.h"
#include "projections/projections.h"

namespace bukubesar {

struct SegmentCheck::Impl {
  std::string directory;
  std::uint64_t segment_rows = kSegmentRows;
  FoldSettings settings;
  std::map<PartitionId, std::unique_ptr<PartitionFold>> folds;
  std::map<PartitionId, std::uint32_t> compared;  // segments that were there and are made again
  std::map<PartitionId, bool> broken;             // entries that could not be folded
  std::uint64_t of_another_fold = 0;
  std::vector<std::string> differences;

  void add(std::string text) {
    if (differences.size() < kDifferencesMax) differences.push_back(std::move(text));
  }
  void visit(PartitionId id, const StoredRun& run, std::span<const Event* const> events);
  void compare_full(PartitionFold& fold);
  void compare(const std::string& name, const SegmentContent& want, const SegmentContent& got);
  void compare_rows(const std::string& name, const SegmentContent& want, const SegmentContent& got);
  static constexpr std::size_t kDifferencesMax = 100;
};

SegmentCheck::SegmentCheck(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SegmentCheck::~SegmentCheck() = default;

absl::StatusOr<std::unique_ptr<SegmentCheck>> SegmentCheck::open(const std::string& directory, const Definition& definition,
                                                                 std::uint64_t segment_rows) {
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->segment_rows = segment_rows;
  impl->settings = FoldSettings::of(definition);
  for (std::uint32_t number = 0; number < definition.partitions; ++number) {
    const PartitionId id(number);
    impl->folds[id] = std::make_unique<PartitionFold>(id, impl->settings, segment_rows);
  }
  return std::unique_ptr<SegmentCheck>(new SegmentCheck(std::move(impl)));
}

void SegmentCheck::visit(PartitionId partition, const StoredRun& run, std::span<const Event* const> events) {
  impl_->visit(partition, run, events);
}

void SegmentCheck::Impl::visit(PartitionId id, const StoredRun& run, std::span<const Event* const> events) {
  const auto found = folds.find(id);
  if (found == folds.end() || broken[id]) return;  // the reference partition has no segments
  PartitionFold& fold = *found->second;
  for (std::size_t i = 0; i < run.entries.size(); ++i) {
    fold.look_ahead(events, i);
    const StoredEntry& stored = run.entries[i];
    const Event* event = events[i];
    const bool expected = stored.entry.verdict == Verdict::accepted;
    if (stored.sequence.value() != fold.next_sequence() || expected != (event != nullptr)) {
      add(fmt::format("entry {}:{} can not be folded again; segments from there on were not compared", id.name(), stored.sequence.value()));
      broken[id] = true;
      return;
    }
    fold.apply(stored.sequence, stored.entry, stored.folded(), event);
    if (fold.has_full()) compare_full(fold);
  }
}

void SegmentCheck::Impl::compare_full(PartitionFold& fold) {
  while (fold.has_full()) {
    const MemorySegment& segment = *fold.segments().front();
    const std::string name = segment_name(fold.id(), segment.header.number);
    const auto bytes = read_file(fmt::format("{}/{}/{}", directory, fold.id().name(), segment_file_name(segment.header.number)));
    if (bytes.ok()) {
      const auto got = decode_segment(*bytes, name);
      if (got.ok()) {
        compare(name, fold.content_of(segment), *got);
      } else {
        add(message_of(got.status()));
      }
      compared[fold.id()] = segment.header.number + 1;
    } else if (!absl::IsNotFound(bytes.status())) {
      add(fmt::format("segment {}: {}", name, message_of(bytes.status())));
    }
    fold.drop_oldest();
  }
}

void SegmentCheck::Impl::compare(const std::string& name, const SegmentContent& want, const SegmentContent& got) {
  const SegmentHeader& w = want.header;
  const SegmentHeader& g = got.header;
  if (w.fold_hash != g.fold_hash) {
    ++of_another_fold;
    return;
  }
  if (w.first_sequence != g.first_sequence || w.next_sequence != g.next_sequence || w.first_row != g.first_row || w.rows != g.rows) {
    return add(fmt::format("segment {}: entries want {}…{} rows {}+{}, got {}…{} rows {}+{}", name, w.first_sequence, w.next_sequence,
                           w.first_row, w.rows, g.first_sequence, g.next_sequence, g.first_row, g.rows));
  }
  if (w.ledger_time_ms != g.ledger_time_ms || w.events != g.events || w.last_payload_hash != g.last_payload_hash) {
    add(fmt::format("segment {}: its header's ledger time, events or last payload hash differ", name));
  }
  compare_rows(name, want, got);
  for (std::size_t d = 0; d < kDictionaryCount; ++d) {
    if (want.texts[d] != got.texts[d]) add(fmt::format("segment {}: the texts of dictionary {} differ", name, d));
  }
  const auto same_finding = [](const FindingRow& a, const FindingRow& b) {
    return a.sequence == b.sequence && a.purchase == b.purchase && a.kind == b.kind && a.a == b.a && a.b == b.b;
  };
  if (!std::equal(want.findings.begin(), want.findings.end(), got.findings.begin(), got.findings.end(), same_finding)) {
    add(fmt::format("segment {}: findings differ, want {} got {}", name, want.findings.size(), got.findings.size()));
  }
  if (want.first_feeds != got.first_feeds) add(fmt::format("segment {}: first feeds differ", name));
}

namespace {

std::string value_text(const ColumnInfo& info, const std::byte* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, info.width);
  if (!info.is_signed) return fmt::format("{}", value);
  const unsigned unused = 64 - 8U * info.width;
  return fmt::format("{}", static_cast<std::int64_t>(value << unused) >> unused);
}

}  // namespace

void SegmentCheck::Impl::compare_rows(const std::string& name, const SegmentContent& want, const SegmentContent& got) {
  for (std::size_t c = 0; c < kColumnCount; ++c) {
    if (want.columns[c] == got.columns[c]) continue;
    const ColumnInfo& info = kColumns[c];
    for (std::uint32_t row = 0; row < want.header.rows; ++row) {
      const std::byte* w = want.columns[c].data() + std::size_t{row} * info.width;
      const std::byte* g = got.columns[c].data() + std::size_t{row} * info.width;
      if (std::memcmp(w, g, info.width) == 0) continue;
      add(fmt::format("segment {}: row {} {} want {} got {}", name, row, info.name, value_text(info, w), value_text(info, g)));
      break;  // the first row of each column
    }
  }
}

// Files beyond what was folded are of entries that were not given; a file that is missing before one that is there is a hole.
std::vector<std::string> SegmentCheck::finish() {
  for (const auto& [id, fold] : impl_->folds) {
    const auto names = names_in(fmt::format("{}/{}", impl_->directory, id.name()));
    if (!names.ok()) {
      impl_->add(message_of(names.status()));
      continue;
    }
    std::vector<std::uint32_t> numbers;
    for (const std::string& file : *names)
      if (file.size() == 10 && file.ends_with(".seg"))
        numbers.push_back(static_cast<std::uint32_t>(std::strtoul(file.c_str(), nullptr, 10)));
    std::sort(numbers.begin(), numbers.end());
    for (std::uint32_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] == i) continue;
      impl_->add(fmt::format("segment {}: missing, although {} is there", segment_name(id, i), segment_name(id, numbers.back())));
      break;
    }
  }
  return impl_->differences;
}

std::uint64_t SegmentCheck::of_another_fold() const { return impl_->of_another_fold; }

}  // namespace bukubesar
