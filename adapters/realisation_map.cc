#include "adapters/realisation_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/ascii.h"
#include "base/bytes.h"
#include "config/names.h"

namespace bukubesar {

namespace {

struct SystemName {
  std::string_view source, system;
  bool vendor_in_id;  // these repeat package ids with different vendors
};
constexpr std::array<SystemName, 6> kSystems{{{"E-Katalog 6.0", "e-katalog-6", false},
                                              {"Tokodaring", "toko-daring", false},
                                              {"Tender", "tender", true},
                                              {"Non Tender", "non-tender", true},
                                              {"Pencatatan", "pencatatan", true},
                                              {"Swakelola", "swakelola", false}}};

struct StageName {
  std::string_view status;
  Stage stage;
};
constexpr std::array<StageName, 8> kStages{{{"ON PROCESS", Stage::contracted},
                                            {"PAKET SEDANG BERJALAN", Stage::contracted},
                                            {"BERLANGSUNG", Stage::contracted},
                                            {"ON ADDENDUM", Stage::addendum},
                                            {"COMPLETED", Stage::completed},
                                            {"PAYMENT OUTSIDE SYSTEM", Stage::completed},
                                            {"PAKET SELESAI", Stage::completed},
                                            {"SELESAI", Stage::completed}}};

// As the events' documents have them: beyond that the ledger would reject the event.
constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kNameBytesMax = 1024;
constexpr std::size_t kFundingBytesMax = 64;
constexpr std::size_t kNumberDigitsMax = 30;  // leaves __int128 room for the comparison with 1e-4

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// The text of a cell that may be text, a number or missing; nothing for what can't stand there.
std::optional<std::string> text_of(const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::absent:
    case Cell::Kind::null:
      return std::string();
    case Cell::Kind::text:
    case Cell::Kind::number:
      return tidy_blanks(cell.text);
    case Cell::Kind::boolean:
    case Cell::Kind::nested:
      return std::nullopt;
  }
  return std::nullopt;
}

// "E-Purchasing" → "e-purchasing", "Pengadaan Langsung" → "pengadaan-langsung": a method as a code.
std::string slug(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == ' ' || c == '/' ? '-' : lower(c);
  return out;
}

std::vector<std::string> split_funding(std::string_view text) {
  std::vector<std::string> names;
  while (true) {
    const std::size_t at = text.find_first_of(",;");
    std::string name = tidy_blanks(text.substr(0, at));
    if (!name.empty()) names.push_back(std::move(name));
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// The parts of a decimal number: digits without the point, and how many of them stand behind it.
struct Decimal {
  bool negative = false;
  __int128 digits = 0;
  int decimals = 0;
};
std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal number;
  if (!text.empty() && text.front() == '-') {
    number.negative = true;
    text.remove_prefix(1);
  }
  std::size_t count = 0;
  bool point = false;
  std::size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !point)); ++at) {
    if (text[at] == '.') {
      point = true;
      continue;
    }
    number.digits = number.digits * 10 + (text[at] - '0');
    if (number.digits != 0 && ++count > kNumberDigitsMax) return std::nullopt;
    if (point) ++number.decimals;
  }
  if (at == 0 || (point && number.decimals == 0)) return std::nullopt;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    ++at;
    if (at < text.size() && text[at] == '+') ++at;
    int exponent = 0;
    const auto parsed = std::from_chars(text.data() + at, text.data() + text.size(), exponent);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || exponent < -40 || exponent > 40) return std::nullopt;
    number.decimals -= exponent;
  }
  return number;
}

// Reads a row's amounts and codes; the first thing that can't be mapped is the reason.
class RowMapper {
 public:
  RowMapper(const SourceRow& row, const std::string& institution, EventIds& vendor_key)
      : row_(row), institution_(institution), vendor_key_(vendor_key) {}

  std::variant<MappedRow, RefusedRow> map() {
    if (!row_.instead.empty()) return RefusedRow{fmt::format("want an object for each row, this is {}", row_.instead), ""};
    // The id first: a row that is refused for its amounts still says which purchase it is about.
    if (!identify()) return RefusedRow{reason_, ""};
    if (!row_.doubled.empty()) return RefusedRow{fmt::format("{}: there twice", row_.doubled), mapped_.subject};
    if (!describe() || !value()) return RefusedRow{reason_, mapped_.subject};
    return std::move(mapped_);
  }

