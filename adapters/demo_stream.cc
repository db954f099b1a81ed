#include "adapters/demo_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace bukubesar {

namespace {

constexpr std::uint32_t kBulkBit = 1U << 31;
constexpr std::size_t kBadOfEachKind = 3;
constexpr std::uint64_t kStrayPayments = 5;
constexpr std::uint32_t kSameAgainPerMillion = 500;
constexpr std::uint32_t kDifferentAgainPerMillion = 20;

bool earlier(const DemoItem& a, const DemoItem& b) {
  return std::tie(a.at, a.kind, a.bulk, a.index, a.step) < std::tie(b.at, b.kind, b.bulk, b.index, b.step);
}

// Reclassifications: 40 vendors in May, 30 in September, each from some months before.
constexpr std::uint64_t kReclassifiedInMay = 40, kReclassified = 70;
std::string_view reclassified_from(std::uint64_t number) { return number <= kReclassifiedInMay ? "2023-02" : "2023-06"; }

std::vector<DemoItem> make_agenda(const DemoPlan& plan, std::size_t opening_facts) {
  const std::uint64_t seed = plan.options().seed;
  std::vector<DemoItem> agenda;
  for (std::uint64_t i = 0; i < opening_facts; ++i) agenda.push_back({DemoItem::Kind::opening_fact, 0, false, i, 0});
  DemoRandom random(seed, 5, 0);
  for (std::uint64_t i = 1; i <= kReclassified; ++i) {
    const std::int64_t day = i <= kReclassifiedInMay ? random.between(125, 135) : random.between(245, 255);
    agenda.push_back({DemoItem::Kind::reclassified, day * kDaySeconds + random.between(8 * 3600, 16 * 3600), false, i, 0});
  }
  for (std::uint64_t i = 0; i < kStrayPayments; ++i)
    agenda.push_back({DemoItem::Kind::stray_payment, random.between(10, 300) * kDaySeconds + 10 * 3600, false, i, 0});
  std::uint64_t number = 0;
  for (std::size_t kind = 0; kind < demo_bad_kinds(); ++kind)
    for (std::size_t i = 0; i < kBadOfEachKind; ++i) {
      const std::int64_t day = i == 0 ? random.between(1, 40) : random.between(41, 350);
      agenda.push_back({DemoItem::Kind::bad, day * kDaySeconds + random.between(8 * 3600, 16 * 3600), false, number++,
                        static_cast<std::uint32_t>(kind)});
    }
  std::sort(agenda.begin(), agenda.end(), earlier);
  return agenda;
}

}  // namespace

DemoStream::DemoStream(const DemoPlan& plan) : plan_(plan), days_(kDemoDaysMax), vendors_named_(60'000) {
  EventIds ids = demo_event_ids();
  opening_facts_ = plan.opening_facts(ids);
  agenda_ = make_agenda(plan, opening_facts_.size());
}

void DemoStream::take_new(bool bulk, std::int64_t day) {
  const std::uint64_t count = bulk ? plan_.bulk_count() : plan_.core_count();
  for (std::uint64_t& index = created_[bulk ? 1 : 0]; index < count; ++index) {
    const DemoPurchase purchase = plan_.purchase(bulk, index);
    const std::int64_t at = purchase.steps[0].at;
    if (at >= (day + 1) * kDaySeconds) return;
    today_.push_back({DemoItem::Kind::step, at, bulk, index, 0});
    open_max_ = std::max(open_max_, ++open_);
  }
}

bool DemoStream::refill() {
  today_.clear();
  today_at_ = 0;
  while (today_.empty()) {
    if (++day_ >= kDemoDaysMax) return false;
    for (const Pending& pending : days_[static_cast<std::size_t>(day_)])
      today_.push_back({DemoItem::Kind::step, day_ * kDaySeconds + pending.second, (pending.step & kBulkBit) != 0, pending.index,
                        pending.step & ~kBulkBit});
    std::vector<Pending>().swap(days_[static_cast<std::size_t>(day_)]);
    take_new(false, day_);
    take_new(true, day_);
    while (agenda_at_ < agenda_.size() && agenda_[agenda_at_].at < (day_ + 1) * kDaySeconds) today_.push_back(agenda_[agenda_at_++]);
  }
  std::sort(today_.begin(), today_.end(), earlier);
  return true;
}

