#include "projections/scan_dimensions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/day.h"
#include "base/time.h"

namespace bukubesar {

namespace {

constexpr std::uint32_t kUnmapped = 0xFFFFFFFFU;
constexpr std::uint32_t kElsewhere = 0xFFFFFFFEU;  // the first column does not decide

std::string_view or_unknown(std::string_view text) { return text.empty() ? kUnknownValue : text; }

// What a code stands for, worked out when it is first met.
template <class Make>
std::uint32_t& remembered(std::vector<std::uint32_t>& memo, std::size_t code, Make make) {
  if (code >= memo.size()) memo.resize(std::max<std::size_t>(code + 1, memo.size() * 2), kUnmapped);
  if (memo[code] == kUnmapped) memo[code] = make();
  return memo[code];
}

// One column of codes decides.
template <class T>
class CodeResolver : public Resolver {
 public:
  using Text = std::function<std::string(std::uint32_t)>;
  CodeResolver(Column column, Text text, DimensionValues& values) : column_(column), text_(std::move(text)), values_(values) {}
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const T* codes = block.columns.values<T>(column_);
    for (std::size_t i = 0; i < block.rows; ++i) {
      const std::size_t code = codes[i];
      if (code < memo_.size() && memo_[code] != kUnmapped) [[likely]] {
        ids[i] = memo_[code];
      } else {
        ids[i] = remembered(memo_, code, [&] { return values_.intern(text_(static_cast<std::uint32_t>(code))); });
      }
    }
  }

 private:
  Column column_;
  Text text_;
  DimensionValues& values_;
  std::vector<std::uint32_t> memo_;
};

// The stage of the account that the pass looks at.
class StageResolver : public Resolver {
 public:
  explicit StageResolver(DimensionValues& values) {
    for (std::size_t a = 0; a < kAccountCount; ++a) {
      ids_[a] = values.intern(is_stage(static_cast<Account>(a)) ? name_of(stage_of(static_cast<Account>(a))) : "none");
    }
  }
  void resolve(const RowBlock& block, Column account, std::uint32_t* ids) override {
    const auto* accounts = block.columns.values<std::uint8_t>(account);
    for (std::size_t i = 0; i < block.rows; ++i) ids[i] = ids_[accounts[i]];
  }

 private:
  std::array<std::uint32_t, kAccountCount> ids_{};
};

class FiscalYearResolver : public Resolver {
 public:
  explicit FiscalYearResolver(DimensionValues& values) : values_(values) {}
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const auto* years = block.columns.values<std::int32_t>(Column::fiscal_year);
    for (std::size_t i = 0; i < block.rows; ++i) {
      if (years[i] != last_year_ || i == 0) {
        last_year_ = years[i];
        last_id_ = values_.intern(last_year_ == 0 ? std::string(kUnknownValue) : fmt::format("{}", last_year_));
      }
      ids[i] = last_id_;
    }
  }

 private:
  DimensionValues& values_;
  std::int32_t last_year_ = 0;
  std::uint32_t last_id_ = 0;
};

// Months, remembered by day. A day outside of what a document can state (a producer stamps records as it likes) is in no known month.
class MonthValues {
 public:
  explicit MonthValues(DimensionValues& values) : values_(values) {}
  std::uint32_t of_day(std::int64_t day) {
    constexpr std::int64_t kFirst = -25'598, kLimit = 376'231;  // 1899-12 … 3000-01: 1900 … 2999 in any zone
    if (day < kFirst || day >= kLimit) return unknown();
    const auto make = [&] { return values_.intern(format_month(month_of(Date{static_cast<std::int32_t>(day)}))); };
    return remembered(by_day_, static_cast<std::size_t>(day - kFirst), make);
  }
  std::uint32_t unknown() { return values_.intern(kUnknownValue); }

 private:
  DimensionValues& values_;
  std::vector<std::uint32_t> by_day_;
};

class OrderMonthResolver : public Resolver {
 public:
  explicit OrderMonthResolver(DimensionValues& values) : months_(values), unknown_(months_.unknown()) {}
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const auto* dates = block.columns.values<std::int32_t>(Column::order_date);
    for (std::size_t i = 0; i < block.rows; ++i) ids[i] = dates[i] == kNoOrderDate ? unknown_ : months_.of_day(dates[i]);
  }

 private:
  MonthValues months_;
  std::uint32_t unknown_;
};

