#include "adapters/mart_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/string_view.h"
#include "adapters/mart_store.h"
#include "base/money.h"
#include "base/region_key.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/time.h"

namespace bukubesar {

namespace {

// The columns that are read, by what the route calls them.
enum Field : std::uint8_t {
  kPartition,
  kSequence,
  kRow,
  kLedgerTime,
  kEventTime,
  kKind,
  kPurchase,
  kFrom,
  kTo,
  kAmount,
  kPackages,
  kOrderDate,
  kFiscalYear,
  kSystem,
  kMethod,
  kInstitution,
  kWorkUnit,
  kVendor,
  kDistributor,
  kFunding,
  kStatedRegion,
  kStatedScale,
  kFeed,
  kComponent,
  kOrigin,
  kCatalogueKind,
  kCommodity,
  kRevision
};
constexpr std::string_view kNames[] = {
    "partition",    "sequence",    "row",       "ledger_time", "event_time",     "kind",        "purchase",
    "from",         "to",          "amount",    "packages",    "order_date",     "fiscal_year", "system",
    "method",       "institution", "work_unit", "vendor",      "distributor",    "funding",     "stated_region",
    "stated_scale", "feed",        "component", "origin",      "catalogue_kind", "commodity",   "revision"};
constexpr std::size_t kFieldCount = std::size(kNames);

// Members of the dimensions that the schema itself fills (config/mart/schema.sql), in the order of their keys.
constexpr std::string_view kAccounts[] = {"unknown",   "negotiating", "ordered",   "contracted", "shipping",   "delivered", "addendum",
                                          "completed", "cancelled",   "withdrawn", "paid",       "commitment", "payable"};
constexpr std::string_view kScales[] = {"unknown", "micro", "small", "micro_or_small", "medium", "large", "cooperative"};
constexpr std::string_view kOrigins[] = {"unknown", "domestic", "other"};
constexpr std::string_view kCatalogueKinds[] = {"unknown", "local", "sectoral", "national"};
constexpr std::string_view kComponents[] = {"none", "goods", "shipping", "tax", "unallocated"};
constexpr std::string_view kKinds[] = {"purchase.ordered",  "purchase.advanced",  "purchase.amended",   "purchase.paid",
                                       "purchase.refunded", "purchase.cancelled", "purchase.withdrawn", "purchase.corrected"};

// Reads fields of RFC 4180 lines one after the other. What was quoted is written down in `held`; the rest stands in the text itself.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::deque<std::string>& held) : rest_(text), held_(held) {}
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  // False where a quote is not closed.
  bool line(std::vector<std::string_view>& fields) {
    fields.clear();
    while (true) {
      std::string_view field;
      if (!rest_.empty() && rest_.front() == '"') {
        if (!quoted(field)) return false;
      } else {
        field = rest_.substr(0, end_of_field());
        rest_.remove_prefix(field.size());
      }
      fields.push_back(field);
      if (rest_.empty()) return true;
      const char end = rest_.front();
      rest_.remove_prefix(1);
      if (end == ',') continue;
      if (end == '\r' && !rest_.empty() && rest_.front() == '\n') rest_.remove_prefix(1);
      return true;
    }
  }

 private:
  [[nodiscard]] std::size_t end_of_field() const {  // a few bytes on: no call is worth it
    std::size_t at = 0;
    while (at < rest_.size() && rest_[at] != ',' && rest_[at] != '\r' && rest_[at] != '\n') ++at;
    return at;
  }
  bool quoted(std::string_view& field) {
    std::string text;
    for (std::size_t at = 1; at < rest_.size(); ++at) {
      if (rest_[at] != '"') {
        text += rest_[at];
      } else if (at + 1 < rest_.size() && rest_[at + 1] == '"') {
        text += '"';
        ++at;
      } else {
        rest_.remove_prefix(at + 1);
        field = held_.emplace_back(std::move(text));
        return true;
      }
    }
    return false;
  }
  std::string_view rest_;
  std::deque<std::string>& held_;
};

template <std::size_t N>
std::optional<std::int64_t> index_in(const std::string_view (&names)[N], std::string_view name) {
  const auto found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return std::nullopt;
  return found - std::begin(names);
}

// One line → one row, column by column as fact_transfer has them.
class BatchReader {
 public:
  BatchReader(MartKeys& keys, MartBatch& to) : keys_(keys), to_(to) {}
  absl::Status head(const std::vector<std::string_view>& names) {
    for (std::size_t i = 0; i < kFieldCount; ++i) {
      const auto found = std::find(names.begin(), names.end(), kNames[i]);
      if (found == names.end()) return unavailable("GET /v1/transfers: no column {} in the answer", kNames[i]);
      places_[i] = static_cast<std::size_t>(found - names.begin());
    }
    columns_ = names.size();
    return absl::OkStatus();
  }
  absl::Status row(const std::vector<std::string_view>& fields) {
    if (fields.size() != columns_) return unavailable("GET /v1/transfers: a line with {} fields, want {}", fields.size(), columns_);
    fields_ = &fields;
    row_ = &to_.rows.emplace_back();
    column_ = 0;
    for (const Field field : {kPartition, kSequence, kRow}) number(field);
    times();
    key(kOrderDate);
    number_or_null(kFiscalYear);
    known(kKinds, kKind);
    text(kMartPurchase, storable(at(kPurchase)));
    known(kAccounts, kFrom);
    known(kAccounts, kTo);
    amount();
    number(kPackages);
    rest_of_dimensions();
    if (!wrong_.empty()) return unavailable("GET /v1/transfers: '{}' is no number that fits", wrong_);
    if (!unknown_.empty()) return failed_precondition("the server speaks of '{}', which this program does not know: it is older", unknown_);
    return absl::OkStatus();
  }

