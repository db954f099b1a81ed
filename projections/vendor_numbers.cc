#include "projections/vendor_numbers.h"

#include "projections/scan_dimensions.h"

namespace bukubesar {

void VendorNumbers::extend(std::size_t partition_index, const Dictionary& vendors, std::uint32_t code,
                           std::vector<std::uint32_t>& numbers) {
  absl::MutexLock lock(&mutex_);
  std::vector<std::uint32_t>& known = by_code_[partition_index];
  while (known.size() <= code) {
    const std::string_view text = vendors.text(static_cast<std::uint32_t>(known.size()));
    const auto next = static_cast<std::uint32_t>(by_text_.size() + 1);
    const bool is_none = known.empty() || is_unknown_value(text);
    known.push_back(is_none ? 0 : by_text_.try_emplace(absl::string_view(text.data(), text.size()), next).first->second);
  }
  numbers.insert(numbers.end(), known.begin() + static_cast<std::ptrdiff_t>(numbers.size()), known.end());
}

}  // namespace bukubesar
