// Names: what may be called how, wherever a name is configured. One place, so that file and definition agree.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bukubesar {

inline constexpr std::uint32_t kPartitionsMax = 1024;
inline constexpr std::string_view kPartitionerNames[] = {"murmur2", "crc32", "any"};

[[nodiscard]] bool is_partitioner(std::string_view text);
// 1–64 characters of [A-Za-z0-9._-]: systems, institutions, vendors, commodities.
[[nodiscard]] bool is_code_text(std::string_view text);
// As Kafka wants it: 1–249 characters of [A-Za-z0-9._-], not "." or "..".
[[nodiscard]] bool is_topic_name(std::string_view text);
// A CloudEvents source: 1–512 bytes without control characters.
[[nodiscard]] bool is_event_source(std::string_view text);
// A ledger's name is the first part of key names in signed notes, and of file and URL paths. Empty: it is one.
[[nodiscard]] std::string why_no_ledger_name(std::string_view text);
// An IPv4 or IPv6 address, and one that only this machine reaches.
[[nodiscard]] bool is_ip_address(const std::string& text);
[[nodiscard]] bool is_loopback_address(const std::string& text);
// "must be one of a, b, c"
[[nodiscard]] std::string one_of(std::span<const std::string_view> names);

}  // namespace bukubesar