 private:
  bool refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  bool read(const char* name, std::string& to, std::size_t bytes_max = kTextBytesMax) {
    auto text = text_of(row_.cell(name));
    if (!text) return refuse(fmt::format("{}: neither text nor a number", name));
    to = std::move(*text);
    if (to.size() > bytes_max) return refuse(fmt::format("{}: {} bytes, more than {}", name, to.size(), bytes_max));
    if (std::any_of(to.begin(), to.end(), is_control)) return refuse(fmt::format("{}: holds a control character", name));
    return true;
  }

  bool identify() {
    std::string source, package;
    if (!read("Sumber Transaksi", source) || !read("Kode Paket", package) || !read("Nama Penyedia", mapped_.vendor_name, kNameBytesMax))
      return false;
    const auto system = std::find_if(kSystems.begin(), kSystems.end(), [&](const SystemName& s) { return s.source == source; });
    if (system == kSystems.end()) return refuse(fmt::format("Sumber Transaksi: unknown system \"{}\"", source));
    if (!is_code_text(package)) return refuse(fmt::format("Kode Paket: \"{}\" is no code", package));
    mapped_.document.vendor = vendor_code(mapped_.vendor_name, vendor_key_);
    mapped_.subject = fmt::format("{}/{}", system->system, package);
    if (system->vendor_in_id) mapped_.subject += "/" + mapped_.document.vendor;
    return true;
  }

  bool describe() {
    DocumentDraft& document = mapped_.document;
    std::string year, status, method, funding, work_unit, plan;
    if (!read("Tahun Anggaran", year) || !read("Status Paket", status) || !read("Metode Pengadaan", method) ||
        !read("Sumber Dana", funding) || !read("Nama Satuan Kerja", work_unit, kNameBytesMax) || !read("Kode RUP", plan, kNameBytesMax) ||
        !read("Nama Instansi", mapped_.institution_name, kNameBytesMax))
      return false;
    if (year.size() != 4 || !std::all_of(year.begin(), year.end(), is_digit) || year < "1990" || year > "2999")
      return refuse(fmt::format("Tahun Anggaran: \"{}\" is no year", year));
    document.fiscal_year = (year[0] - '0') * 1000 + (year[1] - '0') * 100 + (year[2] - '0') * 10 + (year[3] - '0');
    document.stage = realisation_stage(status);
    document.source_status.package = status;
    if (!status.empty() && document.stage == Stage::unknown)
      mapped_.notes.push_back(fmt::format("Status Paket: \"{}\" is no known status; stage unknown", status));
    document.institution = institution_;
    if (institution_[0] == 'K' || institution_[0] == 'L') document.stated_region = "00";
    document.funding = split_funding(funding);
    for (const std::string& name : document.funding)
      if (name.size() > kFundingBytesMax) return refuse(fmt::format("Sumber Dana: \"{}\" is longer than {} bytes", name, kFundingBytesMax));
    take_code("Metode Pengadaan", slug(method), method, "/method", document.method);
    // Several plan numbers may stand in one field, "65407862;67238343": taken over as they are.
    if (plan.size() <= kTextBytesMax) {
      document.plan = plan;
    } else {
      document.literals.emplace_back("/plan", plan);
      mapped_.notes.push_back(fmt::format("Kode RUP: {} bytes of plan numbers; kept as a literal", plan.size()));
    }
    take_work_unit(work_unit);
    return true;
  }

  // A member that must be a code: where the source's text is none it stays unknown, and the text is kept.
  void take_code(const char* name, const std::string& code, const std::string& literal, const char* pointer, std::string& to) {
    if (code.empty()) return;
    if (is_code_text(code)) {
      to = code;
      return;
    }
    mapped_.document.literals.emplace_back(pointer, literal);
    mapped_.notes.push_back(fmt::format("{}: \"{}\" is not one code; kept as a literal", name, literal));
  }

  // `text` is tidied: a name that ends in " - " with nothing behind it has become "name -".
  void take_work_unit(const std::string& text) {
    std::string code;
    const std::size_t at = text.rfind(" - ");
    if (at != std::string::npos) {
      code = text.substr(at + 3);
      mapped_.work_unit_name = text.substr(0, at);
    } else {
      const bool bare = text.size() >= 2 && text.substr(text.size() - 2) == " -";
      mapped_.work_unit_name = bare ? text.substr(0, text.size() - 2) : text;
    }
    if (code.empty()) {
      mapped_.notes.push_back(fmt::format("Nama Satuan Kerja: \"{}\" has no code; the work unit is unknown", text));
    } else {
      take_code("Nama Satuan Kerja", code, code, "/work_unit", mapped_.document.work_unit);
    }
  }

