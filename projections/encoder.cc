#include "projections/encoder.h"

#include <limits>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"

namespace bukubesar {

namespace {

struct WideCell {
  CellKey key;
  __int128 amount = 0;
};
using WideCells = absl::InlinedVector<WideCell, 8>;

bool fits(__int128 value) { return value >= std::numeric_limits<std::int64_t>::min() && value <= std::numeric_limits<std::int64_t>::max(); }

// Sums by key, in the order of first appearance. Few keys are looked through, many (a hostile document) are hashed.
class CellSums {
 public:
  void add(const CellKey& key, __int128 amount) {
    if (WideCell* cell = find(key)) {
      cell->amount += amount;
      return;
    }
    cells_.push_back({key, amount});
    if (cells_.size() <= kLookedThroughMax) return;
    if (index_.empty()) {
      for (std::size_t i = 0; i < cells_.size(); ++i) index_.emplace(packed(cells_[i].key), i);
    } else {
      index_.emplace(packed(key), cells_.size() - 1);
    }
  }
  [[nodiscard]] const WideCells& cells() const { return cells_; }

 private:
  static constexpr std::size_t kLookedThroughMax = 16;
  static std::uint64_t packed(const CellKey& key) {
    return std::uint64_t{key.commodity} << 32 | static_cast<std::uint64_t>(key.component) << 16 |
           static_cast<std::uint64_t>(key.origin) << 8 | static_cast<std::uint64_t>(key.catalogue_kind);
  }
  WideCell* find(const CellKey& key) {
    if (!index_.empty()) {
      const auto found = index_.find(packed(key));
      return found == index_.end() ? nullptr : &cells_[found->second];
    }
    for (WideCell& cell : cells_) {
      if (cell.key == key) return &cell;
    }
    return nullptr;
  }

  WideCells cells_;
  absl::flat_hash_map<std::uint64_t, std::size_t> index_;
};

}  // namespace

void append_set(std::span<const std::string_view> names, std::string& to) {
  bool first = true;
  for (const std::string_view name : names) {
    if (!first) to += ';';
    first = false;
    for (const char c : name) {
      if (c == ';' || c == '\\') to += '\\';
      to += c;
    }
  }
}

std::vector<std::string> split_set(std::string_view text) {
  std::vector<std::string> names;
  if (text.empty()) return names;
  names.emplace_back();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ';') {
      names.emplace_back();
    } else {
      if (text[i] == '\\' && i + 1 < text.size()) ++i;
      names.back() += text[i];
    }
  }
  return names;
}

bool Encoder::encode(const Event& event, const Document& document, FoldDocument& to) {
  static_cast<FoldDocumentHead&>(to) = FoldDocumentHead{};
  to.cells.clear();
  Dimensions& d = to.dimensions;
  d.system = dictionaries_[DictionaryId::system].intern(event.purchase.system);
  d.feed = dictionaries_[DictionaryId::feed].intern(event.source);
  d.method = dictionaries_[DictionaryId::method].intern(document.method);
  d.institution = dictionaries_[DictionaryId::institution].intern(document.institution);
  d.work_unit = dictionaries_[DictionaryId::work_unit].intern(document.work_unit);
  d.vendor = dictionaries_[DictionaryId::vendor].intern(document.vendor);
  d.distributor = dictionaries_[DictionaryId::vendor].intern(document.distributor);
  funding_.clear();
  append_set(document.funding, funding_);
  d.funding = dictionaries_[DictionaryId::funding].intern(funding_);
  d.region = dictionaries_[DictionaryId::region].intern(document.stated_region);
  d.order_date = document.order_date ? document.order_date->days : kNoOrderDate;
  d.fiscal_year = document.fiscal_year;
  d.scale = document.stated_scale;
  to.stage = document.stage;
  to.stage_unmapped = document.stage == Stage::unknown && document.source_status_stated;
  to.vendor_of_id = event.purchase.vendor.empty() ? 0 : dictionaries_[DictionaryId::vendor].intern(event.purchase.vendor);
  to.total = document.total.sen;
  check_lines(document, to);
  if (document.revision) {
    if (*document.revision == std::numeric_limits<std::uint64_t>::max()) return false;
    to.revision = *document.revision + 1;
  }
  return split(document, to);
}

bool Encoder::split(const Document& document, FoldDocument& to) {
  Dictionary& commodities = dictionaries_[DictionaryId::commodity];
  const std::uint32_t own = commodities.intern(document.commodity);
  const std::uint32_t none = commodities.intern("none");
  CellSums sums;
  __int128 rest = document.total.sen;
  for (const Line& line : document.lines) {
    const std::uint32_t commodity = line.commodity.empty() ? own : commodities.intern(line.commodity);
    const CatalogueKind kind = line.catalogue_kind == CatalogueKind::unknown ? document.catalogue_kind : line.catalogue_kind;
    sums.add({Component::goods, line.origin, kind, commodity}, line.amount.sen);
    rest -= line.amount.sen;
  }
  const __int128 apart = static_cast<__int128>(document.shipping.value_or(Money{}).sen) + document.tax.value_or(Money{}).sen;
  rest -= apart;
  if (document.lines.empty()) {
    sums.add({Component::goods, Origin::unknown, document.catalogue_kind, own}, rest);
    rest = 0;
  }
  if (document.shipping) sums.add({Component::shipping, Origin::unknown, document.catalogue_kind, none}, document.shipping->sen);
  if (document.tax) sums.add({Component::tax, Origin::unknown, document.catalogue_kind, none}, document.tax->sen);
  if (rest != 0) sums.add({Component::unallocated, Origin::unknown, document.catalogue_kind, none}, rest);
  const WideCells& cells = sums.cells();
  if (!fits(rest)) return false;
  to.unallocated = static_cast<std::int64_t>(rest);
  to.cells.reserve(cells.size());
  for (const WideCell& cell : cells) {
    if (!fits(cell.amount)) return false;
    to.cells.push_back(Cell{static_cast<std::int64_t>(cell.amount), cell.key});
  }
  arrange(to.cells, cells.front().key);
  return true;
}

// Off by more than one sen: the price was rounded to a sen by the source.
void Encoder::check_lines(const Document& document, FoldDocument& to) const {
  constexpr __int128 kTenThousandths = 10'000;
  std::int64_t number = 0;
  for (const Line& line : document.lines) {
    ++number;
    if (!line.quantity || !line.unit_price) continue;
    const __int128 off = static_cast<__int128>(line.quantity->ten_thousandths) * line.unit_price->sen -
                         static_cast<__int128>(line.amount.sen) * kTenThousandths;
    if (off <= kTenThousandths && off >= -kTenThousandths) continue;
    ++to.lines_off;
    if (to.first_line_off == 0) to.first_line_off = number;
  }
}

}  // namespace bukubesar
