// What makes up a figure: explain.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <span>

#include "base/status.h"
#include "projections/block_filter.h"
#include "projections/change_kind.h"
#include "projections/facts_steps.h"
#include "projections/projections_impl.h"
#include "projections/purchase_rows.h"
#include "projections/row_tests.h"
#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

constexpr std::size_t kRound = 512;                  // candidates looked at together
constexpr std::uint64_t kCandidatesMax = 200'000;    // of one page, judged by their state
constexpr std::uint64_t kCandidatesReadMax = 5'000;  // of one page, judged by their rows
constexpr std::uint64_t kWalkRows = 4 * kChunkRows;  // scanned before the page is looked at again
constexpr std::array<std::string_view, kMeasureCount> kMeasureNames = {"packages", "vendors",       "committed", "strict",
                                                                       "broad",    "stage_unknown", "paid"};

// What an explained transfer shows, what it adds, and what links it to the purchase's others.
constexpr std::array kExplainedColumns = {
    Column::sequence,  Column::row,    Column::previous,   Column::from,       Column::to,        Column::amount, Column::packages,
    Column::cells,     Column::kind,   Column::flags,      Column::event_time, Column::component, Column::origin, Column::catalogue_kind,
    Column::commodity, Column::vendor, Column::institution};

void want(const std::vector<Column>& columns, std::vector<Column>& to) {
  for (const Column c : columns)
    if (std::find(to.begin(), to.end(), c) == to.end()) to.push_back(c);
}

// What one row adds: its measures, and what packages are counted from where they are counted purchase by purchase.
struct RowAdds {
  PostingSums sums;
  std::int64_t count = 0;
};

// A question under one state of the facts.
class Side {
 public:
  Side(const TotalsQuery& query, const std::vector<std::string>* row, FactsView facts, std::size_t partitions, int plus_or_minus)
      : filter(query, row, std::move(facts), partitions), sign(plus_or_minus), postings_(filter.shape().with_paid()) {}

  // Flips hits[i] where the row moves a measure: with two sides, what is a hit for both is none.
  void mark(std::size_t partition, const RowBlock& block, std::uint8_t* hits) {
    pass(partition, block, [&](std::size_t i, const PostingWeights& w, int) { hits[i] |= w.any ? 1 << (sign > 0 ? 0 : 1) : 0; });
  }
  void evaluate(std::size_t partition, const RowBlock& block, std::vector<RowAdds>& to) {
    to.assign(block.rows, {});
    const auto* amounts = block.columns.values<std::int64_t>(Column::amount);
    const auto* packages = block.columns.values<std::int8_t>(Column::packages);
    const auto* cells = block.columns.values<std::int8_t>(Column::cells);
    const bool by_cell = filter.shape().by_cell;
    pass(partition, block, [&](std::size_t i, const PostingWeights& w, int account_sign) {
      to[i].sums.add(static_cast<MoneySum>(amounts[i]) * account_sign, w);
      to[i].sums.packages += account_sign * packages[i] * w.committed;
      to[i].count += account_sign * (by_cell ? cells[i] : packages[i]) * w.committed;
    });
  }

  BlockFilter filter;
  const int sign;  // +1; -1: what it adds is taken away

 private:
  template <class Visit>
  void pass(std::size_t partition, const RowBlock& block, Visit visit) {
    const auto* from = block.columns.values<std::uint8_t>(Column::from);
    const auto* to = block.columns.values<std::uint8_t>(Column::to);
    const bool apart = filter.shape().by_stage;
    filter.apply(partition, block, Column::to);
    for (std::size_t i = 0; i < block.rows; ++i)
      if (filter.mask()[i] != 0) visit(i, apart ? postings_.of(to[i]) : postings_.of(from[i], to[i]), 1);
    if (!apart) return;
    filter.apply(partition, block, Column::from);
    for (std::size_t i = 0; i < block.rows; ++i)
      if (filter.mask()[i] != 0) visit(i, postings_.of(from[i]), -1);
  }
  PostingTable postings_;
};

// The rows that are looked at in each partition, and which of them.
struct Scope {
  Snapshot snapshot;
  Cut cut;                                  // rows of entries below it
  std::vector<std::uint64_t> first, limit;  // rows, by partition
  std::optional<ChangeKind> kind;           // of the events; nothing: all
};

