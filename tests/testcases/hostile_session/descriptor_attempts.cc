// By descriptors that come from outside: what the caller had open, and what an accomplice passes
// over a socket. Such a descriptor gives what it was opened for (docs/threat_model.md); what must
// not work is to go on from it. And through the terminal that the session was given.
#include <dirent.h>
#include <fcntl.h>
#include <linux/kd.h>
#include <linux/tiocl.h>
#include <linux/vt.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cstring>

#include "tests/testcases/hostile_session/tables.h"

namespace hostile {
namespace {

constexpr int kMostDescriptors = 256;

// What stands open although nobody said so (CVE-2024-21626: a directory of the host).
Answer Inherited(const Scene&, const Target&) {
  for (int fd = 3; fd < kMostDescriptors; ++fd) {
    struct stat info;
    // Ours is a pipe.
    if (fstat(fd, &info) == 0 && !S_ISFIFO(info.st_mode)) return Reached(std::to_string(fd));
  }
  return Held("none");
}
Answer InheritedDotDot(const Scene& scene, const Target&) {
  for (int fd = 3; fd < kMostDescriptors; ++fd) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd) + "/../vault/canary";
    if (open(path.c_str(), O_RDONLY) >= 0) return Reached(path);
    if (openat(fd, scene.Get("vault").c_str() + 1, O_RDONLY | O_DIRECTORY) >= 0) return Reached();
  }
  return Held("none");
}

struct Passed {
  int directory = -1;
  int file = -1;
};

Passed FromAccomplice(const Scene& scene) {
  Passed passed;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = scene.Get("outside.accomplice");
  strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (path.empty() || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return passed;
  }
  char data;
  iovec part = {&data, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (recvmsg(fd, &message, 0) <= 0) return passed;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_len != CMSG_LEN(2 * sizeof(int))) return passed;
  int fds[2];
  memcpy(fds, CMSG_DATA(header), sizeof(fds));
  passed.directory = fds[0];
  passed.file = fds[1];
  return passed;
}

// Makes a call with the directory (and the file) that an accomplice passed.
template <long (*kCall)(const Passed& passed)>
Answer ByPassed(const Scene& scene, const Target&) {
  const Passed passed = FromAccomplice(scene);
  if (passed.directory < 0) return Absent("the accomplice could not be reached");
  return Of(kCall(passed));
}
long OpenBelow(const Passed& passed) { return openat(passed.directory, "canary", O_RDONLY); }
long WriteBelow(const Passed& passed) { return openat(passed.directory, "canary", O_WRONLY); }
long MakeBelow(const Passed& passed) {
  const long fd = openat(passed.directory, "made", O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (fd >= 0) unlinkat(passed.directory, "made", 0);
  return fd;
}
long MakeDirectoryBelow(const Passed& passed) {
  const int result = mkdirat(passed.directory, "made-directory", 0700);
  if (result == 0) unlinkat(passed.directory, "made-directory", AT_REMOVEDIR);
  return result;
}
long LinkBelow(const Passed& passed) {
  const int result = symlinkat("x", passed.directory, "made-link");
  if (result == 0) unlinkat(passed.directory, "made-link", 0);
  return result;
}
long RenameBelow(const Passed& passed) {
  return renameat(passed.directory, "canary", passed.directory, "canary");
}
long ModeOfDirectory(const Passed& passed) { return fchmod(passed.directory, 0755); }
long ModeOfFile(const Passed& passed) { return fchmod(passed.file, 0644); }
long ModeBelow(const Passed& passed) { return fchmodat(passed.directory, "canary", 0644, 0); }
long EnterAndOpen(const Passed& passed) {
  return fchdir(passed.directory) != 0 ? -1 : open("canary", O_RDONLY);
}
long UpAndOpen(const Passed& passed) {
  return openat(passed.directory, "../vault/canary", O_RDONLY);
}
long ListDirectory(const Passed& passed) {
  return openat(passed.directory, ".", O_RDONLY | O_DIRECTORY);
}
long ReopenFileForWriting(const Passed& passed) {
  return open(("/proc/self/fd/" + std::to_string(passed.file)).c_str(), O_RDWR);
}
long ExecuteBelow(const Passed& passed) {
  char* argv[] = {const_cast<char*>("canary"), nullptr};
  // A file without execute bits: any other answer than EACCES means that it was looked at.
  return syscall(SYS_execveat, passed.directory, "canary", argv, argv + 1, 0);
}

template <unsigned long kRequest>
Answer OnTerminal(const Scene&, const Target&) {
  if (!isatty(0)) return Absent("standard input is no terminal");
  char argument[64] = "x";
  return Of(ioctl(0, kRequest, argument));
}
template <unsigned long kRequest>
Answer OnDevTty(const Scene&, const Target&) {
  const int fd = open("/dev/tty", O_RDWR);
  if (fd < 0) return Absent("no controlling terminal");
  char argument[64] = "x";
  return Of(ioctl(fd, kRequest, argument));
}
Answer Discipline(const Scene&, const Target&) {
  if (!isatty(0)) return Absent("standard input is no terminal");
  int discipline = 0;  // N_TTY, which every terminal has
  return Of(ioctl(0, TIOCSETD, &discipline));
}

}  // namespace

