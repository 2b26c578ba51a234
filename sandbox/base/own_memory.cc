#include "sandbox/base/own_memory.h"

#include <fcntl.h>
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

}  // namespace sessionctl