struct Place {
  std::size_t partition = 0;
  std::uint64_t row = 0;
};
struct Candidate {
  Place place;  // its first hit
  std::uint32_t purchase = 0;
};

// The purchases with a hit, in the order of their first ones.
class CandidateWalk {
 public:
  CandidateWalk(const Scope& scope, std::vector<std::unique_ptr<Side>>& sides, Place start) : scope_(scope), sides_(sides), start_(start) {
    at_.partition = start.partition;
    tests_.resize(sides_.size());
    hits_.resize(kChunkRows);
    columns_ = {Column::purchase, Column::from, Column::to};
    if (scope_.kind) want({Column::sequence, Column::kind, Column::previous}, columns_);
    for (const auto& side : sides_) want(side->filter.columns(), columns_);
  }
  // Appends at least `count` more, fewer at the end.
  absl::Status next(std::size_t count, std::deque<Candidate>& to) {
    const std::size_t enough = to.size() + count;
    while (to.size() < enough && at_.partition < scope_.snapshot.partitions.size()) {
      const std::uint64_t end = scope_.limit[at_.partition];
      if (!begun_) RETURN_IF_ERROR(begin());
      const std::uint64_t segment = segment_end(scope_.snapshot.partitions[at_.partition], at_.row, end);
      ASSIGN_OR_RETURN(const Passing passing, look(segment));
      const std::uint64_t limit = passing == Passing::many ? std::min(segment, at_.row + kWalkRows) : segment;
      if (passing == Passing::many) RETURN_IF_ERROR(walk(limit, to));
      if (passing == Passing::few) RETURN_IF_ERROR(walk_few(to));
      at_.row = limit;
      if (limit < end) continue;
      ++at_.partition;
      begun_ = false;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status begin() {
    begun_ = true;
    at_.row = scope_.first[at_.partition];
    seen_.assign(seen_.size(), false);
    kinds_ = {};
    tested_ = 0;
    for (auto& side : sides_) RETURN_IF_ERROR(side->filter.prepare(at_.partition, scope_.snapshot.partitions[at_.partition]));
    return absl::OkStatus();
  }
  // How many rows of the segment, up to here, may be hits; each segment is looked at once. Kinds of events are told row after row.
  absl::StatusOr<Passing> look(std::uint64_t limit) {
    if (scope_.kind || limit <= tested_ || limit == at_.row) return Passing::many;
    tested_ = limit;
    Passing most = Passing::none;
    for (std::size_t s = 0; s < sides_.size(); ++s) {
      tests_[s].set(sides_[s]->filter.row_tests(at_.partition));
      ASSIGN_OR_RETURN(const Passing passing, tests_[s].look(scope_.snapshot.partitions[at_.partition], at_.row, limit, scratch_));
      most = std::max(most, passing);
    }
    return most == Passing::few && sides_.size() > 1 ? Passing::many : most;
  }
  absl::Status walk(std::uint64_t limit, std::deque<Candidate>& to) {
    const PartitionSnapshot& partition = scope_.snapshot.partitions[at_.partition];
    return for_each_block(partition, at_.row, limit, columns_, scratch_, [&](const RowBlock& block) {
      take_hits(
          block, [&](std::size_t i) { return block.first_row + i; }, to);
      return absl::OkStatus();
    });
  }
  absl::Status walk_few(std::deque<Candidate>& to) {
    const FileSegment& segment = *segment_at(scope_.snapshot.partitions[at_.partition], at_.row);
    std::span<const std::uint32_t> rows = tests_.front().few();
    while (!rows.empty()) {
      const std::size_t count = std::min(rows.size(), kChunkRows);
      ASSIGN_OR_RETURN(const RowBlock block, gather_.gather(segment, scratch_.pointers(), columns_, rows.first(count)));
      take_hits(
          block, [&](std::size_t i) { return segment.header().first_row + rows[i]; }, to);
      rows = rows.subspan(count);
    }
    return absl::OkStatus();
  }
  // row_of: the number of a row of the block.
  template <class RowOf>
  void take_hits(const RowBlock& block, RowOf row_of, std::deque<Candidate>& to) {
    std::fill_n(hits_.data(), block.rows, std::uint8_t{0});
    for (auto& side : sides_) side->mark(at_.partition, block, hits_.data());
    const auto* purchases = block.columns.values<std::uint32_t>(Column::purchase);
    for (std::size_t i = 0; i < block.rows; ++i) {
      if (scope_.kind && kinds_.next(block, i) != *scope_.kind) continue;
      if (hits_[i] == 0 || hits_[i] == 3) continue;
      if (purchases[i] >= seen_.size()) seen_.resize(std::max<std::size_t>(purchases[i] + 1, seen_.size() * 2));
      if (seen_[purchases[i]]) continue;
      seen_[purchases[i]] = true;
      const Place place{at_.partition, row_of(i)};
      if (place.partition > start_.partition || place.row >= start_.row) to.push_back({place, purchases[i]});
    }
  }

  const Scope& scope_;
  std::vector<std::unique_ptr<Side>>& sides_;
  const Place start_;
  Place at_;
  bool begun_ = false;
  std::vector<bool> seen_;  // by purchase, of the partition
  ChangeKinds kinds_;
  std::vector<RowTests> tests_;  // by side
  std::uint64_t tested_ = 0;     // rows below it
  std::vector<std::uint8_t> hits_;
  std::vector<Column> columns_;
  SegmentColumns scratch_;
  RowGather gather_;
};

bool adds_to(const PostingSums& sums, const std::vector<std::string>& vendors, std::optional<Measure> measure) {
  if (!measure) return !(sums == PostingSums{}) || !vendors.empty();
  switch (*measure) {
    case Measure::packages:
      return sums.packages != 0;
    case Measure::vendors:
      return !vendors.empty();
    case Measure::committed:
      return sums.committed != 0;
    case Measure::strict:
      return sums.strict != 0;
    case Measure::broad:
      return sums.broad != 0;
    case Measure::stage_unknown:
      return sums.stage_unknown != 0;
    case Measure::paid:
      return sums.paid != 0;
  }
  return false;
}

// A purchase's image as the rows that would make it.
void append_image(const PurchaseState& state, std::vector<Transfer>& to) {
  for (std::size_t i = 0; i < state.cells.size(); ++i) {
    Transfer t;
    t.to = account_of(state.stage);
    t.amount = state.cells[i].amount;
    t.packages = i == 0 ? 1 : 0;
    t.cells = 1;
    t.dimensions = state.dimensions;
    t.cell = state.cells[i].key;
    to.push_back(t);
  }
  if (state.paid == 0) return;
  Transfer t;
  t.from = Account::payable;
  t.to = Account::paid;
  t.amount = state.paid;
  t.dimensions = state.dimensions;
  to.push_back(t);
}

struct ExplainCursor {
  Cut cut;
  PartitionId partition;
  std::uint64_t row = 0;
};
std::string text_of(const ExplainCursor& cursor) { return fmt::format("{}/{}:{}", cursor.cut.text(), cursor.partition.name(), cursor.row); }
absl::StatusOr<ExplainCursor> parse_explain_cursor(std::string_view text) {
  const auto wrong = [&] { return invalid_argument("cursor: '{}' is not one that was given", text); };
  const std::size_t slash = text.find('/');
  const std::size_t colon = text.find(':');
  if (slash == std::string_view::npos || colon == std::string_view::npos || colon < slash) return wrong();
  ExplainCursor to;
  auto cut = Cut::parse(text.substr(0, slash));
  const auto partition = PartitionId::parse(text.substr(slash + 1, colon - slash - 1));
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), to.row);
  if (!cut.ok() || !partition || error != std::errc() || end != text.data() + text.size()) return wrong();
  to.cut = *std::move(cut);
  to.partition = *partition;
  return to;
}

}  // namespace

