#include "base/thread.h"

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>

namespace bukubesar {

namespace {
// ioprio_set(2); glibc has no names for these.
constexpr int kWhoProcess = 1;
constexpr int kClassShift = 13;
constexpr int kBestEffortLowest = 2 << kClassShift | 7, kIdleClass = 3 << kClassShift;

thread_local bool lowered = false;
}  // namespace

void name_own_thread(const char* name) {
  if (::pthread_setname_np(::pthread_self(), name) != 0) spdlog::warn("a thread keeps its name, {} is too long", name);
}

bool own_priority_is_lowered() { return lowered; }

std::chrono::milliseconds own_processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

void lower_own_priority(int nice, const char* name) {
  lowered = nice >= kBehindOthers;
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  if (::setpriority(PRIO_PROCESS, thread, nice) != 0) spdlog::warn("{} keeps its processor priority", name);
  if (!lowered) return;
  const int disk = nice == kLast ? kIdleClass : kBestEffortLowest;
  if (::syscall(SYS_ioprio_set, kWhoProcess, thread, disk) != 0) spdlog::warn("{} keeps its disk priority", name);
}

}  // namespace bukubesar
