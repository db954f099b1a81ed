#include "adapters/mart_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/string_view.h"
#include "adapters/mart_store.h"
#include "base/bytes.h"
#include "base/region_key.h"
#include "base/sha256.h"
#include "base/status.h"

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

// Reads fields of RFC 4180 lines one after the other.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  // False where a quote is not closed.
  bool line(std::vector<std::string_view>& fields) {
    fields.clear();
    held_.clear();
    while (true) {
      std::string_view field;
      if (!rest_.empty() && rest_.front() == '"') {
        if (!quoted(field)) return false;
      } else {
        field = rest_.substr(0, rest_.find_first_of(",\r\n"));
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
        held_.push_back(std::make_unique<std::string>(std::move(text)));
        field = *held_.back();
        return true;
      }
    }
    return false;
  }
  std::string_view rest_;
  std::vector<std::unique_ptr<std::string>> held_;  // of the line
};

void append_copy_text(std::string_view raw, std::string& to) {
  const bool plain = std::all_of(raw.begin(), raw.end(), [](char c) { return c > 0x1F && c < 0x7F && c != '\\'; });
  if (plain) {
    to += raw;
    return;
  }
  for (const char c : storable_text(raw)) {
    switch (c) {
      case '\\':
        to += "\\\\";
        break;
      case '\t':
        to += "\\t";
        break;
      case '\n':
        to += "\\n";
        break;
      case '\r':
        to += "\\r";
        break;
      default:
        to += c;
    }
  }
}

template <std::size_t N>
std::optional<std::int64_t> index_in(const std::string_view (&names)[N], std::string_view name) {
  const auto found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return std::nullopt;
  return found - std::begin(names);
}

// One transfer → one line, column by column as fact_transfer has them.
class Encoder {
 public:
  Encoder(bool amounts_in_sen, MartKeys& keys, MartBatch& to) : amounts_in_sen_(amounts_in_sen), keys_(keys), to_(to) {}
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
    for (const Field field : {kPartition, kSequence, kRow}) text(field);
    times();
    key(MartDimension::date, kOrderDate);
    text_or_null(kFiscalYear);
    known(kKinds, kKind);
    text(kPurchase);
    known(kAccounts, kFrom);
    known(kAccounts, kTo);
    amount();
    text(kPackages);
    rest_of_dimensions();
    to_.lines.back() = '\n';
    ++to_.rows;
    if (!unknown_.empty()) return failed_precondition("the server speaks of '{}', which this program does not know: it is older", unknown_);
    return absl::OkStatus();
  }

 private:
  void rest_of_dimensions() {
    key(MartDimension::system, kSystem);
    key(MartDimension::method, kMethod);
    key(MartDimension::institution, kInstitution);
    number(keys_.satker_key(at(kInstitution), at(kWorkUnit), to_.added));
    key(MartDimension::vendor, kVendor);
    key(MartDimension::vendor, kDistributor);
    key(MartDimension::funding, kFunding);
    key(MartDimension::region, kStatedRegion);
    known(kScales, kStatedScale);
    key(MartDimension::feed, kFeed);
    known(kComponents, kComponent);
    known(kOrigins, kOrigin);
    known(kCatalogueKinds, kCatalogueKind);
    key(MartDimension::commodity, kCommodity);
    text_or_null(kRevision);
  }
  [[nodiscard]] std::string_view at(Field field) const { return (*fields_)[places_[field]]; }
  // The event's time stands where it states one, else when it was known.
  void times() {
    const std::int64_t known_date = keys_.date_key(at(kLedgerTime), to_.added);
    const std::int64_t event_date = at(kEventTime).empty() ? known_date : keys_.date_key(at(kEventTime), to_.added);
    time(kLedgerTime, known_date);
    time(kEventTime, event_date);
    number(known_date);
    number(event_date);
  }
  void time(Field field, std::int64_t date) { date == 0 || at(field).empty() ? null() : text(field); }
  void null() { to_.lines += "\\N\t"; }
  void text(Field field) {
    append_copy_text(at(field), to_.lines);
    to_.lines += '\t';
  }
  void text_or_null(Field field) { at(field).empty() ? null() : text(field); }
  void number(std::int64_t value) {
    char digits[24];
    const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
    to_.lines.append(digits, end);
    to_.lines += '\t';
  }
  void amount() {
    for (const char c : at(kAmount))
      if (c != '.' || !amounts_in_sen_) to_.lines += c;  // always two decimals
    to_.lines += '\t';
  }
  void key(MartDimension dimension, Field field) {
    if (dimension == MartDimension::region) return number(keys_.region_key(at(field), to_.added));
    if (dimension == MartDimension::date) return number(keys_.date_key(at(field), to_.added));
    number(keys_.key_of(dimension, at(field), to_.added));
  }
  template <std::size_t N>
  void known(const std::string_view (&names)[N], Field field) {
    const auto index = index_in(names, at(field));
    if (!index) unknown_ = at(field);
    number(index.value_or(0));
  }

  const bool amounts_in_sen_;
  MartKeys& keys_;
  MartBatch& to_;
  std::array<std::size_t, kFieldCount> places_{};
  std::size_t columns_ = 0;
  const std::vector<std::string_view>* fields_ = nullptr;
  std::string unknown_;
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

absl::Status encode_transfers(std::string_view csv, bool amounts_in_sen, MartKeys& keys, MartBatch& to) {
  CsvReader reader(csv);
  std::vector<std::string_view> fields;
  Encoder encoder(amounts_in_sen, keys, to);
  if (!reader.line(fields)) return unavailable("GET /v1/transfers: no head in the answer");
  RETURN_IF_ERROR(encoder.head(fields));
  to.lines.reserve(csv.size());
  while (!reader.at_end()) {
    if (!reader.line(fields)) return unavailable("GET /v1/transfers: a quote that is not closed in row {}", to.rows);
    RETURN_IF_ERROR(encoder.row(fields));
  }
  return absl::OkStatus();
}

}  // namespace bukubesar