 private:
  void rest_of_dimensions() {
    for (const Field field : {kSystem, kMethod, kInstitution}) key(field);
    put(memo(kWorkUnit, at(kInstitution) != last_[kWorkUnit].of || at(kWorkUnit) != last_[kWorkUnit].text,
             [&] { return keys_.satker_key(at(kInstitution), at(kWorkUnit), to_.added); }));
    last_[kWorkUnit].of = at(kInstitution);
    for (const Field field : {kVendor, kDistributor, kFunding, kStatedRegion}) key(field);
    known(kScales, kStatedScale);
    key(kFeed);
    known(kComponents, kComponent);
    known(kOrigins, kOrigin);
    known(kCatalogueKinds, kCatalogueKind);
    key(kCommodity);
    number_or_null(kRevision);
  }
  [[nodiscard]] std::string_view at(Field field) const { return (*fields_)[places_[field]]; }
  void put(std::int64_t value) { row_->values[column_++] = value; }
  void text(std::size_t place, std::string_view value) {
    row_->texts[place] = value;
    put(static_cast<std::int64_t>(place));
  }
  std::string_view storable(std::string_view raw) {
    const bool plain = std::all_of(raw.begin(), raw.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '\0'; });
    return plain ? raw : std::string_view(to_.held.emplace_back(storable_text(raw)));
  }
  // The event's time stands where it states one, else when it was known.
  void times() {
    const std::int64_t known_date = date(kLedgerTime);
    const std::int64_t event_date = at(kEventTime).empty() ? known_date : date(kEventTime);
    time(kLedgerTime, kMartLedgerTime, known_date);
    time(kEventTime, kMartEventTime, event_date);
    put(known_date);
    put(event_date);
  }
  std::int64_t date(Field field) { return keys_.date_key(at(field), to_.added); }
  void time(Field field, std::size_t place, std::int64_t date) {
    row_->texts[place] = at(field);
    put(date == 0 || at(field).empty() ? kMartNull : memo(field, at(field) != last_[field].text, [&] {
      const std::optional<std::int64_t> ms = parse_instant_ms(at(field));
      if (!ms) wrong_ = at(field);
      return ms.value_or(kMartNull);
    }));
  }
  void number(Field field) {
    std::int64_t value = 0;
    const std::string_view digits = at(field);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) wrong_ = digits.empty() ? "(nothing)" : digits;
    put(value);
  }
  void number_or_null(Field field) { at(field).empty() ? put(kMartNull) : number(field); }
  void amount() {
    const ParsedMoney parsed = parse_rupiah(at(kAmount));
    if (parsed.error != MoneyError::none) wrong_ = at(kAmount);
    put(parsed.money.sen);
  }
  // Neighbours are often alike: what is the same as in the row before is not looked up again.
  template <class Look>
  std::int64_t memo(Field field, bool is_other, Look look) {
    Last& last = last_[field];
    if (is_other || !last.is_known) last = {at(field), last.of, look(), true};
    return last.value;
  }
  void key(Field field) {
    put(memo(field, at(field) != last_[field].text, [&] {
      const MartDimension dimension = dimension_of(field);
      if (dimension == MartDimension::region) return keys_.region_key(at(field), to_.added);
      if (dimension == MartDimension::date) return keys_.date_key(at(field), to_.added);
      return keys_.key_of(dimension, at(field), to_.added);
    }));
  }
  static MartDimension dimension_of(Field field) {
    switch (field) {
      case kOrderDate:
        return MartDimension::date;
      case kSystem:
        return MartDimension::system;
      case kMethod:
        return MartDimension::method;
      case kInstitution:
        return MartDimension::institution;
      case kFunding:
        return MartDimension::funding;
      case kStatedRegion:
        return MartDimension::region;
      case kFeed:
        return MartDimension::feed;
      case kCommodity:
        return MartDimension::commodity;
      default:
        return MartDimension::vendor;
    }
  }
  template <std::size_t N>
  void known(const std::string_view (&names)[N], Field field) {
    put(memo(field, at(field) != last_[field].text, [&] {
      const auto index = index_in(names, at(field));
      if (!index) unknown_ = at(field);
      return index.value_or(0);
    }));
  }

  struct Last {
    std::string_view text, of;  // of: the institution of a work unit
    std::int64_t value = 0;
    bool is_known = false;
  };
  MartKeys& keys_;
  MartBatch& to_;
  std::array<std::size_t, kFieldCount> places_{};
  std::array<Last, kFieldCount> last_{};
  std::size_t columns_ = 0, column_ = 0;
  const std::vector<std::string_view>* fields_ = nullptr;
  MartTransfer* row_ = nullptr;
  std::string unknown_, wrong_;
};

}  // namespace

