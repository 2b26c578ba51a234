#include "sandbox/base/own_memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr uintptr_t kPage = 4096;
constexpr size_t kLargestHole = size_t{64} << 10;
constexpr size_t kSmallHole = 1032;
// proc_pid_stat(5)
constexpr int kStartBrk = 47;
constexpr int kArgStart = 48;
constexpr int kEnvEnd = 51;

}  // namespace

OwnMemory FindOwnMemory() {
  SysResult<std::string> text = ReadSmallFile(AT_FDCWD, "/proc/self/stat", 4096);
  const size_t name_end = text.ok() ? text->rfind(')') : std::string::npos;
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text->substr(name_end + 1));
  OwnMemory memory;
  std::string field;
  for (int number = 3; number <= kEnvEnd; ++number) {
    fields >> field;
    const auto address = static_cast<uintptr_t>(strtoull(field.c_str(), nullptr, 10));
    if (number == kStartBrk) memory.heap = address;
    if (number == kArgStart) memory.words = address;
    if (number == kEnvEnd) memory.words_end = address;
  }
  return memory;
}

void ForgetHeap(const OwnMemory& memory) {
  const uintptr_t begin = (memory.heap + kPage - 1) / kPage * kPage;
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0));
  if (memory.heap == 0 || begin >= end) return;
  // An error leaves what there was.
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void ForgetWords(const OwnMemory& memory) {
  if (memory.words == 0 || memory.words_end <= memory.words) return;
  memset(reinterpret_cast<void*>(memory.words), 0, memory.words_end - memory.words);
}

// What lies at `top` or above was not in a hole.
void FilledHoles::FillOf(size_t size, uintptr_t top) {
  for (;;) {
    auto* const hole = static_cast<Hole*>(malloc(size));
    if (hole == nullptr) return;
    hole->next = holes_;
    holes_ = hole;
    if (reinterpret_cast<uintptr_t>(hole) >= top) return;
  }
}

// From large to small, so that what remains of a hole is found as well. The allocator gives by 16
// bytes.
void FilledHoles::Fill() {
  Release();
  malloc_trim(0);
  const uintptr_t top = reinterpret_cast<uintptr_t>(sbrk(0)) - mallinfo2().keepcost;
  for (size_t size = kLargestHole; size > kSmallHole; size /= 2) FillOf(size, top);
  for (size_t size = kSmallHole; size > sizeof(Hole); size -= 16) FillOf(size, top);
}

void FilledHoles::Release() {
  while (holes_ != nullptr) {
    Hole* const hole = holes_;
    holes_ = hole->next;
    free(hole);
  }
}

}  // namespace sessionctl
