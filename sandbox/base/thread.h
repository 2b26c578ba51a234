// Starting a thread. Its stack is small, so that any number of them fit into a bounded memory.
#ifndef SANDBOX_BASE_THREAD_H_
#define SANDBOX_BASE_THREAD_H_

#include <cstddef>

namespace sessionctl {

inline constexpr size_t kThreadStack = size_t{256} * 1024;

// One that nobody waits for. False when no thread can be made.
bool StartDetachedThread(void* (*main)(void*), void* argument);

// One for what a thread cannot take back (a Landlock domain); waits for its end. Likewise.
bool RunOnThread(void* (*main)(void*), void* argument);

}  // namespace sessionctl

#endif  // SANDBOX_BASE_THREAD_H_
