#include "server/answer_cache.h"

#include <algorithm>
#include <utility>

namespace bukubesar {

std::shared_ptr<const AnswerCache::Answer> AnswerCache::find(std::string_view question, const Cut& now) {
  absl::MutexLock lock(&mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.question == question; });
  if (found == kept_.end() || !(found->answer->cut == now)) return nullptr;
  kept_.splice(kept_.begin(), kept_, found);
  return found->answer;
}

void AnswerCache::keep(std::string question, Answer answer) {
  if (answer.body.size() > kKeptAnswerBytesMax) return;
  auto shared = std::make_shared<const Answer>(std::move(answer));
  absl::MutexLock lock(&mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.question == question; });
  if (found != kept_.end()) {
    // Two who computed it at once may come in either order.
    if (shared->cut.covers(found->answer->cut)) found->answer = std::move(shared);
    kept_.splice(kept_.begin(), kept_, found);
    return;
  }
  kept_.push_front({std::move(question), std::move(shared)});
  if (kept_.size() > kAnswersKept) kept_.pop_back();
}

}  // namespace bukubesar
