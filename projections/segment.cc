#include "projections/segment.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/seldom_warning.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr std::string_view kMagic{"BKBSEG\0\1", 8};
constexpr std::size_t kFooterBytes = 32;
constexpr std::uint8_t kTextWidth = 0xFF;
constexpr std::uint8_t kFirstText = 40;
constexpr std::uint8_t kFirstFinding = 60;
constexpr std::uint8_t kFirstFeed = 70;
constexpr std::uint32_t kRawBytesMax = 256U << 20;
constexpr std::uint32_t kCountMax = 1U << 22;  // of values that take no bytes; a segment of one event of 4 MiB stays far below
constexpr int kCompression = 1;

struct Section {
  std::uint8_t id = 0, width = 0;
  std::uint32_t count = 0;
  std::uint64_t base = 0, limit = 0;  // smallest and largest value
  std::uint32_t raw = 0, stored = 0;
  std::uint64_t at = 0;  // in the file
};

struct FreeContexts {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

std::string compress(std::string_view raw) {
  if (raw.empty()) return {};
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContexts> context(ZSTD_createCCtx());
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kCompression);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string stored(ZSTD_compressBound(raw.size()), '\0');
  const std::size_t size = ZSTD_compress2(context.get(), stored.data(), stored.size(), raw.data(), raw.size());
  BB_CHECK(ZSTD_isError(size) == 0, "zstd refused to compress a column");
  stored.resize(size);
  return stored;
}

bool decompress(std::string_view stored, std::size_t raw_bytes, std::string& raw) {
  raw.resize(raw_bytes);
  if (raw_bytes == 0) return stored.empty();
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContexts> context(ZSTD_createDCtx());
  const std::size_t size = ZSTD_decompressDCtx(context.get(), raw.data(), raw.size(), stored.data(), stored.size());
  return ZSTD_isError(size) == 0 && size == raw_bytes;
}

// Values as byte planes over the smallest one: plane k holds byte k of every difference. Loops over values of their own width are
// what compilers turn into vector instructions.
class SectionWriter {
 public:
  template <class T>
  void integers(std::uint8_t id, std::span<const T> values) {
    using Unsigned = std::make_unsigned_t<T>;
    Section s;
    s.id = id;
    s.count = static_cast<std::uint32_t>(values.size());
    T low = values.empty() ? T{} : values.front();
    T high = low;
    for (const T value : values) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
    s.base = static_cast<std::uint64_t>(low);
    s.limit = static_cast<std::uint64_t>(high);
    for (std::uint64_t range = s.limit - s.base; range != 0; range >>= 8) ++s.width;
    std::string planes(std::size_t{s.width} * values.size(), '\0');
    for (std::size_t k = 0; k < s.width; ++k) {
      char* plane = planes.data() + k * values.size();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto difference = static_cast<Unsigned>(static_cast<Unsigned>(values[i]) - static_cast<Unsigned>(low));
        plane[i] = static_cast<char>(difference >> (8 * k));
      }
    }
    finish(s, planes);
  }
  void column(std::uint8_t id, const ColumnInfo& info, const std::vector<std::byte>& values) {
    switch (info.width) {
      case 1:
        return info.is_signed ? integers(id, as<std::int8_t>(values)) : integers(id, as<std::uint8_t>(values));
      case 4:
        return info.is_signed ? integers(id, as<std::int32_t>(values)) : integers(id, as<std::uint32_t>(values));
      default:
        return info.is_signed ? integers(id, as<std::int64_t>(values)) : integers(id, as<std::uint64_t>(values));
    }
  }
  void texts(std::uint8_t id, const std::vector<std::string>& texts) {
    Section s;
    s.id = id;
    s.width = kTextWidth;
    s.count = static_cast<std::uint32_t>(texts.size());
    std::string raw;
    for (const std::string& text : texts) {
      append_be(raw, static_cast<std::uint32_t>(text.size()));
      raw += text;
    }
    finish(s, raw);
  }
  [[nodiscard]] std::size_t count() const { return sections_.size(); }
  [[nodiscard]] std::string table() const {
    std::string to;
    for (const Section& s : sections_) {
      append_be(to, s.id);
      append_be(to, s.width);
      append_be(to, std::uint16_t{0});
      append_be(to, s.count);
      append_be(to, s.base);
      append_be(to, s.limit);
      append_be(to, s.raw);
      append_be(to, s.stored);
    }
    return to;
  }
  [[nodiscard]] const std::string& data() const { return data_; }

 private:
  template <class T>
  static std::span<const T> as(const std::vector<std::byte>& values) {
    return {reinterpret_cast<const T*>(values.data()), values.size() / sizeof(T)};
  }
  void finish(Section s, std::string_view raw) {
    const std::string stored = compress(raw);
    s.raw = static_cast<std::uint32_t>(raw.size());
    s.stored = static_cast<std::uint32_t>(stored.size());
    sections_.push_back(s);
    data_ += stored;
  }
  std::vector<Section> sections_;
  std::string data_;
};

