#include "events/payload.h"

#include <cstring>

#include "base/bytes.h"
#include "base/check.h"

namespace bukubesar {

namespace {

constexpr std::uint32_t kNull = 0xFFFFFFFF;

std::size_t nullable_size(std::optional<std::string_view> bytes) { return 4 + (bytes ? bytes->size() : 0); }

char* put(char* to, std::string_view bytes) {
  BB_CHECK(bytes.size() < kNull, "a part of a payload has a 32-bit length");
  store_be(to, static_cast<std::uint32_t>(bytes.size()));
  if (!bytes.empty()) std::memcpy(to + 4, bytes.data(), bytes.size());
  return to + 4 + bytes.size();
}

char* put_nullable(char* to, std::optional<std::string_view> bytes) {
  if (bytes) return put(to, *bytes);
  store_be(to, kNull);
  return to + 4;
}

std::optional<std::string_view> take_nullable(ByteReader& reader) {
  const auto size = reader.be<std::uint32_t>();
  if (size == kNull) return std::nullopt;
  return reader.take(size);
}

}  // namespace

std::size_t payload_size(std::optional<std::string_view> key, std::span<const Header> headers, std::optional<std::string_view> value) {
  std::size_t size = nullable_size(key) + 4 + nullable_size(value);
  for (const Header& header : headers) size += 4 + header.name.size() + nullable_size(header.value);
  return size;
}

void encode_payload(std::optional<std::string_view> key, std::span<const Header> headers, std::optional<std::string_view> value, char* to) {
  to = put_nullable(to, key);
  store_be(to, static_cast<std::uint32_t>(headers.size()));
  to += 4;
  for (const Header& header : headers) to = put_nullable(put(to, header.name), header.value);
  put_nullable(to, value);
}

std::string encode_payload(std::optional<std::string_view> key, std::span<const Header> headers, std::optional<std::string_view> value) {
  std::string payload(payload_size(key, headers, value), '\0');
  encode_payload(key, headers, value, payload.data());
  return payload;
}

bool parse_payload(std::string_view bytes, PayloadView& to) {
  ByteReader reader(bytes);
  to.headers.clear();
  to.key = take_nullable(reader);
  const auto count = reader.be<std::uint32_t>();
  // A header takes eight bytes at least, so a forged count ends here and not in a long loop.
  if (!reader.ok() || count > reader.rest().size() / 8) return false;
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    const std::string_view name = reader.take(reader.be<std::uint32_t>());
    to.headers.push_back({name, take_nullable(reader)});
  }
  to.value = take_nullable(reader);
  return reader.at_end();
}

}  // namespace bukubesar
