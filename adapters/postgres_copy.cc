#include "adapters/postgres_copy.h"

#include <fmt/format.h>

#include <array>
#include <limits>

namespace bukubesar {

namespace {

constexpr std::int64_t kPostgresEpochMs = 946'684'800'000;  // 2000-01-01
constexpr std::uint64_t kNumericBase = 10'000;

template <std::size_t Bytes>
void append_big_endian(std::uint64_t value, std::string& to) {
  std::array<char, Bytes> bytes;
  for (std::size_t i = 0; i < Bytes; ++i) bytes[i] = static_cast<char>(value >> (8 * (Bytes - 1 - i)));
  to.append(bytes.data(), Bytes);
}

template <std::size_t Bytes>
void append_integer(std::int64_t value, std::string& to) {
  append_big_endian<4>(Bytes, to);
  append_big_endian<Bytes>(static_cast<std::uint64_t>(value), to);
}

template <class Integer>
bool fits(std::int64_t value) {
  return value >= std::numeric_limits<Integer>::min() && value <= std::numeric_limits<Integer>::max();
}

}  // namespace

CopyRows::CopyRows() {
  bytes_.assign("PGCOPY\n\xFF\r\n\0", 11);
  append_big_endian<4>(0, bytes_);  // flags
  append_big_endian<4>(0, bytes_);  // no extension of the head
}

void CopyRows::end() { append_big_endian<2>(0xFFFF, bytes_); }

bool CopyRows::add(const MartTransfer& row) {
  append_big_endian<2>(kMartColumns.size(), bytes_);
  for (std::size_t column = 0; column < kMartColumns.size(); ++column) {
    if (row.values[column] == kMartNull) {
      append_big_endian<4>(0xFFFFFFFF, bytes_);
    } else if (!field(column, row)) {
      wrong_ = fmt::format("transfer {}:{}: {} does not fit column {} of fact_transfer", row.values[0], row.values[1], row.values[column],
                           column + 1);
      return false;
    }
  }
  return true;
}

bool CopyRows::field(std::size_t column, const MartTransfer& row) {
  const std::int64_t value = row.values[column];
  switch (kMartColumns[column]) {
    case MartColumn::int16:
      append_integer<2>(value, bytes_);
      return fits<std::int16_t>(value);
    case MartColumn::int32:
      append_integer<4>(value, bytes_);
      return fits<std::int32_t>(value);
    case MartColumn::int64:
      append_integer<8>(value, bytes_);
      return true;
    case MartColumn::time:
      append_integer<8>((value - kPostgresEpochMs) * 1000, bytes_);
      return true;
    case MartColumn::amount:
      amount(value);
      return true;
    case MartColumn::text:
      break;
  }
  const std::string_view text = row.texts[static_cast<std::size_t>(value)];
  append_big_endian<4>(text.size(), bytes_);
  bytes_ += text;
  return true;
}

void CopyRows::amount(std::int64_t sen) {
  const std::uint64_t size = sen < 0 ? 0 - static_cast<std::uint64_t>(sen) : static_cast<std::uint64_t>(sen);
  std::array<std::uint16_t, 8> digits;  // the last first
  std::size_t count = 0;
  digits[count++] = static_cast<std::uint16_t>(size % 100 * 100);
  for (std::uint64_t rupiah = size / 100; rupiah > 0; rupiah /= kNumericBase)
    digits[count++] = static_cast<std::uint16_t>(rupiah % kNumericBase);
  std::size_t last = 0;  // noughts at the end are not written
  while (last < count && digits[last] == 0) ++last;
  const std::int64_t weight = last == count ? 0 : static_cast<std::int64_t>(count) - 2;
  append_big_endian<4>(8 + 2 * (count - last), bytes_);
  append_big_endian<2>(count - last, bytes_);
  append_big_endian<2>(static_cast<std::uint64_t>(weight), bytes_);
  append_big_endian<2>(sen < 0 ? 0x4000 : 0, bytes_);
  append_big_endian<2>(2, bytes_);  // decimals
  for (std::size_t i = count; i > last; --i) append_big_endian<2>(digits[i - 1], bytes_);
}

}  // namespace bukubesar