// All planes of a run of values at once, and a run of fixed length: what the compiler makes vector instructions of.
template <class T, std::size_t kWidth>
void spread_planes(const std::uint8_t* planes, std::make_unsigned_t<T> base, std::size_t count, T* values) {
  using Unsigned = std::make_unsigned_t<T>;
  constexpr std::size_t kRun = 64;
  const auto value_at = [&](std::size_t at) {
    Unsigned value = base;
    for (std::size_t k = 0; k < kWidth; ++k)
      value = static_cast<Unsigned>(value + static_cast<Unsigned>(Unsigned{planes[k * count + at]} << (8 * k)));
    return static_cast<T>(value);
  };
  std::size_t at = 0;
  for (; at + kRun <= count; at += kRun)
    for (std::size_t i = 0; i < kRun; ++i) values[at + i] = value_at(at + i);
  for (; at < count; ++at) values[at] = value_at(at);
}

template <class T>
void spread(std::string_view planes, std::uint64_t base, std::uint8_t width, std::size_t count, std::byte* to) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(planes.data());
  T* values = reinterpret_cast<T*>(to);
  const auto low = static_cast<std::make_unsigned_t<T>>(base);
  const auto of_width = [&]<std::size_t... kWidths>(std::index_sequence<kWidths...>) {
    // Planes beyond the value's own width hold nothing of it.
    const std::size_t used = std::min<std::size_t>(width, sizeof(T));
    ((used == kWidths ? spread_planes<T, kWidths>(from, low, count, values) : void()), ...);
  };
  of_width(std::make_index_sequence<sizeof(T) + 1>());
}

void spread_as(const ColumnInfo& info, std::string_view planes, std::uint64_t base, std::uint8_t width, std::size_t count, std::byte* to) {
  switch (info.width) {
    case 1:
      return spread<std::uint8_t>(planes, base, width, count, to);
    case 4:
      return spread<std::uint32_t>(planes, base, width, count, to);
    default:
      return spread<std::uint64_t>(planes, base, width, count, to);
  }
}

std::string header_bytes(const SegmentHeader& header, std::size_t sections) {
  std::string to(kMagic);
  append_be(to, header.partition.number());
  append_be(to, header.number);
  append_be(to, header.first_sequence);
  append_be(to, header.next_sequence);
  append_be(to, header.first_row);
  append_be(to, header.rows);
  append_be(to, static_cast<std::uint32_t>(sections));
  append_be(to, static_cast<std::uint64_t>(header.ledger_time_ms));
  append_be(to, header.events);
  to += as_view(header.fold_hash);
  to += as_view(header.last_payload_hash);
  return to;
}

SegmentHeader parse_header(ByteReader& reader, std::uint32_t& sections) {
  SegmentHeader header;
  header.partition = PartitionId(reader.be<std::uint32_t>());
  header.number = reader.be<std::uint32_t>();
  header.first_sequence = reader.be<std::uint64_t>();
  header.next_sequence = reader.be<std::uint64_t>();
  header.first_row = reader.be<std::uint64_t>();
  header.rows = reader.be<std::uint32_t>();
  sections = reader.be<std::uint32_t>();
  header.ledger_time_ms = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  header.events = reader.be<std::uint64_t>();
  const std::string_view fold_hash = reader.take(header.fold_hash.size());
  const std::string_view last = reader.take(header.last_payload_hash.size());
  if (reader.ok()) {
    std::copy(fold_hash.begin(), fold_hash.end(), header.fold_hash.begin());
    std::copy(last.begin(), last.end(), header.last_payload_hash.begin());
  }
  return header;
}

