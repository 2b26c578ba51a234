#include "supervisor/mediator/terminals.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <utility>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

// Documentation/admin-guide/devices.txt
constexpr unsigned kMultiplexerMajor = 5;
constexpr unsigned kMultiplexerMinor = 2;
constexpr unsigned kFirstTerminalMajor = 136;
constexpr unsigned kLastTerminalMajor = 143;

}  // namespace

bool Terminals::IsMultiplexer(const struct stat& info) {
  return S_ISCHR(info.st_mode) && info.st_rdev == makedev(kMultiplexerMajor, kMultiplexerMinor);
}

bool Terminals::IsTerminal(const struct stat& info) {
  return S_ISCHR(info.st_mode) && major(info.st_rdev) >= kFirstTerminalMajor &&
         major(info.st_rdev) <= kLastTerminalMajor;
}

// The number is this terminal's for as long as `master` is open, and no longer: so it is looked up
// now.
void Terminals::Remember(int master) {
  unsigned number = 0;
  if (ioctl(master, TIOCGPTN, &number) != 0) return;
  MutexLock lock(&mutex_);
  ForgetDead();
  PinOwn(number);
}

void Terminals::PinOwn(unsigned number) {
  SysResult<OwnedFd> directory = OpenAt(AT_FDCWD, "/dev/pts", O_PATH | O_DIRECTORY);
  if (directory.ok()) Pin(directory->get(), number);
}

void Terminals::Pin(int directory, unsigned number) {
  char name[16];
  snprintf(name, sizeof(name), "%u", number);
  SysResult<OwnedFd> other_end = OpenAt(directory, name, O_PATH | O_NOFOLLOW);
  if (!other_end.ok()) return;
  SysResult<struct stat> info = Fstat(other_end->get());
  if (!info.ok() || !IsTerminal(*info)) return;
  terminals_.push_back({info->st_rdev, info->st_dev, std::move(*other_end)});
}

// Whoever sent a number keeps that terminal open for as long as it is in use.
void Terminals::HearNew() {
  uint32_t number = 0;
  while (numbers_.valid() &&
         read(numbers_.get(), &number, sizeof(number)) == static_cast<ssize_t>(sizeof(number))) {
    if ((number & kInOwnDevpts) != 0) {
      PinOwn(number & ~kInOwnDevpts);
    } else {
      Pin(directory_.get(), number);
    }
  }
}

SysResult<OwnedFd> Terminals::Find(dev_t device, std::optional<dev_t> devpts) {
  MutexLock lock(&mutex_);
  HearNew();
  ForgetDead();
  for (const Terminal& terminal : terminals_) {
    if (terminal.device != device || (devpts && terminal.devpts != *devpts)) continue;
    const int fd = fcntl(terminal.other_end.get(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return LastErrno();
    return OwnedFd(fd);
  }
  return Errno(ENOENT);
}

// devpts removes the name of a terminal whose master is closed.
void Terminals::ForgetDead() {
  terminals_.remove_if([](const Terminal& terminal) {
    SysResult<struct stat> info = Fstat(terminal.other_end.get());
    return !info.ok() || info->st_nlink == 0;
  });
}

}  // namespace sessionctl
