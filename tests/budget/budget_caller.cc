// Makes a call again and again, in the current directory, each answered by whoever holds the
// listener of the filter that it installs. The listener goes over the socket that is descriptor 3;
// a byte follows when the mediator has warmed up, and the ROUNDS that count begin when one comes
// back.
//
//   budget_caller CALL ROUNDS
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sandbox/base/fd_channel.h"
#include "sandbox/seccomp_filter.h"

namespace sessionctl {
namespace {

constexpr int kSocket = 3;
constexpr int kWarmUp = 50;

bool Opens(int flags) {
  const int fd = openat(AT_FDCWD, "file", flags, 0644);
  return fd >= 0 && close(fd) == 0;
}
bool OpenRead() { return Opens(O_RDONLY); }
bool OpenWrite() { return Opens(O_WRONLY); }
bool CreateUnlink() {
  const int fd = openat(AT_FDCWD, "new", O_WRONLY | O_CREAT | O_EXCL, 0644);
  return fd >= 0 && close(fd) == 0 && unlinkat(AT_FDCWD, "new", 0) == 0;
}
bool Rename() {
  return renameat(AT_FDCWD, "file", AT_FDCWD, "moved") == 0 &&
         renameat(AT_FDCWD, "moved", AT_FDCWD, "file") == 0;
}
bool Chmod() { return fchmodat(AT_FDCWD, "file", 0640, 0) == 0; }

struct Call {
  const char* name;
  bool (*make)();
};
constexpr Call kCalls[] = {{"open_read", OpenRead},
                           {"open_write", OpenWrite},
                           {"create_unlink", CreateUnlink},
                           {"rename", Rename},
                           {"chmod", Chmod}};

std::vector<sock_filter> Program() {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const unsigned nr : {SYS_openat, SYS_unlinkat, SYS_renameat, SYS_fchmodat}) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return program;
}

bool HandOverListener() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  const SysResult<OwnedFd> listener = InstallFilterWithListener(Program());
  return listener.ok() && SendDescriptor(kSocket, listener->get()).ok();
}

bool Repeat(const Call& call, long rounds) {
  for (; rounds > 0; --rounds) {
    if (!call.make()) return false;
  }
  return true;
}

int Run(const Call& call, long rounds) {
  char byte = 0;
  if (!HandOverListener() || !Repeat(call, kWarmUp)) return 3;
  if (write(kSocket, &byte, 1) != 1 || read(kSocket, &byte, 1) != 1) return 3;
  return Repeat(call, rounds) ? 0 : 1;
}

}  // namespace
}  // namespace sessionctl

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  for (const sessionctl::Call& call : sessionctl::kCalls) {
    if (strcmp(call.name, argv[1]) == 0) return sessionctl::Run(call, atol(argv[2]));
  }
  return 2;
}
