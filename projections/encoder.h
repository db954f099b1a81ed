// Encoder: an event's document in the codes of a partition's dictionaries, split into cells.
//
// Cells are by (component, origin, commodity, catalogue kind): lines give goods; shipping and tax only where the source states them
// apart; the remainder, of either sign, is unallocated. A document without lines is one goods cell.
//
// Invariants  I5: the order of interning is a function of the event alone.
#pragma once

#include <string>

#include "events/event.h"
#include "projections/dictionaries.h"
#include "projections/fold.h"

namespace bukubesar {

// A set of names as one text and back: "APBD;BLUD", with ';' and '\' inside of a name escaped by '\', so that two sets never share a text.
void append_set(std::span<const std::string_view> names, std::string& to);
[[nodiscard]] std::vector<std::string> split_set(std::string_view text);

class Encoder {
 public:
  explicit Encoder(Dictionaries& dictionaries) : dictionaries_(dictionaries) {}
  // False: sums leave 64-bit sen; `to` then has dimensions but no cells to go by.
  bool encode(const Event& event, const Document& document, FoldDocument& to);

 private:
  bool split(const Document& document, FoldDocument& to);
  void check_lines(const Document& document, FoldDocument& to) const;

  Dictionaries& dictionaries_;
  std::string funding_;
};

}  // namespace bukubesar
