// The memory of the C library's allocator, for a process that was forked to do little, and needs
// nothing that its parent had allocated: a quarter of a megabyte that would be copied bit by bit as
// the parent goes on writing.
#ifndef SANDBOX_BASE_HEAP_H_
#define SANDBOX_BASE_HEAP_H_

#include <cstdint>

namespace sessionctl {

struct HeapStart {
  uintptr_t address = 0;  // 0: not known
};

// Before the fork. Allocates; reads /proc/self/stat.
HeapStart FindHeap();

// Gives the memory back. From then on the process must neither use what was allocated, nor
// allocate, nor free. Async-signal-safe.
void ForgetHeap(HeapStart start);

}  // namespace sessionctl

#endif  // SANDBOX_BASE_HEAP_H_
