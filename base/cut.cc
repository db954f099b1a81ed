#include "base/cut.h"

#include <charconv>

#include "base/status.h"

namespace bukubesar {

std::uint64_t Cut::size(PartitionId partition) const {
  const auto found = sizes_.find(partition);
  return found == sizes_.end() ? 0 : found->second;
}

bool Cut::covers(const Cut& other) const {
  for (const auto& [partition, size] : other.sizes_)
    if (this->size(partition) < size) return false;
  return true;
}

std::string Cut::text() const {
  std::string text;
  for (const auto& [partition, size] : sizes_) {
    if (!text.empty()) text.push_back(',');
    text += fmt::format("{}={}", partition.name(), size);
  }
  return text;
}

absl::StatusOr<Cut> Cut::parse(std::string_view text) {
  Cut cut;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find(','));
    if (part.size() == rest.size() - 1) return invalid_argument("cut '{}': ends with a comma", text);
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return invalid_argument("cut '{}': '{}' is not partition=size", text, part);
    const auto partition = PartitionId::parse(part.substr(0, equals));
    if (!partition) return invalid_argument("cut '{}': '{}' names no partition", text, part.substr(0, equals));
    const std::string_view digits = part.substr(equals + 1);
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
      return invalid_argument("cut '{}': '{}' is no size", text, digits);
    if (!cut.sizes_.emplace(*partition, size).second)
      return invalid_argument("cut '{}': partition {} stands twice", text, partition->name());
  }
  if (cut.sizes_.empty()) return invalid_argument("cut '': names no partition; write for example 0=812,reference=97");
  return cut;
}

}  // namespace bukubesar
