// Demo stream: the whole year in the order of time, made while it is read: a few dozen bytes for each purchase that is under way, whatever
// the number of purchases.
//
// Order  by the axis' second; of one purchase by step. Facts about a vendor stand before the first purchase that names it.
#pragma once

#include <cstdint>
#include <vector>

#include "adapters/demo_bad.h"
#include "adapters/demo_plan.h"

namespace bukubesar {

struct DemoItem {
  enum class Kind : std::uint8_t {
    opening_fact,
    vendor_fact,
    reclassified,  // a late fact: what a vendor's class was found to be, months after the month from which it counts
    step,
    same_again,       // the step's event once more, byte for byte
    different_again,  // its id once more, saying something else
    stray_payment,    // for a purchase that nobody ordered
    bad
  };
  Kind kind = Kind::step;
  std::int64_t at = 0;  // on the axis
  bool bulk = false;
  std::uint64_t index = 0;  // purchase, vendor, opening fact or bad record
  std::uint32_t step = 0;   // of a purchase; kind of a bad record
};

class DemoStream {
 public:
  explicit DemoStream(const DemoPlan& plan);
  // False: the year is over.
  bool next(DemoItem& item);
  // The text of any item, not only the last one.
  [[nodiscard]] Outgoing build(const DemoItem& item, EventIds& ids) const;
  // What next() has passed so far of the calibrated figures, and how many purchases have begun.
  [[nodiscard]] MoneySum broad_kalsel_sen() const { return broad_kalsel_; }
  [[nodiscard]] std::uint64_t purchases_begun() const { return begun_; }
  [[nodiscard]] std::uint64_t open_purchases_max() const { return open_max_; }

 private:
  struct Pending {
    std::uint32_t second = 0;  // of its day
    std::uint32_t step = 0;    // the bulk flag is its top bit
    std::uint64_t index = 0;
  };
  bool refill();  // the next day that has anything
  void take_step(const DemoItem& item);
  void take_new(bool bulk, std::int64_t day);
  void name_vendor(std::uint64_t vendor, std::int64_t at);

  const DemoPlan& plan_;
  std::vector<DemoItem> agenda_;  // what does not hang on a purchase, by time
  std::size_t agenda_at_ = 0;
  std::vector<std::vector<Pending>> days_;
  std::vector<DemoItem> today_;
  std::size_t today_at_ = 0;
  std::int64_t day_ = -1;
  std::uint64_t created_[2] = {0, 0};  // core, bulk
  std::vector<bool> vendors_named_;
  std::vector<DemoItem> out_;  // what one step gives, in order
  std::size_t out_at_ = 0;
  std::vector<Outgoing> opening_facts_;
  MoneySum broad_kalsel_ = 0;
  std::uint64_t begun_ = 0, open_ = 0, open_max_ = 0;
  // The purchase whose step was passed last, so that build() need not make it again.
  DemoPurchase current_;
  bool has_current_ = false;
};

}  // namespace bukubesar