class EventMonthResolver : public Resolver {
 public:
  EventMonthResolver(int zone_minutes, DimensionValues& values) : zone_minutes_(zone_minutes), months_(values) {}
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const auto* times = block.columns.values<std::int64_t>(Column::event_time);
    for (std::size_t i = 0; i < block.rows; ++i) ids[i] = months_.of_day(day_of(times[i], zone_minutes_));
  }

 private:
  int zone_minutes_;
  MonthValues months_;
};

// The month of the entry's ledger time. Rows stand by sequence, and so do the months' first entries.
class LedgerMonthResolver : public Resolver {
 public:
  LedgerMonthResolver(const std::vector<MonthStart>& starts, DimensionValues& values) {
    for (const MonthStart& start : starts)
      starts_.emplace_back(start.sequence, values.intern(start.month ? format_month(*start.month) : std::string(kUnknownValue)));
  }
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const auto* sequences = block.columns.values<std::uint64_t>(Column::sequence);
    for (std::size_t i = 0; i < block.rows; ++i) {
      while (at_ + 1 < starts_.size() && starts_[at_ + 1].first <= sequences[i]) ++at_;
      while (at_ > 0 && starts_[at_].first > sequences[i]) --at_;
      ids[i] = starts_[at_].second;
    }
  }

 private:
  std::vector<std::pair<std::uint64_t, std::uint32_t>> starts_;  // first sequence, value
  std::size_t at_ = 0;
};

// The buyer's region: the institution's fact at the cut, else as stated, else unknown.
class RegionResolver : public Resolver {
 public:
  using Shape = std::string_view (*)(std::string_view);
  RegionResolver(const Dictionaries& dictionaries, FactsView facts, Shape shape, DimensionValues& values)
      : dictionaries_(dictionaries), facts_(facts), shape_(shape), values_(values) {}
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const auto* institutions = block.columns.values<std::uint32_t>(Column::institution);
    const auto* regions = block.columns.values<std::uint32_t>(Column::region);
    for (std::size_t i = 0; i < block.rows; ++i) ids[i] = of(institutions[i], regions[i]);
  }
  std::uint32_t of(std::uint32_t institution, std::uint32_t region) {
    std::uint32_t id = remembered(by_institution_, institution, [&] { return of_institution(institution); });
    if (id != kElsewhere) return id;
    return remembered(by_region_, region, [&] { return value(dictionaries_[DictionaryId::region].text(region)); });
  }

 private:
  std::uint32_t of_institution(std::uint32_t institution) {
    if (institution == 0) return kElsewhere;
    absl::ReaderMutexLock lock(facts_.mutex);
    const std::string_view region = facts_.facts->institution_region(dictionaries_[DictionaryId::institution].text(institution), facts_.at);
    return region.empty() ? kElsewhere : value(region);
  }
  std::uint32_t value(std::string_view region) { return values_.intern(region.empty() ? kUnknownValue : shape_(region)); }

  const Dictionaries& dictionaries_;
  FactsView facts_;
  Shape shape_;
  DimensionValues& values_;
  std::vector<std::uint32_t> by_institution_, by_region_;
};