std::string_view name_of(Measure measure) { return kMeasureNames[static_cast<std::size_t>(measure)]; }

std::optional<Measure> parse_measure(std::string_view name) {
  const auto found = std::find(kMeasureNames.begin(), kMeasureNames.end(), name);
  if (found == kMeasureNames.end()) return std::nullopt;
  return static_cast<Measure>(found - kMeasureNames.begin());
}

// One page of an explanation.
class Projections::Impl::Explainer {
 public:
  Explainer(Impl& impl, const ExplainQuery& query, Scope scope, std::vector<std::unique_ptr<Side>> sides, StatedFacts facts)
      : impl_(impl),
        query_(query),
        scope_(std::move(scope)),
        sides_(std::move(sides)),
        facts_(facts),
        chunk_(std::make_unique<RowChunk>()) {
    const QueryShape& shape = sides_.front()->filter.shape();
    by_purchase_ = shape.by_purchase;
    // Where all rows count, whatever their time and kind, what they come to is the state's image.
    by_image_ = !shape.of_rows && !scope_.kind && scope_.first == std::vector<std::uint64_t>(scope_.first.size());
    columns_.assign(kExplainedColumns.begin(), kExplainedColumns.end());
    for (const auto& side : sides_) want(side->filter.columns(), columns_);
  }

