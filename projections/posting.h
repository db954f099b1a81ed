// Posting: what one account's side of a transfer adds to the measures of totals, as factors of its amount and its packages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/money.h"
#include "projections/transfer.h"

namespace bukubesar {

struct PostingWeights {
  std::int8_t committed = 0, strict = 0, broad = 0, stage_unknown = 0, paid = 0;
  bool any = false;
};

// Amounts in sen; packages as they move, which may be below zero in between.
struct PostingSums {
  MoneySum committed = 0, strict = 0, broad = 0, stage_unknown = 0, paid = 0;
  std::int64_t packages = 0;
  void add(MoneySum amount, const PostingWeights& w) {
    committed += amount * w.committed;
    strict += amount * w.strict;
    broad += amount * w.broad;
    stage_unknown += amount * w.stage_unknown;
    paid += amount * w.paid;
  }
  PostingSums& operator+=(const PostingSums& other) {
    committed += other.committed;
    strict += other.strict;
    broad += other.broad;
    stage_unknown += other.stage_unknown;
    paid += other.paid;
    packages += other.packages;
    return *this;
  }
  friend bool operator==(const PostingSums&, const PostingSums&) = default;
};

class PostingTable {
 public:
  // with_paid: false where a question groups or filters by what payments do not have.
  explicit PostingTable(bool with_paid);
  // What is posted to an account; taken from it, the same with the other sign.
  [[nodiscard]] const PostingWeights& of(std::uint8_t account) const { return accounts_[account]; }
  // Both sides of a transfer at once.
  [[nodiscard]] const PostingWeights& of(std::uint8_t from, std::uint8_t to) const {
    return pairs_[static_cast<std::size_t>(from) << 4 | to];
  }

 private:
  std::array<PostingWeights, 256> pairs_{};
  std::array<PostingWeights, 16> accounts_{};
};

}  // namespace bukubesar