std::int64_t mart_region_key(std::string_view region) {
  if (region.empty() || region == "unknown") return 0;
  if (const auto key = region_key(region)) return *key;
  std::uint64_t number = 0;
  const Hash256 hash = sha256(region);
  for (std::size_t i = 0; i < 7; ++i) number = number << 8 | static_cast<std::uint8_t>(hash[i]);
  return -static_cast<std::int64_t>(number) - 1;
}

void MartKeys::know(MartDimension dimension, std::int64_t key, const std::string& code, const std::string& institution) {
  if (dimension == MartDimension::date) {
    dates_.insert(key);
    return;
  }
  if (dimension == MartDimension::region) {
    regions_.insert(key);
    return;
  }
  Members& members = all_[static_cast<std::size_t>(dimension)];
  members.keys[dimension == MartDimension::satker ? institution + "\n" + code : code] = key;
  members.next = std::max(members.next, key + 1);
}

std::int64_t MartKeys::intern(MartDimension dimension, const std::string& spelled, std::string_view code, std::string_view institution,
                              std::vector<NewMember>& added) {
  Members& members = all_[static_cast<std::size_t>(dimension)];
  const auto [at, is_new] = members.keys.try_emplace(spelled, members.next);
  if (is_new) {
    added.push_back({dimension, members.next, std::string(code), std::string(institution)});
    ++members.next;
  }
  return at->second;
}

std::int64_t MartKeys::key_of(MartDimension dimension, std::string_view code, std::vector<NewMember>& added) {
  if (code.empty() || code == "unknown") return 0;
  const auto& keys = all_[static_cast<std::size_t>(dimension)].keys;
  const auto found = keys.find(absl::string_view(code.data(), code.size()));
  if (found != keys.end()) return found->second;
  const std::string storable = storable_text(code);
  return intern(dimension, storable, storable, {}, added);
}

std::int64_t MartKeys::satker_key(std::string_view institution, std::string_view satker, std::vector<NewMember>& added) {
  if (satker.empty() || satker == "unknown") return 0;
  scratch_.assign(institution).append("\n").append(satker);
  return intern(MartDimension::satker, scratch_, satker, institution, added);
}

std::int64_t MartKeys::region_key(std::string_view region, std::vector<NewMember>& added) {
  const std::int64_t key = mart_region_key(region);
  if (key != 0 && regions_.insert(key).second) added.push_back({MartDimension::region, key, std::string(region), {}});
  return key;
}

std::int64_t MartKeys::date_key(std::string_view text, std::vector<NewMember>& added) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return 0;
  std::int64_t key = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    if (i == 4 || i == 7) continue;
    if (text[i] < '0' || text[i] > '9') return 0;
    key = key * 10 + (text[i] - '0');
  }
  if (key < 19'000'101 || key > 29'991'231) return 0;
  if (dates_.insert(key).second) added.push_back({MartDimension::date, key, std::string(text.substr(0, 10)), {}});
  return key;
}

absl::Status read_transfers(MartKeys& keys, MartBatch& to) {
  CsvReader csv(to.answer, to.held);
  std::vector<std::string_view> fields;
  BatchReader rows(keys, to);
  if (!csv.line(fields)) return unavailable("GET /v1/transfers: no head in the answer");
  RETURN_IF_ERROR(rows.head(fields));
  while (!csv.at_end()) {
    if (!csv.line(fields)) return unavailable("GET /v1/transfers: a quote that is not closed in row {}", to.rows.size());
    RETURN_IF_ERROR(rows.row(fields));
  }
  return absl::OkStatus();
}

}  // namespace bukubesar
