#include "config/names.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

namespace bukubesar {

namespace {

bool of_code_characters(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

bool is_partitioner(std::string_view text) {
  return std::find(std::begin(kPartitionerNames), std::end(kPartitionerNames), text) != std::end(kPartitionerNames);
}

bool is_code_text(std::string_view text) { return !text.empty() && text.size() <= 64 && of_code_characters(text); }

bool is_topic_name(std::string_view text) {
  return !text.empty() && text.size() <= 249 && of_code_characters(text) && text != "." && text != "..";
}

bool is_event_source(std::string_view text) {
  return !text.empty() && text.size() <= 512 &&
         std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string why_no_ledger_name(std::string_view text) {
  if (text.empty()) return "must not be empty";
  if (text.size() > 100) return "must have at most 100 characters";
  if (!of_code_characters(text))
    return fmt::format("\"{}\" must consist of letters, digits, '.', '_' and '-': it becomes part of key names", text);
  if (text.front() == '.' || text.front() == '-') return fmt::format("\"{}\" must begin with a letter, a digit or '_'", text);
  return {};
}

bool is_ip_address(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  return inet_pton(AF_INET, text.c_str(), &v4) == 1 || inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

bool is_loopback_address(const std::string& text) {
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6) != 0;
}

std::string one_of(std::span<const std::string_view> names) { return fmt::format("must be one of {}", fmt::join(names, ", ")); }

}  // namespace bukubesar