std::vector<Attempt> DescriptorAttempts() {
  constexpr auto kFamily = "descriptors";
  constexpr auto kOnce = Against::kNone;
  return {
      {kFamily, "left open by the caller", Bare::kAlways, kOnce, Inherited},
      {kFamily, "a step up from one left open", Bare::kAlways, kOnce, InheritedDotDot},
      {kFamily, "passed: openat", Bare::kAlways, kOnce, ByPassed<OpenBelow>},
      {kFamily, "passed: openat for writing", Bare::kAlways, kOnce, ByPassed<WriteBelow>},
      {kFamily, "passed: openat creating", Bare::kAlways, kOnce, ByPassed<MakeBelow>},
      {kFamily, "passed: openat of ../", Bare::kAlways, kOnce, ByPassed<UpAndOpen>},
      {kFamily, "passed: the directory opened anew", Bare::kAlways, kOnce, ByPassed<ListDirectory>},
      {kFamily, "passed: mkdirat", Bare::kAlways, kOnce, ByPassed<MakeDirectoryBelow>},
      {kFamily, "passed: symlinkat", Bare::kAlways, kOnce, ByPassed<LinkBelow>},
      {kFamily, "passed: renameat", Bare::kAlways, kOnce, ByPassed<RenameBelow>},
      {kFamily, "passed: fchmod of the directory", Bare::kAlways, kOnce, ByPassed<ModeOfDirectory>},
      {kFamily, "passed: fchmod of the file", Bare::kAlways, kOnce, ByPassed<ModeOfFile>},
      {kFamily, "passed: fchmodat", Bare::kAlways, kOnce, ByPassed<ModeBelow>},
      {kFamily, "passed: fchdir and open", Bare::kAlways, kOnce, ByPassed<EnterAndOpen>},
      {kFamily, "passed: the file opened for writing", Bare::kAlways, kOnce,
       ByPassed<ReopenFileForWriting>},
      {kFamily, "passed: execveat", Bare::kDepends, kOnce, ByPassed<ExecuteBelow>},
  };
}

std::vector<Attempt> TerminalAttempts() {
  constexpr auto kFamily = "terminal";
  constexpr auto kOnce = Against::kNone;
  return {
      {kFamily, "TIOCSTI", Bare::kRoot, kOnce, OnTerminal<TIOCSTI>},
      {kFamily, "TIOCSTI on /dev/tty", Bare::kRoot, kOnce, OnDevTty<TIOCSTI>},
      {kFamily, "TIOCSTI with high bits", Bare::kRoot, kOnce, OnTerminal<TIOCSTI | 1UL << 32>},
      {kFamily, "TIOCLINUX", Bare::kDepends, kOnce, OnTerminal<TIOCLINUX>},
      {kFamily, "TIOCLINUX on /dev/tty", Bare::kDepends, kOnce, OnDevTty<TIOCLINUX>},
      {kFamily, "TIOCSETD", Bare::kAlways, kOnce, Discipline},
      {kFamily, "TIOCCONS", Bare::kDepends, kOnce, OnTerminal<TIOCCONS>},
      {kFamily, "KDGKBMODE", Bare::kDepends, kOnce, OnTerminal<KDGKBMODE>},
      {kFamily, "VT_GETSTATE", Bare::kDepends, kOnce, OnTerminal<VT_GETSTATE>},
  };
}

}  // namespace hostile
