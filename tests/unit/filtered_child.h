// A child process under a filter, for tests that observe the real kernel.
#ifndef TESTS_UNIT_FILTERED_CHILD_H_
#define TESTS_UNIT_FILTERED_CHILD_H_

#include <linux/filter.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "sandbox/seccomp_filter.h"

namespace sessionctl {

inline constexpr int kInstallFailed = 120;

// Forks, installs `program` and runs `body(listener)` there, which may only make system calls; its
// result (0..119) becomes the exit code. Returns the wait status.
template <typename Body>
int RunFiltered(const std::vector<sock_filter>& program, const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(kInstallFailed);
    SysResult<OwnedFd> listener = InstallFilterWithListener(program);
    if (!listener.ok()) _exit(kInstallFailed);
    _exit(body(listener->get()));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

// Whether this kernel can install such a filter here (5.19, and no outer filter forbids it).
inline bool CanInstallFilters() {
  absl::StatusOr<std::vector<sock_filter>> program = CompileFilter({});
  // Everything answers ENOSYS there, also exit_group: the child's libc then traps.
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!InstallFilterWithListener(*program).ok()) _exit(kInstallFailed);
    __builtin_trap();
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

}  // namespace sessionctl

#endif  // TESTS_UNIT_FILTERED_CHILD_H_
