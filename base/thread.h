// What a thread calls itself, and how one that nobody waits for stands behind those that somebody does.
#pragma once

#include <chrono>

namespace bukubesar {

// Nice values (setpriority(2)), never the idle class: an idle thread that holds a lock may not run again for long on a busy machine, and
// everybody waits for it.
inline constexpr int kBehindIntake = 5;   // somebody waits, but what comes in goes first: a quarter of a busy core is left to it
inline constexpr int kBehindOthers = 10;  // people may come to wait for its result: about a tenth of a busy core is left to it
inline constexpr int kLast = 19;          // nobody does: what it writes down is looked at some time later

// The calling thread's, for `top -H`, perf, core dumps. At most 15 bytes, which is what Linux keeps; RUNBOOK lists them.
void name_own_thread(const char* name);
// Of the calling thread, processor and, from kBehindOthers on, disk. A system that refuses is logged with `name`.
void lower_own_priority(int nice, const char* name);
// Whether the calling thread stands behind others, or last: it then takes no other threads to help it, so that one core at most is
// behind others' backs.
[[nodiscard]] bool own_priority_is_lowered();
// Of the calling thread, since it began.
[[nodiscard]] std::chrono::milliseconds own_processor_time();

}  // namespace bukubesar
