#include "server/replay_walk.h"

#include "base/status.h"
#include "base/time.h"

namespace bukubesar {

namespace {

std::int64_t time_of(const Json& entry) {
  const Json& time = entry["ledger_time"];
  return time.is_string() ? parse_instant_ms(time.get<std::string>()).value_or(0) : 0;
}

}  // namespace

ReplayWalk::ReplayWalk(HttpClient& client, ReplayBounds bounds, std::vector<std::string> partitions, std::size_t page)
    : client_(client), bounds_(std::move(bounds)), partitions_(std::move(partitions)), page_(page) {
  restart(false);
}

ReplayWalk::Direction ReplayWalk::direction(bool backward, const ReplayBounds& bounds) const {
  Direction to;
  to.backward = backward;
  to.bounds = bounds;
  for (const std::string& partition : partitions_) to.streams.push_back({partition, {}, "", false});
  return to;
}

void ReplayWalk::restart(bool backward) {
  forward_ = direction(false, bounds_);
  back_ = direction(true, bounds_);
  for (Stream& stream : (backward ? forward_ : back_).streams) stream.done = true;  // what lies beyond that end is nothing
  seen_.clear();
  at_ = 0;
}

void ReplayWalk::restart_at(const std::string& cut) {
  ReplayBounds after = bounds_, before = bounds_;
  after.from = cut;
  before.to = cut;
  forward_ = direction(false, after);
  back_ = direction(true, before);
  seen_.clear();
  at_ = 0;
}

absl::Status ReplayWalk::fill(const Direction& of, Stream& stream) {
  while (stream.loaded.empty() && !stream.done) {
    Parameters parameters = of.bounds.where;
    parameters.emplace_back("from", of.bounds.from);
    parameters.emplace_back("to", of.bounds.to);
    parameters.emplace_back("order", of.backward ? "newest" : "oldest");
    parameters.emplace_back("limit", std::to_string(page_));
    parameters.emplace_back("cursor", stream.cursor);
    const std::string target = target_of("/v1/history/" + stream.partition, parameters);
    ASSIGN_OR_RETURN(Json page, ask_json(client_, target));
    if (!page["entries"].is_array()) return unavailable("{}: the answer has no entries", target);
    for (Json& entry : page["entries"]) {
      entry["partition"] = stream.partition;
      stream.loaded.push_back(std::move(entry));
    }
    stream.done = !page["next_cursor"].is_string();
    if (!stream.done) stream.cursor = page["next_cursor"].get<std::string>();
  }
  return absl::OkStatus();
}

// Streams stand in the order of their partitions: going forward the first of equals is taken, going back the last.
absl::StatusOr<std::optional<Json>> ReplayWalk::pull(Direction& of) {
  Stream* best = nullptr;
  for (Stream& stream : of.streams) {
    RETURN_IF_ERROR(fill(of, stream));
    if (stream.loaded.empty()) continue;
    if (best == nullptr) {
      best = &stream;
      continue;
    }
    const std::int64_t time = time_of(stream.loaded.front()), best_time = time_of(best->loaded.front());
    if (of.backward ? time >= best_time : time < best_time) best = &stream;
  }
  if (best == nullptr) return std::optional<Json>();
  Json entry = std::move(best->loaded.front());
  best->loaded.pop_front();
  return std::optional<Json>(std::move(entry));
}

absl::StatusOr<std::optional<Json>> ReplayWalk::next() {
  if (at_ == seen_.size()) {
    ASSIGN_OR_RETURN(std::optional<Json> entry, pull(forward_));
    if (!entry) return entry;
    seen_.push_back(*std::move(entry));
  }
  return std::optional<Json>(seen_[at_++]);
}

absl::StatusOr<std::optional<Json>> ReplayWalk::previous() {
  if (at_ == 0) {
    ASSIGN_OR_RETURN(std::optional<Json> entry, pull(back_));
    if (!entry) return entry;
    seen_.push_front(*std::move(entry));
    at_ = 1;
  }
  return std::optional<Json>(seen_[--at_]);
}

}  // namespace bukubesar
