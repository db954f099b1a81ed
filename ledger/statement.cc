#include "ledger/statement.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "events/payload.h"

namespace bukubesar {

namespace {

template <class T>
std::optional<T> number(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned()) {
    const auto value = found->get<std::uint64_t>();
    return value <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()) ? std::optional(static_cast<T>(value)) : std::nullopt;
  }
  return std::nullopt;  // negative
}

std::optional<std::string> text(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? std::optional(found->get<std::string>()) : std::nullopt;
}

}  // namespace

std::optional<StatedSource> parse_statement_payload(std::string_view payload) {
  PayloadView view;
  if (!parse_payload(payload, view) || view.key || !view.headers.empty() || !view.value) return std::nullopt;
  const auto document = nlohmann::json::parse(*view.value, nullptr, /*allow_exceptions=*/false);
  // For nlohmann/json a NUL is the end; a line of the definition holds none.
  if (!document.is_object() || document.size() != 1 || view.value->find('\0') != std::string_view::npos) return std::nullopt;
  const auto source = document.find("source");
  if (source == document.end() || !source->is_object()) return std::nullopt;
  const auto partition_name = text(*source, "partition");
  const auto partition = partition_name ? PartitionId::parse(*partition_name) : std::nullopt;
  const auto epoch = number<std::uint32_t>(*source, "epoch");
  const auto first_offset = number<std::int64_t>(*source, "first_offset");
  const auto size = number<std::uint64_t>(*source, "size");
  const auto root_text = text(*source, "root");
  const auto root = root_text ? unbase64(*root_text) : std::nullopt;
  if (!partition || !epoch || !first_offset || !size || !root || root->size() != sizeof(Hash256)) return std::nullopt;
  StatedSource stated{*partition, Epoch(*epoch), Offset(*first_offset), *size, {}, *view.value};
  std::memcpy(stated.root.data(), root->data(), root->size());
  return stated;
}

}  // namespace bukubesar