// The section table; false where it does not fit the bytes, or names a section twice.
bool parse_table(ByteReader& reader, std::uint32_t count, std::size_t data_at, std::size_t data_limit, std::vector<Section>& to) {
  std::uint64_t at = data_at;
  std::bitset<256> seen;
  for (std::uint32_t i = 0; i < count; ++i) {
    Section s;
    s.id = reader.be<std::uint8_t>();
    s.width = reader.be<std::uint8_t>();
    reader.be<std::uint16_t>();
    s.count = reader.be<std::uint32_t>();
    s.base = reader.be<std::uint64_t>();
    s.limit = reader.be<std::uint64_t>();
    s.raw = reader.be<std::uint32_t>();
    s.stored = reader.be<std::uint32_t>();
    s.at = at;
    at += s.stored;
    if (!reader.ok() || seen[s.id] || at > data_limit || s.raw > kRawBytesMax || s.count > std::max(kCountMax, s.raw)) return false;
    if (s.width != kTextWidth && (s.width > 8 || std::uint64_t{s.width} * s.count != s.raw)) return false;
    seen.set(s.id);
    to.push_back(s);
  }
  return at == data_limit;
}

class SegmentReader {
 public:
  SegmentReader(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  absl::StatusOr<SegmentContent> read() {
    if (bytes_.size() < kSegmentHeaderBytes + kFooterBytes || bytes_.substr(0, kMagic.size()) != kMagic)
      return damaged("no segment header");
    const std::string_view covered = bytes_.substr(0, bytes_.size() - kFooterBytes);
    const Hash256 hash = sha256(covered);
    if (as_view(hash) != bytes_.substr(covered.size())) return damaged("its hash is not that of its bytes");
    ByteReader reader(covered.substr(kMagic.size()));
    std::uint32_t count = 0;
    content_.header = parse_header(reader, count);
    const std::size_t data_at = kSegmentHeaderBytes + std::size_t{count} * kSectionBytes;
    if (!reader.ok() || data_at > covered.size() || !parse_table(reader, count, data_at, covered.size(), sections_)) {
      return damaged("its section table does not fit");
    }
    for (std::size_t i = 0; i < kColumnCount; ++i) RETURN_IF_ERROR(column(static_cast<Column>(i)));
    for (std::size_t i = 0; i < kDictionaryCount; ++i) RETURN_IF_ERROR(texts(i));
    RETURN_IF_ERROR(findings());
    RETURN_IF_ERROR(first_feeds());
    return std::move(content_);
  }

 private:
  absl::Status damaged(std::string_view what) const { return data_loss("segment {}: {}", name_, what); }
  // Decompresses the section into raw_.
  absl::StatusOr<const Section*> load(std::uint8_t id) {
    for (const Section& s : sections_) {
      if (s.id != id) continue;
      if (!decompress(bytes_.substr(s.at, s.stored), s.raw, raw_)) return damaged(fmt::format("section {} does not decompress", id));
      return &s;
    }
    return damaged(fmt::format("section {} is missing", id));
  }
  absl::Status column(Column c) {
    ASSIGN_OR_RETURN(const Section* s, load(static_cast<std::uint8_t>(c)));
    if (s->count != content_.header.rows || s->width == kTextWidth)
      return damaged(fmt::format("column {} has another length", info_of(c).name));
    std::vector<std::byte>& to = content_.columns[static_cast<std::size_t>(c)];
    to.resize(std::size_t{s->count} * info_of(c).width);
    spread_as(info_of(c), raw_, s->base, s->width, s->count, to.data());
    return absl::OkStatus();
  }
  absl::Status texts(std::size_t dictionary) {
    ASSIGN_OR_RETURN(const Section* s, load(static_cast<std::uint8_t>(kFirstText + dictionary)));
    ByteReader reader(raw_);
    for (std::uint32_t i = 0; i < s->count && reader.ok(); ++i) {
      content_.texts[dictionary].emplace_back(reader.take(reader.be<std::uint32_t>()));
    }
    return reader.at_end() ? absl::OkStatus() : damaged(fmt::format("dictionary {} does not end where it should", dictionary));
  }
  absl::StatusOr<std::vector<std::uint64_t>> integers(std::uint8_t id) {
    ASSIGN_OR_RETURN(const Section* s, load(id));
    if (s->width == kTextWidth) return damaged(fmt::format("section {} has no numbers", id));
    std::vector<std::uint64_t> values(s->count);
    spread<std::uint64_t>(raw_, s->base, s->width, s->count, reinterpret_cast<std::byte*>(values.data()));
    return values;
  }
  absl::Status findings() {
    ASSIGN_OR_RETURN(const auto sequence, integers(kFirstFinding));
    ASSIGN_OR_RETURN(const auto purchase, integers(kFirstFinding + 1));
    ASSIGN_OR_RETURN(const auto kind, integers(kFirstFinding + 2));
    ASSIGN_OR_RETURN(const auto a, integers(kFirstFinding + 3));
    ASSIGN_OR_RETURN(const auto b, integers(kFirstFinding + 4));
    if (purchase.size() != sequence.size() || kind.size() != sequence.size() || a.size() != sequence.size() ||
        b.size() != sequence.size()) {
      return damaged("the findings' columns differ in length");
    }
    for (std::size_t i = 0; i < sequence.size(); ++i) {
      if (kind[i] >= all_finding_kinds().size()) return damaged(fmt::format("finding {} has the unknown kind {}", i, kind[i]));
      content_.findings.push_back(FindingRow{sequence[i], static_cast<std::uint32_t>(purchase[i]), 0, static_cast<FindingKind>(kind[i]),
                                             static_cast<std::int64_t>(a[i]), static_cast<std::int64_t>(b[i])});
    }
    return absl::OkStatus();
  }
  absl::Status first_feeds() {
    ASSIGN_OR_RETURN(const auto system, integers(kFirstFeed));
    ASSIGN_OR_RETURN(const auto institution, integers(kFirstFeed + 1));
    ASSIGN_OR_RETURN(const auto feed, integers(kFirstFeed + 2));
    if (institution.size() != system.size() || feed.size() != system.size()) return damaged("the first feeds' columns differ in length");
    for (std::size_t i = 0; i < system.size(); ++i) {
      content_.first_feeds.push_back(
          {static_cast<std::uint32_t>(system[i]), static_cast<std::uint32_t>(institution[i]), static_cast<std::uint32_t>(feed[i])});
    }
    return absl::OkStatus();
  }

  std::string_view bytes_;
  std::string_view name_;
  std::vector<Section> sections_;
  SegmentContent content_;
  std::string raw_;
};

// One member of each row, as the column that it is stored in.
template <class T, class Row, class Get>
void add_column(SectionWriter& writer, std::uint8_t id, const std::vector<Row>& rows, Get get) {
  std::vector<T> values(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) values[i] = static_cast<T>(std::invoke(get, rows[i]));
  writer.integers(id, std::span<const T>(values));
}

}  // namespace

