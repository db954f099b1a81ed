// LineCounter: an iterator over text that counts the lines it has passed, for a parser that says no place of its own.
//
// All copies share one counter, as a parser copies its iterators. The counter is exact up to what the parser has looked at.
// Threads  one.
#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>

namespace bukubesar {

template <std::integral Count>
class LineCounter {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  LineCounter(const char* at, Count* line) : at_(at), line_(line) {}
  reference operator*() const { return *at_; }
  LineCounter& operator++() {
    if (*at_ == '\n') ++*line_;
    ++at_;
    return *this;
  }
  LineCounter operator++(int) {
    LineCounter before = *this;
    ++*this;
    return before;
  }
  friend bool operator!=(const LineCounter& a, const LineCounter& b) { return a.at_ != b.at_; }

 private:
  const char* at_;
  Count* line_;
};

}  // namespace bukubesar
