// A partition's fold without a ledger: events go in as JSON, transfers and findings come out.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/arena.h"
#include "events/rules.h"
#include "projections/partition_fold.h"
#include "tests/projections/event_spec.h"

namespace bukubesar {

class FoldHarness {
 public:
  explicit FoldHarness(FoldSettings settings = default_settings(), std::uint64_t segment_rows = kSegmentRows)
      : fold(PartitionId(0), settings, segment_rows) {}

  static FoldSettings default_settings() {
    Definition definition;
    definition.zone_minutes = 480;
    return FoldSettings::of(definition);
  }

  FoldHarness& add(EventSpec spec) {
    if (spec.id.empty()) spec.id = fmt::format("e{}", fold.next_sequence());
    const std::string payload =
        encode_payload(spec.subject, std::vector<Header>{{"content-type", "application/cloudevents+json"}}, event_json(spec));
    Arena arena;
    const Judgement judgement = judge_.judge(1, PartitionId(0), payload, arena);
    EXPECT_NE(judgement.event, nullptr) << judgement.detail << "\n" << event_json(spec);
    Entry entry;
    entry.verdict = Verdict::accepted;
    entry.timestamp_present = entry.log_append_time = true;
    entry.timestamp_ms = stamp_ms.value_or(1'700'000'000'000 + static_cast<std::int64_t>(fold.next_sequence()));
    findings_before_ = fold.findings().size();
    fold.apply(Sequence(fold.next_sequence()), entry, payload, judgement.event);
    return *this;
  }

  // All transfers that are still in memory.
  [[nodiscard]] std::vector<Transfer> transfers() const {
    std::vector<Transfer> to;
    for (const auto& segment : fold.segments()) {
      for (std::uint64_t row = 0; row < segment->rows; ++row) to.push_back(segment->chunks[row / kChunkRows]->get(row % kChunkRows));
    }
    return to;
  }
  [[nodiscard]] const PurchaseState* state(std::string_view subject) const {
    const auto number = fold.dictionaries()[DictionaryId::purchase].find(subject);
    return number ? &fold.states()[*number] : nullptr;
  }
  // What an account holds of a purchase, from its transfers alone.
  [[nodiscard]] MoneySum balance(std::string_view subject, Account account) const {
    const auto number = fold.dictionaries()[DictionaryId::purchase].find(subject);
    MoneySum sum = 0;
    for (const Transfer& t : transfers()) {
      if (!number || t.purchase != *number) continue;
      if (t.to == account) sum += t.amount;
      if (t.from == account) sum -= t.amount;
    }
    return sum;
  }
  // Kinds that the last event raised, in order.
  [[nodiscard]] std::vector<std::string> last_findings() const {
    std::vector<std::string> to;
    for (std::size_t i = findings_before_; i < fold.findings().size(); ++i) to.emplace_back(name_of(fold.findings()[i].kind));
    return to;
  }

  PartitionFold fold;
  std::optional<std::int64_t> stamp_ms;  // of the records to come; nothing: one that moves on by itself

 private:
  Judge judge_{Routing{Partitioner::murmur2, 1}};
  std::size_t findings_before_ = 0;
};

// A state as text, without the numbers that the order of other purchases decides.
inline std::string describe(const PurchaseState& state, const Dictionaries& d) {
  std::string text = fmt::format("exists={} stage={} paid={} revision={} time={}", state.exists, name_of(state.stage), state.paid,
                                 state.revision, state.time_max);
  const Dimensions& m = state.dimensions;
  text += fmt::format(
      " {}/{}/{}/{}/{}/{}/{}/{}/{} {} {} {}", d[DictionaryId::system].text(m.system), d[DictionaryId::method].text(m.method),
      d[DictionaryId::institution].text(m.institution), d[DictionaryId::work_unit].text(m.work_unit),
      d[DictionaryId::vendor].text(m.vendor), d[DictionaryId::vendor].text(m.distributor), d[DictionaryId::funding].text(m.funding),
      d[DictionaryId::region].text(m.region), d[DictionaryId::feed].text(m.feed), m.order_date, m.fiscal_year, name_of(m.scale));
  std::vector<std::string> cells;
  for (std::size_t i = 0; i < state.cells.size(); ++i) {
    const Cell& c = state.cells[i];
    cells.push_back(fmt::format("{}{}/{}/{}/{}={}", i == 0 ? "first " : "", name_of(c.key.component), name_of(c.key.origin),
                                name_of(c.key.catalogue_kind), d[DictionaryId::commodity].text(c.key.commodity), c.amount));
  }
  std::sort(cells.begin(), cells.end());
  return text + fmt::format(" [{}]", fmt::join(cells, ", "));
}

}  // namespace bukubesar