// Size class: in force in the order month, else as stated; or the newest; or as stated.
class ScaleResolver : public Resolver {
 public:
  using Shape = std::string_view (*)(Scale);
  ScaleResolver(const Dictionaries& dictionaries, FactsView facts, ScaleBasis basis, Shape shape, DimensionValues& values)
      : dictionaries_(dictionaries), facts_(facts), basis_(basis) {
    for (std::size_t s = 0; s < ids_.size(); ++s) ids_[s] = values.intern(shape(static_cast<Scale>(s)));
  }
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const auto* vendors = block.columns.values<std::uint32_t>(Column::vendor);
    const auto* dates = block.columns.values<std::int32_t>(Column::order_date);
    const auto* scales = block.columns.values<std::uint8_t>(Column::scale);
    if (basis_ == ScaleBasis::stated) {
      for (std::size_t i = 0; i < block.rows; ++i) ids[i] = ids_[scales[i]];
      return;
    }
    for (std::size_t i = 0; i < block.rows; ++i) {
      std::uint32_t state = remembered(by_vendor_, vendors[i], [&] { return state_of(vendors[i]); });
      if (state == kDated) state = dates[i] == kNoOrderDate ? 0 : dated(vendors[i], dates[i]);
      ids[i] = ids_[state == 0 ? scales[i] : state];
    }
  }

 private:
  static constexpr std::uint32_t kDated = 100;  // the order month decides; below it: a scale, 0 for as stated
  std::uint32_t state_of(std::uint32_t vendor) {
    if (vendor == 0) return 0;
    const std::string_view code = dictionaries_[DictionaryId::vendor].text(vendor);
    absl::ReaderMutexLock lock(facts_.mutex);
    if (!facts_.facts->has_vendor_scale(code, facts_.at)) return 0;
    if (basis_ == ScaleBasis::at_order) return kDated;
    return static_cast<std::uint32_t>(facts_.facts->vendor_scale(code, facts_.at, std::nullopt));
  }
  std::uint32_t dated(std::uint32_t vendor, std::int32_t date) {
    const Month month = month_of(Date{date});
    const std::uint64_t key = std::uint64_t{vendor} << 32 | static_cast<std::uint32_t>(month.months);
    const auto found = by_month_.find(key);
    if (found != by_month_.end()) return found->second;
    absl::ReaderMutexLock lock(facts_.mutex);
    const auto scale =
        static_cast<std::uint32_t>(facts_.facts->vendor_scale(dictionaries_[DictionaryId::vendor].text(vendor), facts_.at, month));
    by_month_.emplace(key, scale);
    return scale;
  }

  const Dictionaries& dictionaries_;
  FactsView facts_;
  ScaleBasis basis_;
  std::array<std::uint32_t, 7> ids_{};
  std::vector<std::uint32_t> by_vendor_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> by_month_;
};

// Where the vendor is domiciled, against the buyer's region.
class LocalityResolver : public Resolver {
 public:
  LocalityResolver(const Dictionaries& dictionaries, FactsView facts, DimensionValues& values)
      : dictionaries_(dictionaries),
        facts_(facts),
        regions_({}, false),
        buyer_(
            dictionaries, facts, [](std::string_view region) { return region; }, regions_),
        same_district_(values.intern("same_district")),
        same_province_(values.intern("same_province")),
        elsewhere_(values.intern("elsewhere")),
        unknown_(values.intern(kUnknownValue)) {}
  void resolve(const RowBlock& block, Column, std::uint32_t* ids) override {
    const auto* vendors = block.columns.values<std::uint32_t>(Column::vendor);
    const auto* institutions = block.columns.values<std::uint32_t>(Column::institution);
    const auto* regions = block.columns.values<std::uint32_t>(Column::region);
    for (std::size_t i = 0; i < block.rows; ++i) {
      const std::uint32_t domicile = remembered(by_vendor_, vendors[i], [&] { return domicile_of(vendors[i]); });
      ids[i] = compare(domicile, buyer_.of(institutions[i], regions[i]));
    }
  }

 private:
  std::uint32_t domicile_of(std::uint32_t vendor) {
    if (vendor == 0) return regions_.intern(kUnknownValue);
    absl::ReaderMutexLock lock(facts_.mutex);
    return regions_.intern(or_unknown(facts_.facts->vendor_domicile(dictionaries_[DictionaryId::vendor].text(vendor), facts_.at)));
  }
  std::uint32_t compare(std::uint32_t domicile, std::uint32_t buyer) {
    const std::uint64_t key = std::uint64_t{domicile} << 32 | buyer;
    const auto found = compared_.find(key);
    if (found != compared_.end()) return found->second;
    const std::string& a = regions_.text(domicile);
    const std::string& b = regions_.text(buyer);
    std::uint32_t id = elsewhere_;
    if (a == kUnknownValue || b == kUnknownValue) {
      id = unknown_;
    } else if (district_of(a) == district_of(b) && district_of(a).size() > 2) {
      id = same_district_;
    } else if (province_of(a) == province_of(b)) {
      id = same_province_;
    }
    compared_.emplace(key, id);
    return id;
  }

  const Dictionaries& dictionaries_;
  FactsView facts_;
  DimensionValues regions_;
  RegionResolver buyer_;
  std::uint32_t same_district_, same_province_, elsewhere_, unknown_;
  std::vector<std::uint32_t> by_vendor_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> compared_;
};

