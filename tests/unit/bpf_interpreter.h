// Runs a seccomp BPF program on made-up system calls, for tests that have to ask about millions of
// them. Knows the instructions that seccomp allows and libseccomp emits; anything else is reported
// as kBpfUnknown.
#ifndef TESTS_UNIT_BPF_INTERPRETER_H_
#define TESTS_UNIT_BPF_INTERPRETER_H_

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace sessionctl {

inline constexpr uint32_t kBpfUnknown = 0xdeadbeef;
#if defined(__x86_64__)
inline constexpr uint32_t kNativeArch = AUDIT_ARCH_X86_64;
#else
inline constexpr uint32_t kNativeArch = AUDIT_ARCH_AARCH64;
#endif

inline uint32_t RunBpf(const std::vector<sock_filter>& program, const seccomp_data& data) {
  uint32_t accumulator = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& op = program[pc];
    bool taken = false;
    switch (op.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (op.k + 4 > sizeof data) return kBpfUnknown;
        memcpy(&accumulator, reinterpret_cast<const char*>(&data) + op.k, 4);
        continue;
      case BPF_ALU | BPF_AND | BPF_K: accumulator &= op.k; continue;
      case BPF_JMP | BPF_JA: pc += op.k; continue;
      case BPF_RET | BPF_K: return op.k;
      case BPF_JMP | BPF_JEQ | BPF_K: taken = accumulator == op.k; break;
      case BPF_JMP | BPF_JGT | BPF_K: taken = accumulator > op.k; break;
      case BPF_JMP | BPF_JGE | BPF_K: taken = accumulator >= op.k; break;
      case BPF_JMP | BPF_JSET | BPF_K: taken = (accumulator & op.k) != 0; break;
      default: return kBpfUnknown;
    }
    pc += taken ? op.jt : op.jf;
  }
  return kBpfUnknown;
}

inline uint32_t RunBpf(const std::vector<sock_filter>& program, int nr,
                       const std::vector<uint64_t>& arguments = {}, uint32_t arch = kNativeArch) {
  seccomp_data data = {};
  data.nr = nr;
  data.arch = arch;
  for (size_t i = 0; i < arguments.size() && i < 6; ++i) data.args[i] = arguments[i];
  return RunBpf(program, data);
}

}  // namespace sessionctl

#endif  // TESTS_UNIT_BPF_INTERPRETER_H_
