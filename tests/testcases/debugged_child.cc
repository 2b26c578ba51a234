// What a debugger does to a child of its own: attach, read and write memory and registers, follow
// its calls, take a descriptor. Prints what it saw.
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

volatile int number = 1;

bool Say(const char* what, long result) {
  printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
  return result >= 0;
}

void Memory(pid_t child) {
  int seen = 0;
  iovec local = {&seen, sizeof(seen)};
  iovec remote = {const_cast<int*>(&number), sizeof(number)};
  Say("process_vm_readv", process_vm_readv(child, &local, 1, &remote, 1, 0));
  printf("number %d\n", seen);
  seen = 5;
  Say("process_vm_writev", process_vm_writev(child, &local, 1, &remote, 1, 0));
  errno = 0;
  printf("peeked %ld\n",
         ptrace(PTRACE_PEEKDATA, child, const_cast<int*>(&number), nullptr) & 0xffffffff);
}

// Until the child has ended; counts its stops at system calls.
int FollowCalls(pid_t child) {
  int stops = 0;
  for (int status = 0;; ++stops) {
    if (ptrace(PTRACE_SYSCALL, child, 0, 0) != 0 || waitpid(child, &status, 0) < 0) return -1;
    if (WIFEXITED(status)) {
      printf("it exited with %d\n", WEXITSTATUS(status));
      return stops;
    }
  }
}

}  // namespace

int main() {
  int ends[2];
  int started[2];
  if (pipe(ends) != 0 || pipe(started) != 0) return 1;
  const pid_t child = fork();
  if (child == 0) {
    number = 4;
    if (write(started[1], "s", 1) != 1) _exit(1);
    char go;
    while (read(ends[0], &go, 1) < 0) {
    }
    _exit(number);
  }
  char byte;
  if (read(started[0], &byte, 1) != 1) return 1;
  if (!Say("attach", ptrace(PTRACE_ATTACH, child, 0, 0))) {
    kill(child, SIGKILL);
    return 0;
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("stopped %d\n", WIFSTOPPED(status));
  Memory(child);
  const long pidfd = syscall(SYS_pidfd_open, child, 0);
  Say("pidfd_getfd", syscall(SYS_pidfd_getfd, pidfd, ends[0], 0));
  if (write(ends[1], "g", 1) != 1) return 1;
  printf("it made calls: %d\n", FollowCalls(child) > 2);
  return 0;
}
