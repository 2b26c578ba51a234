// What a process that was forked to do little lets go of: all that its parent had allocated (a
// quarter of a megabyte that would be copied bit by bit as the parent goes on writing), and its
// parent's words, which /proc/PID/cmdline and environ show.
#ifndef SANDBOX_BASE_OWN_MEMORY_H_
#define SANDBOX_BASE_OWN_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace sessionctl {

// Where it is. 0: not known.
struct OwnMemory {
  uintptr_t heap = 0;   // of the C library's allocator
  uintptr_t words = 0;  // arguments and environment
  uintptr_t words_end = 0;
};

// Before the fork. Allocates; reads /proc/self/stat.
OwnMemory FindOwnMemory();

// Gives the allocator's memory back. From then on the process must neither use what was allocated,
// nor allocate, nor free. Async-signal-safe.
void ForgetHeap(const OwnMemory& memory);

// Overwrites arguments and environment. Async-signal-safe.
void ForgetWords(const OwnMemory& memory);

// Takes all that the allocator has between what is in use. So what a process that is forked then
// allocates lies together, in pages of its own, and not in holes of many pages that it shares until
// it writes to them. For who forks many that live long; not thread-safe.
class FilledHoles {
 public:
  FilledHoles() = default;
  FilledHoles(const FilledHoles&) = delete;
  FilledHoles& operator=(const FilledHoles&) = delete;
  ~FilledHoles() { Release(); }

  void Fill();
  void Release();

 private:
  struct Hole {
    Hole* next;
  };
  void FillOf(size_t size, uintptr_t top);

  Hole* holes_ = nullptr;
};

}  // namespace sessionctl

#endif  // SANDBOX_BASE_OWN_MEMORY_H_