  absl::Status fill(Place start, ExplainAnswer& answer) {
    CandidateWalk walk(scope_, sides_, start);
    std::deque<Candidate> pending;
    std::uint64_t looked = 0;
    read_ = 0;
    // No more than fill the page at first, and one that begins the next; more at a time where they turn out to add nothing.
    std::size_t round = std::min(kRound, query_.limit + 1);
    for (;;) {
      if (pending.empty()) {
        RETURN_IF_ERROR(walk.next(round, pending));
        round = std::min(kRound, 2 * round);
      }
      if (pending.empty()) return absl::OkStatus();
      const bool tired = looked >= kCandidatesMax || read_ >= kCandidatesReadMax;
      if (answer.purchases.size() == query_.limit || tired) break;
      ASSIGN_OR_RETURN(const std::vector<Candidate> some, promising(pending, query_.limit - answer.purchases.size(), looked));
      RETURN_IF_ERROR(append(some, answer));
    }
    const Place& next = pending.front().place;
    answer.next_cursor = text_of({answer.cut, scope_.snapshot.partitions[next.partition].id, next.row});
    return absl::OkStatus();
  }

 private:
  struct Run {  // consecutive rows of one purchase
    std::size_t first = 0, limit = 0;
  };

  // Takes candidates from the front until `count` of them may add something.
  absl::StatusOr<std::vector<Candidate>> promising(std::deque<Candidate>& pending, std::size_t count, std::uint64_t& looked) {
    std::vector<Candidate> to;
    std::vector<Transfer> images;
    std::vector<Run> runs;
    const std::size_t partition = pending.front().place.partition;
    const std::uint64_t size = scope_.cut.size(scope_.snapshot.partitions[partition].id);
    std::vector<std::pair<Candidate, std::optional<Run>>> some;
    {
      absl::ReaderMutexLock lock(&impl_.mutex);
      const auto& states = impl_.partitions[partition].fold->states();
      for (const Candidate& one : pending) {
        if (one.place.partition != partition) break;
        const PurchaseState& state = states[one.purchase];
        if (!by_image_ || state.last_sequence >= size) {
          some.emplace_back(one, std::nullopt);
          continue;
        }
        Run run{images.size(), 0};
        append_image(state, images);
        run.limit = images.size();
        some.emplace_back(one, run);
      }
    }
    RETURN_IF_ERROR(evaluate(partition, images));
    for (const auto& [one, run] : some) {
      if (to.size() == count) break;
      pending.pop_front();
      ++looked;
      if (!run || !is_nothing(*run)) to.push_back(one);
    }
    return to;
  }
  bool is_nothing(const Run& run) const {
    for (std::size_t s = 0; s < sides_.size(); ++s) {
      std::int64_t count = 0;
      PostingSums sums;
      for (std::size_t i = run.first; i < run.limit; ++i) {
        sums += adds_[s][i].sums;
        count += adds_[s][i].count;
      }
      if (count != 0 || !(sums == PostingSums{})) return false;
    }
    return true;
  }

  // What each of the rows adds, on every side.
  absl::Status evaluate(std::size_t partition, const std::vector<Transfer>& rows) {
    adds_.assign(sides_.size(), {});
    std::vector<RowAdds> of_block;
    for (std::size_t first = 0; first < rows.size(); first += kChunkRows) {
      RowBlock block{snapshot_internal::pointers_of(*chunk_), std::min<std::size_t>(kChunkRows, rows.size() - first), 0};
      for (std::size_t i = 0; i < block.rows; ++i) chunk_->put(i, rows[first + i]);
      for (std::size_t s = 0; s < sides_.size(); ++s) {
        sides_[s]->evaluate(partition, block, of_block);
        adds_[s].insert(adds_[s].end(), of_block.begin(), of_block.end());
      }
    }
    return absl::OkStatus();
  }

