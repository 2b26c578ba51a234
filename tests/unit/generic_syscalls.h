// What aarch64 can call, for tests on a machine that cannot run it.
#ifndef TESTS_UNIT_GENERIC_SYSCALLS_H_
#define TESTS_UNIT_GENERIC_SYSCALLS_H_

#include <fstream>
#include <regex>
#include <set>
#include <string>

namespace sessionctl {

// From here on a call has the same number on every architecture.
inline constexpr int kFirstSharedNumber = 424;

// The names in the kernel's table for aarch64 and other new architectures, as this machine's
// headers list it; empty without linux-libc-dev.
inline std::set<std::string> GenericSyscallNames() {
  std::set<std::string> names;
  std::ifstream header("/usr/include/asm-generic/unistd.h");
  static const std::regex define("#define __NR(?:3264)?_(\\w+)\\s+(\\d+|__NR3264_\\w+)\\s*");
  for (std::string line; std::getline(header, line);) {
    std::smatch match;
    if (std::regex_match(line, match, define)) names.insert(match[1]);
  }
  // Not calls, and the spellings for 32 bits.
  for (const char* name :
       {"syscalls", "arch_specific_syscall", "fcntl64", "statfs64", "fstatfs64", "truncate64",
        "ftruncate64", "llseek", "sendfile64", "fstatat64", "fstat64", "mmap2", "fadvise64_64",
        "stat64", "lstat64", "fstatat", "sync_file_range2"}) {
    names.erase(name);
  }
  return names;
}

}  // namespace sessionctl

#endif  // TESTS_UNIT_GENERIC_SYSCALLS_H_