ColumnPointers SegmentContent::pointers() const {
  ColumnPointers to;
  for (std::size_t i = 0; i < kColumnCount; ++i) to.at[i] = columns[i].data();
  return to;
}

std::string encode_segment(const SegmentContent& content) {
  SectionWriter writer;
  for (std::size_t i = 0; i < kColumnCount; ++i) writer.column(static_cast<std::uint8_t>(i), kColumns[i], content.columns[i]);
  for (std::size_t i = 0; i < kDictionaryCount; ++i) writer.texts(static_cast<std::uint8_t>(kFirstText + i), content.texts[i]);
  add_column<std::uint64_t>(writer, kFirstFinding, content.findings, &FindingRow::sequence);
  add_column<std::uint64_t>(writer, kFirstFinding + 1, content.findings, &FindingRow::purchase);
  add_column<std::uint64_t>(writer, kFirstFinding + 2, content.findings, &FindingRow::kind);
  add_column<std::int64_t>(writer, kFirstFinding + 3, content.findings, &FindingRow::a);
  add_column<std::int64_t>(writer, kFirstFinding + 4, content.findings, &FindingRow::b);
  add_column<std::uint64_t>(writer, kFirstFeed, content.first_feeds, &FirstFeed::system);
  add_column<std::uint64_t>(writer, kFirstFeed + 1, content.first_feeds, &FirstFeed::institution);
  add_column<std::uint64_t>(writer, kFirstFeed + 2, content.first_feeds, &FirstFeed::feed);
  std::string bytes = header_bytes(content.header, writer.count());
  bytes += writer.table();
  bytes += writer.data();
  const Hash256 hash = sha256(bytes);
  bytes += as_view(hash);
  return bytes;
}