std::unique_ptr<Resolver> of_dictionary(Column column, const Dictionary& dictionary, DimensionValues& values) {
  return std::make_unique<CodeResolver<std::uint32_t>>(
      column, [&dictionary](std::uint32_t code) { return std::string(or_unknown(dictionary.text(code))); }, values);
}

template <class Enum>
std::unique_ptr<Resolver> of_enumeration(Column column, DimensionValues& values) {
  return std::make_unique<CodeResolver<std::uint8_t>>(
      column, [](std::uint32_t code) { return std::string(name_of(static_cast<Enum>(code))); }, values);
}

std::string_view whole(std::string_view region) { return region; }

}  // namespace

std::uint32_t DimensionValues::intern(std::string_view text) {
  const auto found = ids_.find(absl::string_view(text.data(), text.size()));
  if (found != ids_.end()) return found->second;
  const auto id = static_cast<std::uint32_t>(texts_.size());
  texts_.emplace_back(text);
  unknown_.push_back(is_unknown_value(text) ? 1 : 0);
  allowed_.push_back(accepts(text) ? 1 : 0);
  ids_.emplace(std::string(text), id);
  return id;
}

bool DimensionValues::accepts(std::string_view text) const {
  return std::any_of(accepted_.begin(), accepted_.end(), [&](const std::string& one) {
    if (text == one) return true;
    return hierarchical_ && text.size() > one.size() && text.substr(0, one.size()) == one && text[one.size()] == '.';
  });
}

std::string_view province_of(std::string_view region) { return region.substr(0, region.find('.')); }
std::string_view district_of(std::string_view region) {
  const std::size_t first = region.find('.');
  return first == std::string_view::npos ? region : region.substr(0, region.find('.', first + 1));
}

std::string_view umkm_of(Scale scale) {
  switch (scale) {
    case Scale::micro:
    case Scale::small:
    case Scale::micro_or_small:
    case Scale::cooperative:
      return "umk_k";
    case Scale::medium:
      return "medium";
    case Scale::large:
      return "large";
    case Scale::unknown:
      break;
  }
  return kUnknownValue;
}

bool is_hierarchical(Dimension dimension) { return dimension == Dimension::region || dimension == Dimension::vendor_domicile; }

std::unique_ptr<Resolver> make_resolver(Dimension dimension, const Dictionaries& dictionaries, const FactsView& facts, ScaleBasis basis,
                                        DimensionValues& values) {
  const auto codes = [&](Column column, DictionaryId id) { return of_dictionary(column, dictionaries[id], values); };
  switch (dimension) {
    case Dimension::province:
      return std::make_unique<RegionResolver>(dictionaries, facts, province_of, values);
    case Dimension::district:
      return std::make_unique<RegionResolver>(dictionaries, facts, district_of, values);
    case Dimension::region:
      return std::make_unique<RegionResolver>(dictionaries, facts, whole, values);
    case Dimension::institution:
      return codes(Column::institution, DictionaryId::institution);
    case Dimension::work_unit:
      return codes(Column::work_unit, DictionaryId::work_unit);
    case Dimension::vendor:
      return codes(Column::vendor, DictionaryId::vendor);
    case Dimension::distributor:
      return codes(Column::distributor, DictionaryId::vendor);
    case Dimension::scale:
      return std::make_unique<ScaleResolver>(
          dictionaries, facts, basis, [](Scale scale) { return name_of(scale); }, values);
    case Dimension::umkm:
      return std::make_unique<ScaleResolver>(dictionaries, facts, basis, umkm_of, values);
    case Dimension::system:
      return codes(Column::system, DictionaryId::system);
    case Dimension::method:
      return codes(Column::method, DictionaryId::method);
    case Dimension::funding:
      return codes(Column::funding, DictionaryId::funding);
    case Dimension::feed:
      return codes(Column::feed, DictionaryId::feed);
    case Dimension::fiscal_year:
      return std::make_unique<FiscalYearResolver>(values);
    case Dimension::order_month:
      return std::make_unique<OrderMonthResolver>(values);
    case Dimension::event_month:
      return std::make_unique<EventMonthResolver>(facts.zone_minutes, values);
    case Dimension::stage:
      return std::make_unique<StageResolver>(values);
    case Dimension::component:
      return of_enumeration<Component>(Column::component, values);
    case Dimension::origin:
      return of_enumeration<Origin>(Column::origin, values);
    case Dimension::catalogue_kind:
      return of_enumeration<CatalogueKind>(Column::catalogue_kind, values);
    case Dimension::commodity:
      return codes(Column::commodity, DictionaryId::commodity);
    case Dimension::commodity_group: {
      const Dictionary& commodities = dictionaries[DictionaryId::commodity];
      return std::make_unique<CodeResolver<std::uint32_t>>(
          Column::commodity,
          [&commodities, facts](std::uint32_t code) {
            absl::ReaderMutexLock lock(facts.mutex);
            return std::string(or_unknown(facts.facts->commodity_group(commodities.text(code), facts.at)));
          },
          values);
    }
    case Dimension::vendor_domicile: {
      const Dictionary& vendors = dictionaries[DictionaryId::vendor];
      return std::make_unique<CodeResolver<std::uint32_t>>(
          Column::vendor,
          [&vendors, facts](std::uint32_t code) {
            absl::ReaderMutexLock lock(facts.mutex);
            return std::string(or_unknown(facts.facts->vendor_domicile(vendors.text(code), facts.at)));
          },
          values);
    }
    case Dimension::vendor_locality:
      return std::make_unique<LocalityResolver>(dictionaries, facts, values);
    case Dimension::ledger_month:
      break;  // make_ledger_month_resolver()
  }
  return nullptr;
}

