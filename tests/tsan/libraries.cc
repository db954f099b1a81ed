// What ThreadSanitizer has to be told about Debian's libraries, which are built without it.
//
// absl::Mutex, absl::Notification: a lock taken in there would go unseen, and everything behind a mutex would look like a race. These
// definitions stand before the library's, tell, and call the library's.
//
// C11 threads (librdkafka's): clang 14's runtime knows those of POSIX alone, and falls over in a thread that it did not see begin. glibc
// makes one of the other, with the same types underneath; so do these.
//
// Part of builds of the preset tsan alone (CMakeLists.txt).
#include <dlfcn.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
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

// A notification waits with these, and then calls unlock.
void Mutex::LockWhen(const Condition& condition) {
  using Function = void(Mutex*, const Condition&);
  static Function* const real = next<Function>("_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE");
  __tsan_mutex_pre_lock(this, kWriter);
  real(this, condition);
  __tsan_mutex_post_lock(this, kWriter, 0);
}
bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  using Function = bool(Mutex*, const Condition&, Duration);
  static Function* const real = next<Function>("_ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_mutex_pre_lock(this, kWriter);
  const bool holds = real(this, condition, timeout);
  __tsan_mutex_post_lock(this, kWriter, 0);
  return holds;
}

// Who comes when it has happened already does not go through the mutex, but through an atomic of the library's.
void Notification::Notify() {
  using Function = void(Notification*);
  static Function* const real = next<Function>("_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(this);
  real(this);
}
void Notification::WaitForNotification() const {
  using Function = void(const Notification*);
  static Function* const real = next<Function>("_ZNK4absl7debian312Notification19WaitForNotificationEv");
  real(this);
  __tsan_acquire(const_cast<Notification*>(this));
}
bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  using Function = bool(const Notification*, Duration);
  static Function* const real = next<Function>("_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool notified = real(this, timeout);
  __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl

namespace {

struct Start {
  thrd_start_t function;
  void* argument;
};
void* begin(void* given) {
  const std::unique_ptr<Start> start(static_cast<Start*>(given));
  return reinterpret_cast<void*>(static_cast<std::intptr_t>(start->function(start->argument)));
}

int c11(int error) {
  switch (error) {
    case 0:
      return thrd_success;
    case EBUSY:
      return thrd_busy;
    case ETIMEDOUT:
      return thrd_timedout;
    case ENOMEM:
      return thrd_nomem;
    default:
      return thrd_error;
  }
}
pthread_mutex_t* posix(mtx_t* mutex) { return reinterpret_cast<pthread_mutex_t*>(mutex); }
pthread_cond_t* posix(cnd_t* condition) { return reinterpret_cast<pthread_cond_t*>(condition); }

}  // namespace

extern "C" {

int thrd_create(thrd_t* thread, thrd_start_t function, void* argument) {
  auto start = std::make_unique<Start>(Start{function, argument});
  const int error = pthread_create(thread, nullptr, begin, start.get());
  if (error == 0) (void)start.release();
  return c11(error);
}
int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  const int error = pthread_join(thread, &returned);
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<std::intptr_t>(returned));
  return c11(error);
}
int thrd_detach(thrd_t thread) { return c11(pthread_detach(thread)); }

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if ((type & mtx_recursive) != 0) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  const int error = pthread_mutex_init(posix(mutex), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return c11(error);
}
void mtx_destroy(mtx_t* mutex) { pthread_mutex_destroy(posix(mutex)); }
int mtx_lock(mtx_t* mutex) { return c11(pthread_mutex_lock(posix(mutex))); }
int mtx_trylock(mtx_t* mutex) { return c11(pthread_mutex_trylock(posix(mutex))); }
int mtx_timedlock(mtx_t* mutex, const timespec* until) { return c11(pthread_mutex_timedlock(posix(mutex), until)); }
int mtx_unlock(mtx_t* mutex) { return c11(pthread_mutex_unlock(posix(mutex))); }

int cnd_init(cnd_t* condition) { return c11(pthread_cond_init(posix(condition), nullptr)); }
void cnd_destroy(cnd_t* condition) { pthread_cond_destroy(posix(condition)); }
int cnd_signal(cnd_t* condition) { return c11(pthread_cond_signal(posix(condition))); }
int cnd_broadcast(cnd_t* condition) { return c11(pthread_cond_broadcast(posix(condition))); }
int cnd_wait(cnd_t* condition, mtx_t* mutex) { return c11(pthread_cond_wait(posix(condition), posix(mutex))); }
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return c11(pthread_cond_timedwait(posix(condition), posix(mutex), until));
}

}  // extern "C"
