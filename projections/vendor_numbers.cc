#include "projections/vendor_numbers.h"

#include <algorithm>

#include "projections/scan_dimensions.h"

namespace bukubesar {

namespace {

constexpr std::size_t kCodesAtOnce = 4'096;  // a scan that looks for more lets others in between

void append_known(const std::vector<std::uint32_t>& known, std::vector<std::uint32_t>& numbers) {
  if (numbers.size() < known.size())
    numbers.insert(numbers.end(), known.begin() + static_cast<std::ptrdiff_t>(numbers.size()), known.end());
}

}  // namespace

void VendorNumbers::extend(std::size_t partition_index, const Dictionary& vendors, std::uint32_t code,
                           std::vector<std::uint32_t>& numbers) {
  {
    absl::ReaderMutexLock lock(&mutex_);
    append_known(by_code_[partition_index], numbers);
  }
  while (numbers.size() <= code) {
    absl::MutexLock lock(&mutex_);
    std::vector<std::uint32_t>& known = by_code_[partition_index];
    const std::size_t limit = std::min<std::size_t>(std::size_t{code} + 1, known.size() + kCodesAtOnce);
    while (known.size() < limit) {
      const std::string_view text = vendors.text(static_cast<std::uint32_t>(known.size()));
      const auto next = static_cast<std::uint32_t>(by_text_.size() + 1);
      const bool is_none = known.empty() || is_unknown_value(text);
      known.push_back(is_none ? 0 : by_text_.try_emplace(absl::string_view(text.data(), text.size()), next).first->second);
    }
    append_known(known, numbers);
  }
}

std::size_t VendorNumbers::memory_bytes() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::size_t bytes = by_text_.capacity() * (sizeof(*by_text_.begin()) + 1);
  for (const std::vector<std::uint32_t>& codes : by_code_) bytes += codes.capacity() * sizeof(codes[0]);
  return bytes;
}

}  // namespace bukubesar
