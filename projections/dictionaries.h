// The dictionaries of one partition. Number 0 is "", unknown, in each but `purchase`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "projections/dictionary.h"

namespace bukubesar {

// Stored in segments: never renumbered.
enum class DictionaryId : std::uint8_t { purchase, feed, system, method, institution, work_unit, vendor, funding, region, commodity };
inline constexpr std::size_t kDictionaryCount = 10;
using DictionarySizes = std::array<std::uint32_t, kDictionaryCount>;

class Dictionaries {
 public:
  Dictionaries() {
    for (std::size_t i = 1; i < kDictionaryCount; ++i) all_[i].intern("");
  }
  Dictionary& operator[](DictionaryId id) { return all_[static_cast<std::size_t>(id)]; }
  const Dictionary& operator[](DictionaryId id) const { return all_[static_cast<std::size_t>(id)]; }
  // What every dictionary holds before the first event.
  static constexpr DictionarySizes initial_sizes() { return {0, 1, 1, 1, 1, 1, 1, 1, 1, 1}; }
  [[nodiscard]] DictionarySizes sizes() const {
    DictionarySizes sizes{};
    for (std::size_t i = 0; i < kDictionaryCount; ++i) sizes[i] = all_[i].size();
    return sizes;
  }
  [[nodiscard]] std::size_t memory_bytes() const {
    std::size_t bytes = 0;
    for (const Dictionary& one : all_) bytes += one.memory_bytes();
    return bytes;
  }

 private:
  std::array<Dictionary, kDictionaryCount> all_;
};

}  // namespace bukubesar