  // All of one partition.
  absl::Status append(const std::vector<Candidate>& candidates, ExplainAnswer& answer) {
    if (candidates.empty()) return absl::OkStatus();
    const std::size_t partition = candidates.front().place.partition;
    std::vector<PurchaseRows> read(candidates.size());
    {
      absl::ReaderMutexLock lock(&impl_.mutex);
      for (std::size_t i = 0; i < candidates.size(); ++i)
        read[i].next = impl_.partitions[partition].fold->states()[candidates[i].purchase].last_row;
    }
    // States may have moved on since the snapshot: rows are read through a newer one.
    const Snapshot newer = impl_.snapshot();
    std::vector<PurchaseRows*> to_read;
    for (PurchaseRows& one : read) to_read.push_back(&one);
    const PartitionSnapshot& of = newer.partitions[partition];
    RETURN_IF_ERROR(read_purchase_rows(of, scope_.cut.size(of.id), to_read, columns_));
    read_ += candidates.size();
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      std::vector<Transfer> rows;
      for (const auto& [number, row] : read[i].rows) rows.push_back(row);
      RETURN_IF_ERROR(evaluate(partition, rows));
      ExplainedPurchase purchase = explained(partition, candidates[i], read[i], *of.dictionaries);
      if (adds_to(purchase.adds, purchase.vendors, query_.measure)) answer.purchases.push_back(std::move(purchase));
    }
    return absl::OkStatus();
  }

  ExplainedPurchase explained(std::size_t partition, const Candidate& candidate, const PurchaseRows& read,
                              const Dictionaries& dictionaries) {
    ExplainedPurchase to;
    to.partition = scope_.snapshot.partitions[partition].id;
    to.id = dictionaries[DictionaryId::purchase].text(candidate.purchase);
    std::vector<std::int64_t> counts(sides_.size());
    std::map<std::uint32_t, std::int64_t> vendors;
    for (std::size_t i = 0; i < read.rows.size(); ++i) {
      const auto& [number, row] = read.rows[i];
      PostingSums adds;
      bool touched = false;
      for (std::size_t s = 0; s < sides_.size(); ++s) {
        const RowAdds& of_row = adds_[s][i];
        PostingSums sums = of_row.sums;
        if (by_purchase_) sums.packages = (counts[s] + of_row.count > 0 ? 1 : 0) - (counts[s] > 0 ? 1 : 0);
        counts[s] += of_row.count;
        touched |= !(sums == PostingSums{}) || of_row.count != 0;
        if (sides_[s]->sign > 0) {
          adds += sums;
          if (of_row.count != 0) vendors[row.dimensions.vendor] += of_row.count;
        } else {
          subtract(adds, sums);
        }
      }
      const bool within = number >= scope_.first[partition] && (!scope_.kind || kind_of(read, i) == *scope_.kind);
      if (within && touched) append_row(row, adds, dictionaries, to);
    }
    if (!query_.since) {
      for (const auto& [vendor, count] : vendors) {
        const std::string_view code = dictionaries[DictionaryId::vendor].text(vendor);
        if (count > 0 && vendor != 0 && !is_unknown_value(code)) to.vendors.emplace_back(code);
      }
    }
    add_facts(read, dictionaries, to);
    return to;
  }
  static void subtract(PostingSums& from, const PostingSums& other) {
    from.committed -= other.committed;
    from.strict -= other.strict;
    from.broad -= other.broad;
    from.stage_unknown -= other.stage_unknown;
    from.paid -= other.paid;
    from.packages -= other.packages;
  }
  static ChangeKind kind_of(const PurchaseRows& read, std::size_t at) {
    const Transfer& first = read.rows.front().second;
    return change_kind_of(read.rows[at].second.kind, first.previous == 0 && first.sequence == read.rows[at].second.sequence);
  }
  void append_row(const Transfer& row, const PostingSums& adds, const Dictionaries& dictionaries, ExplainedPurchase& to) {
    if (to.events.empty() || to.events.back().sequence.value() != row.sequence) {
      ExplainedEvent event;
      event.sequence = Sequence(row.sequence);
      event.type = name_of(row.kind);
      if ((row.flags & kFlagTimeAbsent) == 0) event.event_time_ms = row.event_time_ms;
      to.events.push_back(std::move(event));
    }
    ExplainedTransfer transfer;
    transfer.row = row.row;
    transfer.from_account = name_of(row.from);
    transfer.to_account = name_of(row.to);
    transfer.amount = row.amount;
    transfer.component = name_of(row.cell.component);
    transfer.origin = name_of(row.cell.origin);
    transfer.catalogue_kind = name_of(row.cell.catalogue_kind);
    transfer.commodity = dictionaries[DictionaryId::commodity].text(row.cell.commodity);
    transfer.adds = adds;
    to.events.back().adds += adds;
    to.events.back().transfers.push_back(std::move(transfer));
    to.adds += adds;
  }
  // The entries that state something new about what the purchase's rows name.
  void add_facts(const PurchaseRows& read, const Dictionaries& dictionaries, ExplainedPurchase& to) {
    if (facts_.first >= facts_.limit) return;
    absl::ReaderMutexLock lock(&impl_.facts_mutex);
    const auto add = [&](EventType table, DictionaryId id, std::uint32_t code) {
      if (code == 0 || !(table == EventType::reference_vendor ? facts_.vendors : facts_.others)) return;
      for (const Sequence sequence :
           impl_.facts.classifications_of(table, dictionaries[id].text(code), facts_.first, facts_.limit, facts_.after))
        to.facts.push_back(sequence);
    };
    for (const auto& [number, row] : read.rows) {
      add(EventType::reference_vendor, DictionaryId::vendor, row.dimensions.vendor);
      add(EventType::reference_institution, DictionaryId::institution, row.dimensions.institution);
      add(EventType::reference_commodity, DictionaryId::commodity, row.cell.commodity);
    }
    std::sort(to.facts.begin(), to.facts.end());
    to.facts.erase(std::unique(to.facts.begin(), to.facts.end()), to.facts.end());
  }

  Impl& impl_;
  const ExplainQuery& query_;
  const Scope scope_;
  std::vector<std::unique_ptr<Side>> sides_;
  const StatedFacts facts_;
  std::unique_ptr<RowChunk> chunk_;
  std::vector<Column> columns_;  // of a purchase's rows
  bool by_purchase_ = false;
  bool by_image_ = false;
  std::uint64_t read_ = 0;
  std::vector<std::vector<RowAdds>> adds_;  // by side, row
};

