#include "base/ids.h"

#include <charconv>

namespace bukubesar {

std::string PartitionId::name() const { return is_reference() ? "reference" : std::to_string(number_); }

std::optional<PartitionId> PartitionId::parse(std::string_view name) {
  if (name == "reference") return reference();
  if (name.empty() || (name.size() > 1 && name.front() == '0')) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || PartitionId(number).is_reference()) return std::nullopt;
  return PartitionId(number);
}

}  // namespace bukubesar
