// AnswerCache: the finished text of answers about now, until what has been read moves on.
//
// An answer is a function of its question and a cut (I5, I7), so the same question at the same cut has the same text, but for names that
// were erased since. It is kept under the query as sent; whoever puts one in says at which cut it was computed, whoever asks says where
// things stand.
//
// Limits   kAnswersKept questions, the least recently asked goes; no text longer than kKeptAnswerBytesMax.
// Threads  any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/cut.h"

namespace bukubesar {

inline constexpr std::size_t kAnswersKept = 32;
inline constexpr std::size_t kKeptAnswerBytesMax = 256 * 1024;

class AnswerCache {
 public:
  struct Answer {
    Cut cut;
    bool synthetic = false;
    std::string body;
    std::uint64_t erasures = 0;  // how many there had been before it was computed: each may have taken a name out of it
  };
  // Nothing where the question was not asked, or was answered at another cut.
  [[nodiscard]] std::shared_ptr<const Answer> find(std::string_view question, const Cut& now) ABSL_LOCKS_EXCLUDED(mutex_);
  void keep(std::string question, Answer answer) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Kept {
    std::string question;
    std::shared_ptr<const Answer> answer;
  };
  absl::Mutex mutex_;
  std::list<Kept> kept_ ABSL_GUARDED_BY(mutex_);  // the most recently asked first
};

}  // namespace bukubesar