namespace {

// The same groups, but no more of the others than need be: what a row comes to does not depend on them.
TotalsQuery row_alone(TotalsQuery query, const std::vector<std::string>& row) {
  for (std::size_t i = 0; i < query.by.size(); ++i) {
    const std::vector<std::string_view> possible = values_of(query.by[i]);
    if (possible.empty() || std::find(possible.begin(), possible.end(), row[i]) != possible.end())
      query.where.try_emplace(query.by[i], std::vector<std::string>{row[i]});
  }
  return query;
}

// The figure that is to be explained, and the cut at which it is. all_kept: the whole table is at hand.
absl::StatusOr<MeasuresChange> figure_of(const Projections& projections, const ExplainQuery& query, bool all_kept, Cut& cut) {
  TotalsQuery totals = query.totals;
  if (!query.row) totals.by.clear();
  if (!query.since) {
    if (!cut.sizes().empty()) totals.cut = cut;
    if (query.row && !all_kept) {
      totals = row_alone(std::move(totals), *query.row);
      if (!totals.cut) totals.cut = projections.cut();
    }
    ASSIGN_OR_RETURN(const TotalsAnswer answer, projections.totals(totals));
    cut = answer.cut;
    if (!query.row) return change_between({}, answer.total);
    const auto at = std::lower_bound(answer.rows.begin(), answer.rows.end(), *query.row,
                                     [](const TotalsRow& row, const std::vector<std::string>& key) { return row.key < key; });
    if (at == answer.rows.end() || at->key != *query.row)
      return not_found("row '{}': the totals have no such row", fmt::join(*query.row, ","));
    return change_between({}, at->measures);
  }
  ASSIGN_OR_RETURN(const DifferenceAnswer answer, projections.difference(totals, *query.since, cut));
  const DifferenceRow* row = &answer.total;
  if (query.row) {
    const auto at = std::find_if(answer.rows.begin(), answer.rows.end(), [&](const DifferenceRow& one) { return one.key == *query.row; });
    if (at == answer.rows.end())
      return not_found("row '{}': did not change between {} and {}", fmt::join(*query.row, ","), answer.from.text(), answer.to.text());
    row = &*at;
  }
  if (!query.part) return invalid_argument("part: which one? explain one part of a difference at a time");
  return row->parts[static_cast<std::size_t>(*query.part)].value_or(MeasuresChange());
}

}  // namespace

