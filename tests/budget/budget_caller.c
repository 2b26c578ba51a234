// Makes a call again and again, in the current directory, each answered by whoever holds the
// listener of the filter that it installs. The listener goes over the socket that is descriptor 3;
// a byte follows when the mediator has warmed up, and the ROUNDS that count begin when one comes
// back.
//
//   budget_caller CALL ROUNDS
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int Opens(int flags) {
  const int fd = openat(AT_FDCWD, "file", flags, 0644);
  return fd >= 0 && close(fd) == 0;
}
static int OpenRead(void) { return Opens(O_RDONLY); }
static int OpenWrite(void) { return Opens(O_WRONLY); }
static int CreateUnlink(void) {
  const int fd = openat(AT_FDCWD, "new", O_WRONLY | O_CREAT | O_EXCL, 0644);
  return fd >= 0 && close(fd) == 0 && unlinkat(AT_FDCWD, "new", 0) == 0;
}
static int Rename(void) {
  return renameat(AT_FDCWD, "file", AT_FDCWD, "moved") == 0 &&
         renameat(AT_FDCWD, "moved", AT_FDCWD, "file") == 0;
}
static int Chmod(void) { return fchmodat(AT_FDCWD, "file", 0640, 0) == 0; }

static const struct {
  const char* name;
  int (*make)(void);
} kCalls[] = {{"open_read", OpenRead},
              {"open_write", OpenWrite},
              {"create_unlink", CreateUnlink},
              {"rename", Rename},
              {"chmod", Chmod}};

enum { kWarmUp = 50 };

#define NOTIFY(name)                                     \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

static int InstallFilter(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      NOTIFY(openat),
      NOTIFY(unlinkat),

      NOTIFY(renameat),
      NOTIFY(fchmodat),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                      &program);
}

static int SendListener(int listener) {
  char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec data = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &listener, sizeof(int));
  return sendmsg(3, &message, 0) == 1 && close(listener) == 0;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  for (size_t i = 0; i < sizeof(kCalls) / sizeof(kCalls[0]); ++i) {
    if (strcmp(kCalls[i].name, argv[1]) != 0) continue;
    const int listener = InstallFilter();
    if (listener < 0 || !SendListener(listener)) return 3;
    for (long round = kWarmUp; round > 0; --round) {
      if (!kCalls[i].make()) return 1;
    }
    char byte = 0;
    if (write(3, &byte, 1) != 1 || read(3, &byte, 1) != 1) return 3;
    for (long round = atol(argv[2]); round > 0; --round) {
      if (!kCalls[i].make()) return 1;
    }
    return 0;
  }
  return 2;
}
