#include "projections/posting.h"

namespace bukubesar {

namespace {

bool is_broad(Stage stage) {
  switch (stage) {
    case Stage::contracted:
    case Stage::shipping:
    case Stage::delivered:
    case Stage::addendum:
    case Stage::completed:
      return true;
    default:
      return false;
  }
}

PostingWeights weights_of(Account account, bool with_paid) {
  PostingWeights w;
  if (is_stage(account)) {
    const Stage stage = stage_of(account);
    w.committed = stage != Stage::cancelled && stage != Stage::withdrawn ? 1 : 0;
    w.strict = stage == Stage::completed ? 1 : 0;
    w.broad = is_broad(stage) ? 1 : 0;
    w.stage_unknown = stage == Stage::unknown ? 1 : 0;
  }
  w.paid = account == Account::paid && with_paid ? 1 : 0;
  w.any = w.committed != 0 || w.paid != 0;
  return w;
}

}  // namespace

PostingTable::PostingTable(bool with_paid) {
  for (std::size_t a = 0; a < kAccountCount; ++a) accounts_[a] = weights_of(static_cast<Account>(a), with_paid);
  for (std::size_t from = 0; from < kAccountCount; ++from) {
    for (std::size_t to = 0; to < kAccountCount; ++to) {
      PostingWeights& w = pairs_[from << 4 | to];
      const PostingWeights& f = accounts_[from];
      const PostingWeights& t = accounts_[to];
      w.committed = static_cast<std::int8_t>(t.committed - f.committed);
      w.strict = static_cast<std::int8_t>(t.strict - f.strict);
      w.broad = static_cast<std::int8_t>(t.broad - f.broad);
      w.stage_unknown = static_cast<std::int8_t>(t.stage_unknown - f.stage_unknown);
      w.paid = static_cast<std::int8_t>(t.paid - f.paid);
      w.any = w.committed != 0 || w.strict != 0 || w.broad != 0 || w.stage_unknown != 0 || w.paid != 0;
    }
  }
}

}  // namespace bukubesar