absl::StatusOr<ExplainAnswer> Projections::explain(const ExplainQuery& query) const {
  RETURN_IF_ERROR(check_query(query.totals));
  if (query.limit == 0 || query.limit > kExplainPurchasesMax)
    return invalid_argument("limit: {} is not within 1 … {}", query.limit, kExplainPurchasesMax);
  if (query.row && query.row->size() != query.totals.by.size())
    return invalid_argument("row: {} values, but by names {} dimensions", query.row->size(), query.totals.by.size());
  if (query.since && query.measure == Measure::vendors)
    return invalid_argument(
        "measure: a part of a difference has no purchases of vendors; vendors come and go with their first and last one");
  if (query.part && !query.since) return invalid_argument("part: of which difference? give since, the earlier cut");
  ExplainAnswer answer;
  answer.query = query.totals;
  if (!query.row) answer.query.by.clear();
  ExplainCursor cursor;
  if (!query.cursor.empty()) {
    ASSIGN_OR_RETURN(cursor, parse_explain_cursor(query.cursor));
    if (query.totals.cut && !(*query.totals.cut == cursor.cut))
      return invalid_argument("cursor: it is of cut {}, not of as_of", cursor.cut.text());
    answer.cut = cursor.cut;
    if (!cut().covers(answer.cut)) return out_of_range("cursor: it is of cut {}; read is {}", answer.cut.text(), cut().text());
  } else {
    answer.cut = query.totals.cut.value_or(query.since ? cut() : Cut());
  }
  answer.with_paid = shape_of(answer.query).with_paid();
  if (query.cursor.empty()) {
    ASSIGN_OR_RETURN(answer.figure, figure_of(*this, query, impl_->is_kept(query.totals), answer.cut));
  }
  const Snapshot snapshot = impl_->snapshot();
  ASSIGN_OR_RETURN(const FactsCut facts, impl_->facts_cut(answer.cut));
  FactsStep step{facts, facts, {}};  // of a part that facts have: what they came from
  const bool of_facts = query.part && is_of_facts(*query.part);
  if (of_facts) {
    ASSIGN_OR_RETURN(const FactsCut facts_since, impl_->facts_cut(*query.since));
    step = facts_step(*query.part, facts_since, facts);
  }
  Scope scope{snapshot, of_facts ? *query.since : answer.cut, {}, {}, {}};
  if (query.part && !of_facts) scope.kind = query.part;
  Place start;
  start.row = cursor.row;
  for (std::size_t i = 0; i < snapshot.partitions.size(); ++i) {
    const PartitionSnapshot& partition = snapshot.partitions[i];
    ASSIGN_OR_RETURN(const std::uint64_t limit, rows_below(partition, scope.cut.size(partition.id)));
    std::uint64_t first = 0;
    if (scope.kind) {
      ASSIGN_OR_RETURN(first, rows_below(partition, query.since->size(partition.id)));
    }
    scope.first.push_back(first);
    scope.limit.push_back(limit);
    if (!query.cursor.empty() && partition.id == cursor.partition) start.partition = i;
  }
  const std::vector<std::string>* row = query.row ? &*query.row : nullptr;
  std::vector<std::unique_ptr<Side>> sides;
  sides.push_back(std::make_unique<Side>(answer.query, row, impl_->facts_view(step.after), snapshot.partitions.size(), 1));
  if (of_facts) sides.push_back(std::make_unique<Side>(answer.query, row, impl_->facts_view(step.before), snapshot.partitions.size(), -1));
  for (const auto& side : sides) {
    for (std::size_t i = 0; i < snapshot.partitions.size(); ++i) RETURN_IF_ERROR(side->filter.prepare(i, snapshot.partitions[i]));
  }
  Impl::Explainer explainer(*impl_, query, std::move(scope), std::move(sides), step.stated);
  RETURN_IF_ERROR(explainer.fill(start, answer));
  return answer;
}

}  // namespace bukubesar
