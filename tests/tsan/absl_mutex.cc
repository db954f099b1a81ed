// What ThreadSanitizer has to be told about absl::Mutex. Debian's Abseil is built without it, so that a lock taken there would go unseen
// and everything behind a mutex would look like a race. These definitions stand before the library's, tell, and call the library's.
//
// Part of builds of the preset tsan alone (CMakeLists.txt).
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/check.h"

namespace absl {
ABSL_NAMESPACE_BEGIN

namespace {

template <class Function>
Function* next(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  BB_CHECK(found != nullptr, "libabsl_synchronization has the function: look up its name with nm -D");
  return reinterpret_cast<Function*>(found);
}

using Plain = void(Mutex*);
constexpr unsigned kWriter = 0;

void take(Mutex* mutex, unsigned flags, Plain* real) {
  __tsan_mutex_pre_lock(mutex, flags);
  real(mutex);
  __tsan_mutex_post_lock(mutex, flags, 0);
}
void give(Mutex* mutex, unsigned flags, Plain* real) {
  __tsan_mutex_pre_unlock(mutex, flags);
  real(mutex);
  __tsan_mutex_post_unlock(mutex, flags);
}

}  // namespace

void Mutex::Lock() {
  static Plain* const real = next<Plain>("_ZN4absl7debian35Mutex4LockEv");
  take(this, kWriter, real);
}
void Mutex::Unlock() {
  static Plain* const real = next<Plain>("_ZN4absl7debian35Mutex6UnlockEv");
  give(this, kWriter, real);
}
void Mutex::ReaderLock() {
  static Plain* const real = next<Plain>("_ZN4absl7debian35Mutex10ReaderLockEv");
  take(this, __tsan_mutex_read_lock, real);
}
void Mutex::ReaderUnlock() {
  static Plain* const real = next<Plain>("_ZN4absl7debian35Mutex12ReaderUnlockEv");
  give(this, __tsan_mutex_read_lock, real);
}

// Both are only called by who holds the mutex as a writer.
void Mutex::Await(const Condition& condition) {
  using Function = void(Mutex*, const Condition&);
  static Function* const real = next<Function>("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  __tsan_mutex_pre_unlock(this, kWriter);
  real(this, condition);
  __tsan_mutex_post_unlock(this, kWriter);
  __tsan_mutex_pre_lock(this, kWriter);
  __tsan_mutex_post_lock(this, kWriter, 0);
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  using Function = bool(Mutex*, const Condition&, Duration);
  static Function* const real = next<Function>("_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_mutex_pre_unlock(this, kWriter);
  const bool holds = real(this, condition, timeout);
  __tsan_mutex_post_unlock(this, kWriter);
  __tsan_mutex_pre_lock(this, kWriter);
  __tsan_mutex_post_lock(this, kWriter, 0);
  return holds;
}

ABSL_NAMESPACE_END
}  // namespace absl
