#include "consumers/offset_tracker.h"

namespace bukubesar {

OffsetTracker::OffsetTracker(Offset next_offset, std::optional<Anchor> anchor, bool transactional)
    : next_(next_offset), anchor_(anchor), transactional_(transactional) {}

Offset OffsetTracker::restart() {
  suspected_.merge(newly_);
  newly_.clear();
  collecting_ = false;
  awaiting_anchor_ = anchor_.has_value();
  return anchor_ ? anchor_->offset : next_;
}

OffsetTracker::Action OffsetTracker::on_record(Offset offset) {
  if (awaiting_anchor_) {
    if (offset < anchor_->offset) return Action::skip;
    return offset == anchor_->offset ? Action::check_anchor : Action::anchor_missing;
  }
  if (collecting_) {
    if (offset > scanned_) suspect(scanned_, offset);
    if (offset >= scanned_) scanned_ = offset + 1;
    return Action::skip;
  }
  if (offset < next_) return Action::skip;
  if (offset > next_) return on_jump(offset);
  next_ = offset + 1;
  return Action::take;
}

OffsetTracker::Action OffsetTracker::on_jump(Offset offset) {
  const auto jump = std::make_pair(next_, offset);
  if (!transactional_ && !suspected_.contains(jump)) {
    suspect(next_, offset);
    collecting_ = true;
    scanned_ = offset + 1;
    return Action::skip;
  }
  if (!transactional_) ++gaps_refetched_;
  suspected_.erase(suspected_.begin(), suspected_.upper_bound(jump));
  gap_ = jump;
  next_ = offset + 1;
  return Action::take_after_gap;
}

void OffsetTracker::suspect(Offset first, Offset limit) {
  // Bounded: what does not fit is found again by a later pass.
  if (newly_.size() + suspected_.size() < kSuspectedMax || newly_.empty()) newly_.emplace(first, limit);
}

}  // namespace bukubesar
