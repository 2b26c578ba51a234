/* Tries the system calls that no session needs, each with arguments with which it succeeds, or
 * fails for a reason of its own, outside a session. Prints one JSON line each:
 * {"call":…,"errno":…}.
 *
 *   kernel_surface [CALL]      all of them, or one
 *   kernel_surface --i386      getpid by int 0x80: the 32-bit table
 *   kernel_surface --x32       getpid by an x32 number */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static long IoUring(void) {
  static char params[256];
  long fd = syscall(SYS_io_uring_setup, 1, params);
  if (fd >= 0) close((int)fd);
  return fd;
}

static long PtraceTraceme(void) { return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }

static long VmRead(void) {
  char from = 'x';
  char to = 0;
  struct iovec local = {&to, 1};
  struct iovec remote = {&from, 1};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static long VmWrite(void) {
  char from = 'x';
  char to = 0;
  struct iovec local = {&from, 1};
  struct iovec remote = {&to, 1};
  return process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
}

static long PidfdGetfd(void) {
  int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  if (pidfd < 0) return -1;
  return syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}

static long Userfaultfd(void) { return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY); }

static long PerfEvent(void) {
  struct perf_event_attr attributes;
  memset(&attributes, 0, sizeof(attributes));
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.exclude_kernel = 1;
  return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

static long Bpf(void) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof(attributes));
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = 4;
  attributes.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof(attributes));
}

static long KeyctlJoin(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 1); }
static long AddKey(void) { return syscall(SYS_add_key, "user", "sessionctl-test", "x", 1L, -1L); }
static long OpenTree(void) { return syscall(SYS_open_tree, AT_FDCWD, "/", O_CLOEXEC); }
static long Fsopen(void) { return syscall(SYS_fsopen, "tmpfs", 0); }
static long UnshareUser(void) { return unshare(CLONE_NEWUSER); }
static long UnshareMount(void) { return unshare(CLONE_NEWNS); }
static long Chroot(void) { return chroot("/"); }
static long Personality(void) { return syscall(SYS_personality, 0x0040000 /* no randomization */); }
static long Fanotify(void) { return syscall(SYS_fanotify_init, 0, 0); }
static long OpenByHandle(void) { return syscall(SYS_open_by_handle_at, -1, "", O_RDONLY); }
static long Mount(void) { return mount("none", "/nowhere-at-all", "tmpfs", 0, ""); }
static long Setns(void) { return syscall(SYS_setns, -1, 0); }
static long CloneNewUser(void) {
  long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  return pid;
}
static long TerminalInput(void) { return ioctl(0, 0x5412 /* TIOCSTI */, "x"); }
static long NotDumpable(void) { return prctl(PR_SET_DUMPABLE, 0); }

static const struct {
  const char* name;
  long (*call)(void);
} kCalls[] = {
    {"io_uring_setup", IoUring},
    {"process_vm_readv", VmRead},
    {"process_vm_writev", VmWrite},
    {"pidfd_getfd", PidfdGetfd},
    {"userfaultfd", Userfaultfd},
    {"perf_event_open", PerfEvent},
    {"open_by_handle_at", OpenByHandle},
    {"bpf", Bpf},
    {"keyctl", KeyctlJoin},
    {"add_key", AddKey},
    {"open_tree", OpenTree},
    {"fsopen", Fsopen},
    {"mount", Mount},
    {"setns", Setns},
    {"chroot", Chroot},
    {"personality", Personality},
    {"fanotify_init", Fanotify},
    {"clone_newuser", CloneNewUser},
    {"ioctl_tiocsti", TerminalInput},
    {"prctl_not_dumpable", NotDumpable},
    {"ptrace_traceme", PtraceTraceme},
    {"unshare_mount", UnshareMount},
    {"unshare_user", UnshareUser},
};

static void Report(const char* name, long result) {
  int error = result < 0 ? errno : 0;
  const char* text = error == 0 ? "OK" : strerrorname_np(error);
  printf("{\"call\":\"%s\",\"errno\":\"%s\"}\n", name, text ? text : "unknown");
  fflush(stdout);
}

/* Each in a child: some of them change the process. */
static void Try(const char* name, long (*call)(void)) {
  pid_t child = fork();
  if (child == 0) {
    Report(name, call());
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "--i386") == 0) {
#if defined(__x86_64__)
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    printf("%ld\n", result);
    return 0;
#else
    return 77;
#endif
  }
  if (argc > 1 && strcmp(argv[1], "--x32") == 0) {
#if defined(__x86_64__)
    printf("%ld\n", syscall(0x40000000L + SYS_getpid));
    return 0;
#else
    return 77;
#endif
  }
  for (size_t i = 0; i < sizeof(kCalls) / sizeof(kCalls[0]); ++i) {
    if (argc < 2 || strcmp(argv[1], kCalls[i].name) == 0) Try(kCalls[i].name, kCalls[i].call);
  }
  return 0;
}