  // Nothing (and no refusal) where the cell is absent or null.
  bool read_money(const char* name, const char* pointer, std::optional<Money>& to) {
    std::string literal;
    if (!read(name, literal)) return false;
    if (literal.empty()) return true;
    const auto amount = round_to_sen(literal);
    if (!amount) return refuse(fmt::format("{}: {} is no amount in whole sen", name, literal));
    if (amount->rounded) {
      mapped_.document.literals.emplace_back(pointer, literal);
      mapped_.notes.push_back(fmt::format("{}: {} rounded to the sen", name, literal));
    }
    to = amount->money;
    return true;
  }

  bool value() {
    std::optional<Money> total, domestic;
    if (!read_money("Total Nilai (Rp)", "/amounts/total", total) || !read_money("Nilai PDN (Rp)", "/lines/0/amount", domestic))
      return false;
    if (!total) return refuse("Total Nilai (Rp): missing");
    mapped_.document.total = *total;
    if (!domestic) return true;  // nothing is said about origin: no line
    // 0 means "not counted as PDN", for a value of 0 too.
    if (domestic->sen != 0) add_line(Origin::domestic, *domestic);
    // A PDN value beyond the total is the source's to explain: the remainder shows as unallocated, with a finding.
    const auto rest = checked_subtract(*total, *domestic);
    const bool within = total->sen >= 0 ? domestic->sen >= 0 && domestic->sen <= total->sen : domestic->sen >= total->sen;
    if (rest && within && (rest->sen != 0 || domestic->sen == 0)) add_line(Origin::other, *rest);
    return true;
  }

  void add_line(Origin origin, Money amount) {
    LineDraft line;
    line.line = fmt::format("{}", mapped_.document.lines.size() + 1);
    line.origin = origin;
    line.amount = amount;
    line.derived = true;
    mapped_.document.lines.push_back(std::move(line));
  }

  const SourceRow& row_;
  const std::string& institution_;
  EventIds& vendor_key_;
  MappedRow mapped_;
  std::string reason_;
};

}  // namespace

std::variant<MappedRow, RefusedRow> map_realisation_row(const SourceRow& row, const std::string& institution, EventIds& vendor_key) {
  return RowMapper(row, institution, vendor_key).map();
}

std::optional<RoundedMoney> round_to_sen(std::string_view literal) {
  const auto number = parse_decimal(literal);
  if (!number) return std::nullopt;
  constexpr __int128 kLimit = std::numeric_limits<std::int64_t>::max();
  __int128 sen = number->digits;
  RoundedMoney out;
  int shift = 2 - number->decimals;  // sen = digits × 10^shift
  for (; shift > 0; --shift) {
    sen *= 10;
    if (sen > kLimit) return std::nullopt;
  }
  if (shift < 0) {
    if (-shift > static_cast<int>(kNumberDigitsMax)) return sen == 0 ? std::optional(out) : std::nullopt;
    __int128 unit = 1;
    for (; shift < 0; ++shift) unit *= 10;
    const __int128 rest = sen % unit;
    sen /= unit;
    const __int128 distance = std::min(rest, unit - rest);
    if (distance * 10'000 > unit) return std::nullopt;
    if (rest > unit - rest) ++sen;
    out.rounded = rest != 0;
  }
  if (sen > kLimit) return std::nullopt;
  out.money.sen = static_cast<std::int64_t>(number->negative ? -sen : sen);
  return out;
}

std::string tidy_blanks(std::string_view text) {
  std::string out;
  bool blank = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // U+00A0, the no-break space of office programs, is a blank too.
    const bool no_break = text[i] == '\xC2' && i + 1 < text.size() && text[i + 1] == '\xA0';
    if (no_break || is_blank(text[i])) {
      blank = true;
      if (no_break) ++i;
      continue;
    }
    if (blank && !out.empty()) out += ' ';
    blank = false;
    out += text[i];
  }
  return out;
}

std::string vendor_code(std::string_view name, EventIds& vendor_key) {
  std::string normal = tidy_blanks(name);
  if (normal.empty()) return "none";
  std::transform(normal.begin(), normal.end(), normal.begin(), upper);
  const Hash256 mac = vendor_key.hmac(normal);
  return "n-" + hex(as_view(mac).substr(0, 8));
}

Stage realisation_stage(std::string_view status) {
  std::string normal = tidy_blanks(status);
  std::transform(normal.begin(), normal.end(), normal.begin(), upper);
  const auto found = std::find_if(kStages.begin(), kStages.end(), [&](const StageName& s) { return s.status == normal; });
  return found == kStages.end() ? Stage::unknown : found->stage;
}

}  // namespace bukubesar