std::unique_ptr<Resolver> make_ledger_month_resolver(const std::vector<MonthStart>& starts, DimensionValues& values) {
  return std::make_unique<LedgerMonthResolver>(starts, values);
}

std::vector<Column> columns_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::province:
    case Dimension::district:
    case Dimension::region:
      return {Column::institution, Column::region};
    case Dimension::institution:
      return {Column::institution};
    case Dimension::work_unit:
      return {Column::work_unit};
    case Dimension::vendor:
    case Dimension::vendor_domicile:
      return {Column::vendor};
    case Dimension::distributor:
      return {Column::distributor};
    case Dimension::scale:
    case Dimension::umkm:
      return {Column::vendor, Column::order_date, Column::scale};
    case Dimension::system:
      return {Column::system};
    case Dimension::method:
      return {Column::method};
    case Dimension::funding:
      return {Column::funding};
    case Dimension::feed:
      return {Column::feed};
    case Dimension::fiscal_year:
      return {Column::fiscal_year};
    case Dimension::order_month:
      return {Column::order_date};
    case Dimension::event_month:
      return {Column::event_time};
    case Dimension::stage:
      return {};
    case Dimension::component:
      return {Column::component};
    case Dimension::origin:
      return {Column::origin};
    case Dimension::catalogue_kind:
      return {Column::catalogue_kind};
    case Dimension::commodity:
    case Dimension::commodity_group:
      return {Column::commodity};
    case Dimension::vendor_locality:
      return {Column::vendor, Column::institution, Column::region};
    case Dimension::ledger_month:
      return {Column::sequence};
  }
  return {};
}

std::vector<Column> fact_columns_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::province:
    case Dimension::district:
    case Dimension::region:
      return {Column::institution};
    case Dimension::vendor_domicile:
    case Dimension::scale:
    case Dimension::umkm:
      return {Column::vendor};
    case Dimension::vendor_locality:
      return {Column::vendor, Column::institution};
    case Dimension::commodity_group:
      return {Column::commodity};
    default:
      return {};
  }
}

namespace {

template <class Enum>
std::vector<std::string_view> names(std::size_t count) {
  std::vector<std::string_view> to;
  for (std::size_t i = 0; i < count; ++i) to.push_back(name_of(static_cast<Enum>(i)));
  return to;
}

}  // namespace

std::vector<std::string_view> values_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::scale:
      return names<Scale>(7);
    case Dimension::umkm:
      return {"umk_k", "medium", "large", kUnknownValue};
    case Dimension::stage:
      return names<Stage>(kStageCount);
    case Dimension::component:
      return names<Component>(5);
    case Dimension::origin:
      return names<Origin>(3);
    case Dimension::catalogue_kind:
      return names<CatalogueKind>(4);
    case Dimension::vendor_locality:
      return {"same_district", "same_province", "elsewhere", kUnknownValue};
    default:
      return {};
  }
}

}  // namespace bukubesar