void DemoStream::name_vendor(std::uint64_t vendor, std::int64_t at) {
  if (vendor == 0 || vendors_named_[vendor]) return;
  vendors_named_[vendor] = true;
  out_.push_back({DemoItem::Kind::vendor_fact, at, false, vendor, 0});
}

// Passes one step: the facts it needs, itself, perhaps itself again; and its purchase's next step is put on its day.
void DemoStream::take_step(const DemoItem& item) {
  current_ = plan_.purchase(item.bulk, item.index);
  has_current_ = true;
  if (item.step == 0) {
    ++begun_;
    name_vendor(current_.vendor, item.at);
    name_vendor(current_.distributor, item.at);
  }
  if (current_.calibrated()) broad_kalsel_ += plan_.broad_after(current_, item.step + 1).sen - plan_.broad_after(current_, item.step).sen;
  out_.push_back(item);
  DemoRandom random(plan_.options().seed, item.bulk ? 7 : 6, item.index * kDemoStepsMax + item.step);
  DemoItem again = item;
  again.kind = DemoItem::Kind::same_again;
  if (random.chance(kSameAgainPerMillion)) out_.push_back(again);
  again.kind = DemoItem::Kind::different_again;
  if (random.chance(kDifferentAgainPerMillion)) out_.push_back(again);
  if (item.step + 1 >= current_.step_count) {
    --open_;
    return;
  }
  const std::int64_t at = current_.steps[item.step + 1].at;
  BB_CHECK(at / kDaySeconds > day_ && at / kDaySeconds < kDemoDaysMax, "a purchase's next step is on a later day");
  days_[static_cast<std::size_t>(at / kDaySeconds)].push_back(
      {static_cast<std::uint32_t>(at % kDaySeconds), (item.step + 1) | (item.bulk ? kBulkBit : 0), item.index});
}

bool DemoStream::next(DemoItem& item) {
  if (out_at_ >= out_.size()) {
    out_.clear();
    out_at_ = 0;
    if (today_at_ >= today_.size() && !refill()) return false;
    const DemoItem& following = today_[today_at_++];
    if (following.kind == DemoItem::Kind::step) {
      take_step(following);
    } else {
      out_.push_back(following);
    }
  }
  item = out_[out_at_++];
  return true;
}

Outgoing DemoStream::build(const DemoItem& item, EventIds& ids) const {
  switch (item.kind) {
    case DemoItem::Kind::opening_fact:
      return opening_facts_[item.index];
    case DemoItem::Kind::vendor_fact:
      return plan_.vendor_fact(item.index, "2023-01", false, ids);
    case DemoItem::Kind::reclassified:
      return plan_.vendor_fact(item.index, reclassified_from(item.index), true, ids);
    case DemoItem::Kind::bad:
      return make_demo_bad_record(item.step, plan_.options().seed, item.index, ids).record;
    case DemoItem::Kind::stray_payment:
      return plan_.stray_payment(item.index, item.at, ids);
    case DemoItem::Kind::step:
    case DemoItem::Kind::same_again:
    case DemoItem::Kind::different_again:
      break;
  }
  const bool at_hand = has_current_ && current_.index == item.index && current_.bulk == item.bulk;
  Outgoing out = at_hand ? plan_.event(current_, item.step, ids) : plan_.event(plan_.purchase(item.bulk, item.index), item.step, ids);
  if (item.kind == DemoItem::Kind::different_again) {
    // Without an attribute it is another event of the same id.
    constexpr std::string_view kLeftOut = R"(,"datacontenttype":"application/json")";
    out.value->erase(out.value->find(kLeftOut), kLeftOut.size());
  }
  return out;
}

}  // namespace bukubesar