absl::StatusOr<SegmentContent> decode_segment(std::string_view bytes, std::string_view name) { return SegmentReader(bytes, name).read(); }

std::string segment_file_name(std::uint32_t number) { return fmt::format("{:06}.seg", number); }
std::string segment_name(PartitionId partition, std::uint32_t number) { return fmt::format("{}/{:06}", partition.name(), number); }

namespace {

// Fills `to` from there on.
absl::Status read_at(const std::string& path, std::uint64_t at, std::string& to) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return unavailable("open {}: {}", path, std::strerror(errno));
  std::size_t done = 0;
  int error = 0;
  while (done < to.size() && error == 0) {
    const ssize_t count = ::pread(fd, to.data() + done, to.size() - done, static_cast<off_t>(at + done));
    if (count == 0) break;
    if (count > 0) done += static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) error = errno;
  }
  ::close(fd);
  if (error != 0) return unavailable("read {}: {}", path, std::strerror(error));
  if (done != to.size()) return data_loss("{} ends early", path);
  return absl::OkStatus();
}

}  // namespace

FileSegment::FileSegment(std::string path, std::string_view bytes, const SegmentHeader& header)
    : path_(std::move(path)), header_(header), file_bytes_(bytes.size()) {
  ByteReader reader(bytes.substr(kMagic.size(), bytes.size() - kFooterBytes - kMagic.size()));
  std::uint32_t count = 0;
  parse_header(reader, count);
  std::vector<Section> sections;
  const bool fits =
      parse_table(reader, count, kSegmentHeaderBytes + std::size_t{count} * kSectionBytes, bytes.size() - kFooterBytes, sections);
  BB_CHECK(fits, "a segment that was decoded has a section table that fits");
  for (const Section& s : sections) {
    if (s.id < kColumnCount) sections_[s.id] = Place{s.at, s.base, s.limit, s.raw, s.stored, s.width};
  }
}

absl::Status FileSegment::read_column(Column column, std::byte* to) const {
  const Place& place = sections_[static_cast<std::size_t>(column)];
  thread_local std::string planes;
  RETURN_IF_ERROR(read_planes(column, planes));
  spread_as(info_of(column), planes, place.base, place.width, header_.rows, to);
  return absl::OkStatus();
}

std::uint64_t FileSegment::value_of(Column column, std::string_view planes, std::size_t row) const {
  const Place& place = sections_[static_cast<std::size_t>(column)];
  std::uint64_t value = place.base;
  for (std::size_t k = 0; k < place.width; ++k)
    value += std::uint64_t{static_cast<std::uint8_t>(planes[k * header_.rows + row])} << (8 * k);
  return value;
}

absl::Status FileSegment::read_planes(Column column, std::string& planes) const {
  const Place& place = sections_[static_cast<std::size_t>(column)];
  thread_local std::string stored;
  stored.resize(place.stored);
  absl::Status status;
  if (place.stored != 0) status = read_at(path_, place.at, stored);
  if (status.ok() && !decompress(stored, place.raw, planes)) status = data_loss("{}: its bytes do not decompress", path_);
  if (status.ok()) return status;
  // Who asked is told by the answer; whoever keeps the server has to know of a disk that cannot be read, too.
  static SeldomWarning unreadable;
  unreadable.say(status);
  return with_context(status, fmt::format("segment {}, column {}", segment_name(header_.partition, header_.number), info_of(column).name));
}

absl::StatusOr<std::uint64_t> FileSegment::rows_below(std::uint64_t size) const {
  if (header_.next_sequence <= size) return header_.rows;
  if (header_.first_sequence >= size) return 0;
  std::vector<std::uint64_t> sequences(header_.rows);
  RETURN_IF_ERROR(read_column(Column::sequence, reinterpret_cast<std::byte*>(sequences.data())));
  return static_cast<std::uint64_t>(std::lower_bound(sequences.begin(), sequences.end(), size) - sequences.begin());
}

}  // namespace bukubesar
