#include "projections/partition_fold.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/prefetch.h"
#include "base/status.h"
#include "events/payload.h"

namespace bukubesar {

namespace {

static_assert(kFindingKindCount == static_cast<std::size_t>(FindingKind::stage_jumped) + 1);

std::uint64_t key_of(std::uint32_t system, std::uint32_t institution) { return std::uint64_t{system} << 32 | institution; }

std::uint64_t hash_of_reference(std::string_view reference) {
  if (reference.empty()) return 0;
  const Hash256 hash = sha256(reference);
  return load_be<std::uint64_t>(hash.data());
}

std::pair<std::uint64_t, std::uint64_t> reference_key(std::uint32_t purchase, EventType type, std::uint64_t reference) {
  return {std::uint64_t{purchase} << 1 | (type == EventType::refunded ? 1U : 0U), reference};
}

}  // namespace

FoldSettings FoldSettings::of(const Definition& definition) {
  FoldSettings to;
  to.zone_minutes = definition.zone_minutes;
  to.clock = definition.clock;
  to.feeds = definition.feeds;
  to.authorities = definition.authorities;
  std::string text = fmt::format("fold {}\nzone {}\nclock {}\n", kFoldVersion, to.zone_minutes, static_cast<int>(to.clock));
  for (const FeedStatement& feed : to.feeds) text += fmt::format("feed {} {} {}\n", feed.system, feed.institution, feed.source);
  for (const std::string& authority : to.authorities) text += fmt::format("authority {}\n", authority);
  to.hash = sha256(text);
  return to;
}

PartitionFold::PartitionFold(PartitionId id, const FoldSettings& settings, std::uint64_t segment_rows)
    : id_(id), settings_(settings), segment_rows_(segment_rows) {
  open_segment();
}

void PartitionFold::apply(Sequence sequence, const Entry& entry, std::optional<std::string_view> payload, const Event* event) {
  BB_CHECK(sequence.value() == next_sequence_, "I1: the fold reads every entry once, in order");
  advance_ledger_time(entry);
  if (entry.verdict == Verdict::duplicate && entry.reason == Reason::different) {
    add_duplicate_different(sequence, entry, payload);
  } else if (event != nullptr && is_purchase(event->type)) {
    ++events_;
    apply_purchase_event(sequence, *event);
  }
  ++next_sequence_;
  last_payload_hash_ = entry.payload_hash;
  if (segments_.back()->rows >= segment_rows_) {
    close_segment();
    open_segment();
  }
}

// Each step asks for what the step before it has brought: an event, its texts and document, then what those are looked up in.
void PartitionFold::look_ahead(std::span<const Event* const> events, std::size_t at) const {
  constexpr std::size_t kEvents = 18, kTexts = 12, kNumbers = 6;
  const auto ahead = [&](std::size_t steps) { return at + steps < events.size() ? events[at + steps] : nullptr; };
  if (const Event* event = ahead(kEvents)) prefetch_object(event);
  if (const Event* event = ahead(kTexts)) {
    for (const std::string_view text : {event->purchase.text, event->source, event->reference}) __builtin_prefetch(text.data());
    if (event->document != nullptr) prefetch_object(event->document);
  }
  if (const Event* event = ahead(kNumbers)) {
    dictionaries_[DictionaryId::purchase].prefetch(event->purchase.text);
    if (const Document* document = event->document) {
      for (const std::string_view text : {document->institution, document->work_unit, document->vendor, document->commodity})
        __builtin_prefetch(text.data());
    }
  }
}

void PartitionFold::skip_to(Sequence sequence) {
  BB_CHECK(sequence.value() >= next_sequence_, "entries are folded in order");
  next_sequence_ = sequence.value();
}

// Ledger time is the running maximum of the stamps that the definition's clock trusts; without one, an entry's own stamp stands in.
void PartitionFold::advance_ledger_time(const Entry& entry) {
  if (!entry.timestamp_present) return;
  if (settings_.clock == LedgerClock::none) {
    ledger_time_ms_ = entry.timestamp_ms;
  } else if (settings_.clock == LedgerClock::intake || entry.log_append_time) {
    ledger_time_ms_ = std::max(ledger_time_ms_, entry.timestamp_ms);
  }
}

std::uint32_t PartitionFold::purchase_of(std::string_view subject) {
  const std::uint32_t number = dictionaries_[DictionaryId::purchase].intern(subject);
  if (number == states_.size()) states_.emplace_back();
  return number;
}

void PartitionFold::apply_purchase_event(Sequence sequence, const Event& event) {
  output_.clear();
  FoldInput input;
  input.sequence = sequence.value();
  input.type = event.type;
  input.purchase = purchase_of(event.purchase.text);
  input.system = dictionaries_[DictionaryId::system].intern(event.purchase.system);
  input.feed = dictionaries_[DictionaryId::feed].intern(event.source);
  input.time_absent = !event.time_ms.has_value();
  input.time_ms = event.time_ms.value_or(ledger_time_ms_);
  input.stage = event.stage;
  input.amount = event.amount.sen;
  input.reference = hash_of_reference(event.reference);
  input.zone_minutes = settings_.zone_minutes;
  input.from_authority = event.type == EventType::corrected &&
                         std::find(settings_.authorities.begin(), settings_.authorities.end(), event.source) != settings_.authorities.end();
  if (event.document != nullptr) {
    input.overflow = !encoder_.encode(event, *event.document, document_);
    input.document = &document_;
  }
  PurchaseState& state = states_[input.purchase];
  if (!input.from_authority) input.counting_feed = counting_feed(event, state, input);
  const auto reference = reference_key(input.purchase, event.type, input.reference);
  input.reference_repeated = input.reference != 0 && references_.contains(reference);
  const bool existed = state.exists;
  const bool applied = fold(state, input, output_);
  if (applied && input.reference != 0) references_.insert(reference);
  if (applied && !existed) ++purchases_;
  for (Transfer& transfer : output_.transfers) {
    transfer.previous = state.last_row == 0 ? 0 : rows_ + 1 - state.last_row;
    append(transfer);
    state.last_row = rows_;
  }
  for (const FindingRow& finding : output_.findings) append_finding(finding);
}

// 0: the event's own feed counts.
std::uint32_t PartitionFold::counting_feed(const Event& event, const PurchaseState& state, const FoldInput& input) {
  if (event.document != nullptr) return lookup_or_claim(input.system, document_.dimensions.institution, input.feed);
  if (state.exists && state.dimensions.institution != 0) return lookup_or_claim(input.system, state.dimensions.institution, input.feed);
  if (state.exists) return state.dimensions.feed;
  return stated_feed(event.purchase.system, "").value_or(0);
}

std::uint32_t PartitionFold::lookup_or_claim(std::uint32_t system, std::uint32_t institution, std::uint32_t feed) {
  const auto found = feeds_.find(key_of(system, institution));
  if (found != feeds_.end()) return found->second;
  const auto stated =
      stated_feed(dictionaries_[DictionaryId::system].text(system), dictionaries_[DictionaryId::institution].text(institution));
  if (!stated) first_feeds_.emplace_back(FirstFeed{system, institution, feed});
  feeds_.emplace(key_of(system, institution), stated.value_or(feed));
  return stated.value_or(feed);
}

// What the definition's feed lines say: the institution's own line before the one for all.
std::optional<std::uint32_t> PartitionFold::stated_feed(std::string_view system, std::string_view institution) {
  const FeedStatement* best = nullptr;
  for (const FeedStatement& line : settings_.feeds) {
    if (line.system != system) continue;
    if (line.institution == institution) best = &line;
    if (line.institution == "*" && (best == nullptr || best->institution == "*")) best = &line;
  }
  if (best == nullptr) return std::nullopt;
  return dictionaries_[DictionaryId::feed].intern(best->source);
}

void PartitionFold::add_duplicate_different(Sequence sequence, const Entry& entry, std::optional<std::string_view> payload) {
  FindingRow finding;
  finding.sequence = sequence.value();
  finding.kind = FindingKind::duplicate_different;
  finding.a = static_cast<std::int64_t>(entry.duplicate_of.value());
  finding.purchase = kNoPurchase;
  PayloadView view;
  if (payload && parse_payload(*payload, view) && view.key) {
    // An accepted event came under this key, so the purchase is known; the key itself was checked against the subject.
    finding.purchase = dictionaries_[DictionaryId::purchase].find(*view.key).value_or(kNoPurchase);
  }
  append_finding(finding);
}

void PartitionFold::append(const Transfer& transfer) {
  MemorySegment& segment = *segments_.back();
  if (segment.rows == segment.chunks.size() * kChunkRows) segment.chunks.push_back(std::make_shared<RowChunk>());
  segment.chunks.back()->put(segment.rows % kChunkRows, transfer);
  ++segment.rows;
  ++rows_;
}

void PartitionFold::append_finding(const FindingRow& finding) {
  FindingRow& stored = findings_.emplace_back(finding);
  if (finding.purchase != kNoPurchase) {
    PurchaseState& state = states_[finding.purchase];
    stored.previous = state.last_finding;
    state.last_finding = static_cast<std::uint32_t>(findings_.size());
  }
  ++finding_counts_[static_cast<std::size_t>(finding.kind)];
}

MemorySegment::Position PartitionFold::position() const { return {dictionaries_.sizes(), findings_.size(), first_feeds_.size()}; }

void PartitionFold::open_segment() {
  auto segment = std::make_shared<MemorySegment>();
  segment->header.partition = id_;
  segment->header.number = next_segment_++;
  segment->header.first_sequence = next_sequence_;
  segment->header.first_row = rows_;
  segment->header.fold_hash = settings_.hash;
  segment->begin = position();
  segments_.push_back(std::move(segment));
}

void PartitionFold::close_segment() {
  MemorySegment& segment = *segments_.back();
  segment.header.next_sequence = next_sequence_;
  segment.header.rows = static_cast<std::uint32_t>(segment.rows);
  segment.header.ledger_time_ms = ledger_time_ms_;
  segment.header.events = events_;
  segment.header.last_payload_hash = last_payload_hash_;
  segment.end = position();
}

SegmentContent PartitionFold::content_of(const MemorySegment& segment) const {
  SegmentContent content;
  content.header = segment.header;
  for (std::size_t c = 0; c < kColumnCount; ++c) {
    const std::size_t width = kColumns[c].width;
    content.columns[c].resize(segment.rows * width);
    for (std::size_t chunk = 0; chunk < segment.chunks.size(); ++chunk) {
      const std::size_t first = chunk * kChunkRows;
      const std::size_t count = std::min<std::size_t>(kChunkRows, segment.rows - first);
      std::memcpy(content.columns[c].data() + first * width, segment.chunks[chunk]->column(static_cast<Column>(c)), count * width);
    }
  }
  for (std::size_t d = 0; d < kDictionaryCount; ++d) {
    for (std::uint32_t code = segment.begin.sizes[d]; code < segment.end.sizes[d]; ++code) {
      content.texts[d].emplace_back(dictionaries_[static_cast<DictionaryId>(d)].text(code));
    }
  }
  for (std::size_t i = segment.begin.findings; i < segment.end.findings; ++i) content.findings.push_back(findings_[i]);
  for (std::size_t i = segment.begin.first_feeds; i < segment.end.first_feeds; ++i) content.first_feeds.push_back(first_feeds_[i]);
  return content;
}

absl::Status PartitionFold::check_follows(const SegmentContent& content) const {
  const SegmentHeader& header = content.header;
  const MemorySegment& open = *segments_.back();
  if (header.partition != id_ || header.number != open.header.number || header.first_sequence != next_sequence_ ||
      header.first_row != rows_ || header.next_sequence <= header.first_sequence || open.rows != 0) {
    return data_loss("segment {}: does not follow sequence {} and row {}", segment_name(header.partition, header.number), next_sequence_,
                     rows_);
  }
  if (header.fold_hash != settings_.hash) {
    return data_loss("segment {}: made by another version of the fold, or under other feeds",
                     segment_name(header.partition, header.number));
  }
  return absl::OkStatus();
}

absl::Status PartitionFold::restore_texts(const SegmentContent& content) {
  for (std::size_t d = 0; d < kDictionaryCount; ++d) {
    Dictionary& dictionary = dictionaries_[static_cast<DictionaryId>(d)];
    for (const std::string& text : content.texts[d]) {
      const std::uint32_t size = dictionary.size();
      if (dictionary.intern(text) != size) return data_loss("segment {}: text '{}' comes twice", content.header.number, text);
    }
  }
  while (states_.size() < dictionaries_[DictionaryId::purchase].size()) states_.emplace_back();
  return absl::OkStatus();
}

absl::Status PartitionFold::check_codes(const SegmentContent& content) const {
  const ColumnPointers columns = content.pointers();
  const std::size_t rows = content.header.rows;
  const auto below = [&]<class T>(Column c, T limit) -> absl::Status {
    const T* values = columns.values<T>(c);
    for (std::size_t i = 0; i < rows; ++i) {
      if (values[i] >= limit) {
        return data_loss("segment {}: row {} {} is {}, beyond {}", segment_name(id_, content.header.number), i, info_of(c).name, values[i],
                         limit);
      }
    }
    return absl::OkStatus();
  };
  const auto size = [&](DictionaryId id) { return dictionaries_[id].size(); };
  RETURN_IF_ERROR(below(Column::purchase, size(DictionaryId::purchase)));
  RETURN_IF_ERROR(below(Column::system, size(DictionaryId::system)));
  RETURN_IF_ERROR(below(Column::method, size(DictionaryId::method)));
  RETURN_IF_ERROR(below(Column::institution, size(DictionaryId::institution)));
  RETURN_IF_ERROR(below(Column::work_unit, size(DictionaryId::work_unit)));
  RETURN_IF_ERROR(below(Column::vendor, size(DictionaryId::vendor)));
  RETURN_IF_ERROR(below(Column::distributor, size(DictionaryId::vendor)));
  RETURN_IF_ERROR(below(Column::funding, size(DictionaryId::funding)));
  RETURN_IF_ERROR(below(Column::region, size(DictionaryId::region)));
  RETURN_IF_ERROR(below(Column::feed, size(DictionaryId::feed)));
  RETURN_IF_ERROR(below(Column::commodity, size(DictionaryId::commodity)));
  RETURN_IF_ERROR(below(Column::from, static_cast<std::uint8_t>(kAccountCount)));
  RETURN_IF_ERROR(below(Column::to, static_cast<std::uint8_t>(kAccountCount)));
  RETURN_IF_ERROR(below(Column::kind, static_cast<std::uint8_t>(static_cast<int>(EventType::corrected) + 1)));
  RETURN_IF_ERROR(below(Column::scale, std::uint8_t{7}));
  RETURN_IF_ERROR(below(Column::component, std::uint8_t{5}));
  RETURN_IF_ERROR(below(Column::origin, std::uint8_t{3}));
  RETURN_IF_ERROR(below(Column::catalogue_kind, std::uint8_t{4}));
  for (const FindingRow& finding : content.findings) {
    if (finding.purchase != kNoPurchase && finding.purchase >= size(DictionaryId::purchase)) {
      return data_loss("segment {}: a finding names purchase {}", segment_name(id_, content.header.number), finding.purchase);
    }
  }
  return absl::OkStatus();
}

absl::Status PartitionFold::restore(const SegmentContent& content) {
  RETURN_IF_ERROR(check_follows(content));
  RETURN_IF_ERROR(restore_texts(content));
  RETURN_IF_ERROR(check_codes(content));
  const ColumnPointers columns = content.pointers();
  for (std::uint32_t i = 0; i < content.header.rows; ++i) {
    const Transfer transfer = gather(columns, i);
    PurchaseState& state = states_[transfer.purchase];
    if (!state.exists) ++purchases_;
    bukubesar::restore(state, transfer, rows_++);
    if (transfer.reference != 0) references_.insert(reference_key(transfer.purchase, transfer.kind, transfer.reference));
  }
  for (const FindingRow& finding : content.findings) append_finding(finding);
  for (const FirstFeed& first : content.first_feeds) {
    first_feeds_.emplace_back(first);
    feeds_.emplace(key_of(first.system, first.institution), first.feed);
  }
  next_sequence_ = content.header.next_sequence;
  events_ = content.header.events;
  ledger_time_ms_ = content.header.ledger_time_ms;
  last_payload_hash_ = content.header.last_payload_hash;
  segments_.pop_back();
  next_segment_ = content.header.number + 1;
  open_segment();
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::uint64_t>> PartitionFold::memory_bytes() const {
  std::uint64_t rows = 0;
  for (const auto& segment : segments_) rows += segment->chunks.size() * RowChunk::kBytes;
  return {{"dictionaries", dictionaries_.memory_bytes()},
          {"purchase_states", states_.memory_bytes()},
          {"findings", findings_.memory_bytes()},
          {"payment_references", references_.capacity() * 17},
          {"open_segments", rows}};
}

}  // namespace bukubesar
