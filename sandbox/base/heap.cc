#include "sandbox/base/heap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr uintptr_t kPage = 4096;
constexpr int kStartBrk = 47;  // proc_pid_stat(5)

}  // namespace

HeapStart FindHeap() {
  SysResult<std::string> text = ReadSmallFile(AT_FDCWD, "/proc/self/stat", 4096);
  const size_t name_end = text.ok() ? text->rfind(')') : std::string::npos;
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text->substr(name_end + 1));
  std::string field;
  for (int number = 3; number <= kStartBrk; ++number) fields >> field;
  return {.address = static_cast<uintptr_t>(strtoull(field.c_str(), nullptr, 10))};
}

void ForgetHeap(HeapStart start) {
  const uintptr_t begin = (start.address + kPage - 1) / kPage * kPage;
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0));
  if (start.address == 0 || begin >= end) return;
  // An error leaves what there was.
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace sessionctl
