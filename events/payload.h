// Payload: a record's key, headers and value as one byte string: what is hashed into an entry and kept as evidence.
//
//   payload  = nullable(key) u32(count) count × (u32(length) name nullable(value)) nullable(value)
//   nullable = u32 length, or 0xFFFFFFFF for null, then the bytes
//
// Integers are big-endian. docs/EVENTS.md has a worked example.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bukubesar {

inline constexpr std::size_t kPayloadBytesMax = 4U << 20;

struct Header {
  std::string_view name;
  std::optional<std::string_view> value;
};

struct PayloadView {
  std::optional<std::string_view> key;
  std::vector<Header> headers;
  std::optional<std::string_view> value;
};

[[nodiscard]] std::size_t payload_size(std::optional<std::string_view> key, std::span<const Header> headers,
                                       std::optional<std::string_view> value);
// Writes exactly payload_size() bytes.
void encode_payload(std::optional<std::string_view> key, std::span<const Header> headers, std::optional<std::string_view> value, char* to);
[[nodiscard]] std::string encode_payload(std::optional<std::string_view> key, std::span<const Header> headers,
                                         std::optional<std::string_view> value);
// False where the bytes are not one payload exactly. Views point into `bytes`. `to` is reused: its capacity is kept.
[[nodiscard]] bool parse_payload(std::string_view bytes, PayloadView& to);

}  // namespace bukubesar
