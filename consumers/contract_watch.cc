#include "consumers/contract_watch.h"

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include "base/status.h"
#include "base/thread.h"

namespace bukubesar {

namespace {

constexpr std::chrono::milliseconds kAnswerWithin{1500};  // a stop waits for a look under way

bool among(const std::vector<ContractFinding>& findings, const std::string& what) {
  return std::any_of(findings.begin(), findings.end(), [&](const ContractFinding& finding) { return finding.what == what; });
}

// What the start had told of already: it refuses anything worse.
std::vector<ContractFinding> warnings_of(const std::vector<ContractFinding>& findings) {
  std::vector<ContractFinding> warnings;
  std::copy_if(findings.begin(), findings.end(), std::back_inserter(warnings),
               [](const ContractFinding& finding) { return !finding.fatal; });
  return warnings;
}

}  // namespace

struct ContractWatch::Impl {
  void run() {
    name_own_thread("contract");
    for (;;) {
      {
        const absl::MutexLock lock(&mutex);
        if (mutex.AwaitWithTimeout(absl::Condition(&ending), absl::FromChrono(interval))) return;
      }
      auto found = check_topic_contract(*config, definition, kAnswerWithin);
      if (!found.ok()) {
        spdlog::debug("the topic contract could not be checked: {}", message_of(found.status()));
        continue;
      }
      const absl::MutexLock lock(&mutex);
      tell(last ? *last : warnings_of(*found), *found);
      last = *std::move(found);
    }
  }

  // Each change once.
  static void tell(const std::vector<ContractFinding>& before, const std::vector<ContractFinding>& now) {
    for (const ContractFinding& finding : now) {
      if (among(before, finding.what)) continue;
      if (finding.fatal) {
        spdlog::error("topic contract, broken while the intake runs: {}. The intake goes on; change it back, the next start would refuse",
                      finding.what);
      } else {
        spdlog::warn("topic contract, changed while the intake runs: {}", finding.what);
      }
    }
    for (const ContractFinding& finding : before) {
      if (!among(now, finding.what)) spdlog::info("topic contract, kept again: no more of this: {}", finding.what);
    }
  }

  const Config* config = nullptr;
  const Definition* definition = nullptr;
  std::chrono::milliseconds interval{0};
  mutable absl::Mutex mutex;
  std::optional<std::vector<ContractFinding>> last ABSL_GUARDED_BY(mutex);
  bool ending ABSL_GUARDED_BY(mutex) = false;
  std::jthread thread;
};

ContractWatch::ContractWatch(const Config& config, const Definition& definition, std::chrono::milliseconds interval)
    : impl_(std::make_unique<Impl>()) {
  impl_->config = &config;
  impl_->definition = &definition;
  impl_->interval = interval;
  impl_->thread = std::jthread([impl = impl_.get()] { impl->run(); });
}

ContractWatch::~ContractWatch() {
  const absl::MutexLock lock(&impl_->mutex);
  impl_->ending = true;
}

std::optional<std::vector<ContractFinding>> ContractWatch::findings() const {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->last;
}

}  // namespace bukubesar
