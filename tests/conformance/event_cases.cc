// inotify(7), dnotify and leases: a call that the broker carries out is seen by watchers, and
// breaks leases, exactly as the same call bare. No event more, none less, in the same order.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <utime.h>

#include <atomic>
#include <cstring>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

std::string NameOf(uint32_t mask) {
  static constexpr std::pair<uint32_t, const char*> names[] = {
      {IN_ACCESS, "access"}, {IN_ATTRIB, "attrib"},       {IN_CLOSE_WRITE, "closed-write"},
      {IN_MODIFY, "modify"}, {IN_CLOSE_NOWRITE, "close"}, {IN_CREATE, "create"},
      {IN_DELETE, "delete"}, {IN_OPEN, "open"},           {IN_MOVED_FROM, "from"},
      {IN_MOVED_TO, "to"},   {IN_DELETE_SELF, "gone"},    {IN_MOVE_SELF, "moved"},
      {IN_ISDIR, "/"},       {IN_IGNORED, "ignored"}};
  std::string text;
  for (const auto& [bit, name] : names) text += (mask & bit) != 0 ? name : "";
  return text;
}

// A watch on several places at once; `Seen` tells what came since, "PLACE:event:name".
class Watcher {
 public:
  explicit Watcher(std::initializer_list<const char*> places, uint32_t mask = IN_ALL_EVENTS)
      : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    for (const char* place : places) IS(true, inotify_add_watch(fd_, place, mask) > 0);
  }
  ~Watcher() { close(fd_); }

  std::string Seen() {
    std::string text;
    alignas(inotify_event) char buffer[8192];
    for (ssize_t size; (size = read(fd_, buffer, sizeof(buffer))) > 0;) {
      for (char* at = buffer; at < buffer + size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        text += (text.empty() ? "" : " ") + std::to_string(event->wd) + ":" + NameOf(event->mask);
        // An unnamed file's name has its number in it on some file systems.
        if (event->len > 0) text += std::string(":") + (event->name[0] == '#' ? "#" : event->name);
        if (event->cookie != 0 && event->cookie == cookie_) text += "=";  // the other half
        cookie_ = event->cookie;
        at += sizeof(inotify_event) + event->len;
      }
    }
    return text;
  }

 private:
  const int fd_;
  uint32_t cookie_ = 0;
};

// A child that holds a lease on `path` and lets it go when it is broken; "held" when it has it.
pid_t LeaseHolder(const char* path, int flags, int lease, int* broken) {
  int ready[2];
  IS(0, pipe2(ready, O_CLOEXEC));
  int told[2];
  IS(0, pipe2(told, O_CLOEXEC));
  const pid_t holder = fork();
  if (holder == 0) {
    sigset_t io;
    sigemptyset(&io);
    sigaddset(&io, SIGIO);
    sigprocmask(SIG_BLOCK, &io, nullptr);
    const int fd = open(path, flags);
    const char got = fcntl(fd, F_SETLEASE, lease) == 0 ? 'y' : 'n';
    if (write(ready[1], &got, 1) != 1) _exit(1);
    const timespec limit = {20, 0};
    if (sigtimedwait(&io, nullptr, &limit) != SIGIO) _exit(2);
    // What the breaker wants left: a reader leaves a read lease, a writer none.
    const char left = fcntl(fd, F_GETLEASE) == F_RDLCK ? 'r' : 'u';
    if (write(told[1], &left, 1) != 1) _exit(3);
    usleep(30000);
    fcntl(fd, F_SETLEASE, F_UNLCK);
    _exit(0);
  }
  char got = 0;
  IS(1, read(ready[0], &got, 1));
  IS("y", std::string(1, got));
  close(told[1]);
  *broken = told[0];
  return holder;
}

std::string Left(int broken, pid_t holder) {
  char left = '-';
  const ssize_t size = read(broken, &left, 1);
  int status = 0;
  waitpid(holder, &status, 0);
  return size == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::string(1, left) : "-";
}

std::atomic<int> signals = 0;

}  // namespace

CASE(Events, FileAndDirectoryBothSee) {
  Dir("d");
  Touch("d/f", 0644, "abc");
  Watcher watcher({"d", "d/f"});  // 1 and 2
  const auto sees = [&](const char* want, const std::function<void()>& action) {
    action();
    IS(want, watcher.Seen());
  };
  sees("1:open:f 2:open 1:closed-write:f 2:closed-write", [] { IS("ok", Open("d/f", O_RDWR)); });
  sees("1:open:f 2:open 1:close:f 2:close", [] { IS("ok", Open("d/f", O_RDONLY)); });
  sees("1:open:f 2:open 1:modify:f 2:modify 1:closed-write:f 2:closed-write",
       [] { IS("ok", Open("d/f", O_RDWR | O_CREAT | O_TRUNC, 0600)); });
  sees("1:attrib:f 2:attrib", [] { IS(0, chmod("d/f", 0600)); });
}

CASE(Events, MetadataIsOneEvent) {
  Dir("d");
  Touch("d/f");
  Symlink("f", "d/l");
  Watcher watcher({"d"});
  const auto sees = [&](const std::string& want, const std::function<void()>& action) {
    action();
    IS(want, watcher.Seen());
  };
  const timespec times[2] = {{1, 0}, {2, 0}};
  const timespec access[2] = {{1, 0}, {0, UTIME_OMIT}};
  const timespec modification[2] = {{0, UTIME_OMIT}, {2, 0}};
  const timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  sees("1:attrib:f", [&] { IS(0, utimensat(AT_FDCWD, "d/f", times, 0)); });
  sees("1:access:f", [&] { IS(0, utimensat(AT_FDCWD, "d/f", access, 0)); });
  sees("1:modify:f", [&] { IS(0, utimensat(AT_FDCWD, "d/f", modification, 0)); });
  sees("", [&] { IS(0, utimensat(AT_FDCWD, "d/f", none, 0)); });
  sees("1:attrib:f", [&] { IS(0, utime("d/f", nullptr)); });
  sees("1:attrib:l", [&] { IS(0, utimensat(AT_FDCWD, "d/l", times, AT_SYMLINK_NOFOLLOW)); });
  sees("1:attrib:f", [] { IS(0, chmod("d/l", 0640)); });
  sees("1:attrib:f", [] { IS(0, setxattr("d/f", "user.a", "1", 1, 0)); });
  sees("1:attrib:f", [] { IS(0, removexattr("d/f", "user.a")); });
  sees("", [] { IS("ENODATA", removexattr("d/f", "user.a")); });
  sees("1:attrib:l", [] { IS(0, lchown("d/l", -1, kSecondGroup)); });
  sees("", [] { IS(0, chown("d/f", -1, -1)); });
  sees("", [] { IS("EPERM", chown("d/f", kOther, -1)); });
  sees("1:modify:f", [] { IS(0, truncate("d/f", 9)); });
  sees("1:modify:f", [] { IS(0, truncate("d/f", 9)); });
}

CASE(Events, RenamesArePairedByACookie) {
  Dir("d");
  Dir("e");
  Touch("d/f");
  Touch("e/g");
  Dir("d/sub");
  Watcher watcher({"d", "e", "d/f", "e/g", "d/sub"});
  const auto sees = [&](const char* want, const std::function<void()>& action) {
    action();
    IS(want, watcher.Seen());
  };
  sees("1:from:f 1:to:h= 3:moved", [] { IS(0, rename("d/f", "d/h")); });
  sees("1:from:h 2:to:f= 3:moved", [] { IS(0, rename("d/h", "e/f")); });
  sees("1:from/:sub 2:to/:sub= 5:moved", [] { IS(0, rename("d/sub", "e/sub")); });
  sees("2:from:f 2:to:g= 3:moved 2:from:g 2:to:f= 4:moved",
       [] { IS(0, Rename2("e/f", "e/g", RENAME_EXCHANGE)); });
  sees("", [] { IS("EEXIST", Rename2("e/f", "e/g", RENAME_NOREPLACE)); });
  sees("", [] { IS("ENOENT", rename("e/missing", "e/x")); });
  sees("2:from:f 2:to:g= 3:attrib 4:moved 3:gone 3:ignored", [] { IS(0, rename("e/f", "e/g")); });
}

CASE(Events, RemovalsAndLinks) {
  Dir("d");
  Touch("d/f");
  Dir("d/sub");
  Watcher watcher({"d", "d/f", "d/sub"});
  const auto sees = [&](const char* want, const std::function<void()>& action) {
    action();
    IS(want, watcher.Seen());
  };
  sees("2:attrib 1:create:g", [] { IS(0, link("d/f", "d/g")); });
  sees("2:attrib 1:delete:g", [] { IS(0, unlink("d/g")); });
  sees("3:gone 3:ignored 1:delete/:sub", [] { IS(0, rmdir("d/sub")); });
  const int fd = Fd("d/f", O_RDWR);
  sees("1:open:f 2:open", [] {});
  sees("2:attrib 1:delete:f", [] { IS(0, unlink("d/f")); });
  sees("1:closed-write:f 2:closed-write 2:gone 2:ignored", [&] { close(fd); });
  sees("1:create:s", [] { IS(0, symlink("x", "d/s")); });
  sees("1:create/:sub", [] { IS(0, mkdir("d/sub", 0755)); });
  sees("1:create:n", [] { IS(0, mknod("d/n", S_IFREG | 0600, 0)); });
  sees("1:open/:sub 1:close/:sub", [] { IS("ok", Open("d/sub", O_RDONLY | O_DIRECTORY)); });
  sees("", [] { IS("EISDIR", Open("d/sub", O_RDWR)); });
  sees("", [] { IS("EEXIST", mkdir("d/sub", 0755)); });
  sees("", [] { IS("ELOOP", Open("d/s", O_RDWR | O_NOFOLLOW)); });
  sees("", [] { IS("ENOTDIR", Open("d/n", O_RDWR | O_DIRECTORY)); });
}

CASE(Events, RefusedOpensAreNotSeen) {
  Dir("d");
  Touch("d/f", 0444);
  Watcher watcher({"d", "d/f"});
  IS("EACCES", Open("d/f", O_RDWR));
  IS("EACCES", Open("d/f", O_WRONLY | O_TRUNC));
  IS("EACCES", Open("d/f", O_RDWR | O_CREAT, 0644));
  IS("EEXIST", Open("d/f", O_RDONLY | O_CREAT | O_EXCL, 0644));
  IS("EACCES", truncate("d/f", 0));
  IS("EPERM", chown("d/f", kOther, kOther));
  IS("", watcher.Seen());
}

CASE(Events, UnnamedFileIsSeenWhenItIsNamed) {
  Dir("d");
  Watcher watcher({"d"});
  const int fd = Fd("d", O_RDWR | O_TMPFILE, 0600);
  const std::string opened = watcher.Seen();
  SAME(opened);
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  IS(0, linkat(AT_FDCWD, link.c_str(), AT_FDCWD, "d/f", AT_SYMLINK_FOLLOW));
  IS("1:create:f", watcher.Seen());
  close(fd);
  SAME(watcher.Seen());
}

CASE(Events, OneShotsAndMasks) {
  Dir("d");
  Touch("d/f");
  Watcher once({"d"}, IN_ATTRIB | IN_ONESHOT);
  Watcher opens({"d"}, IN_OPEN);
  IS(0, chmod("d/f", 0600));
  IS(0, chmod("d/f", 0640));
  IS("ok", Open("d/f", O_RDWR));
  IS("1:attrib:f 1:ignored", once.Seen());
  IS("1:open:f", opens.Seen());
}

CASE(Events, DirectorySignalsByFNotify) {
  Dir("d");
  signals = 0;
  struct sigaction action = {};
  action.sa_handler = [](int) { ++signals; };
  action.sa_flags = SA_RESTART;
  IS(0, sigaction(SIGUSR1, &action, nullptr));
  const int fd = Fd("d", O_RDONLY | O_DIRECTORY);
  IS(0, fcntl(fd, F_SETSIG, SIGUSR1));
  IS(0, fcntl(fd, F_NOTIFY, DN_CREATE | DN_DELETE | DN_RENAME | DN_ATTRIB | DN_MULTISHOT));
  const auto counts = [](long want, const std::function<void()>& act) {
    signals = 0;
    act();
    usleep(2000);
    IS(want, signals.load());
  };
  counts(1, [] { IS("ok", Open("d/f", O_RDWR | O_CREAT, 0644)); });
  counts(0, [] { IS("ok", Open("d/f", O_RDWR | O_CREAT, 0644)); });
  counts(1, [] { IS(0, chmod("d/f", 0600)); });
  counts(1, [] { IS(0, unlink("d/f")); });
  counts(1, [] { IS(0, mkdir("d/e", 0755)); });
  IS(0, fcntl(fd, F_NOTIFY, 0));
  counts(0, [] { IS(0, rmdir("d/e")); });
}

CASE(Leases, WriterWaitsForAReadLease) {
  Touch("f", 0644, "abc");
  int broken;
  const pid_t holder = LeaseHolder("f", O_RDONLY, F_RDLCK, &broken);
  IS("ok", Open("f", O_RDONLY | O_NONBLOCK));
  IS("EAGAIN", Open("f", O_WRONLY | O_NONBLOCK));
  IS("ok", Open("f", O_WRONLY));  // once it is let go
  IS("u", Left(broken, holder));
}

CASE(Leases, ReaderLowersAWriteLease) {
  Touch("f", 0644, "abc");
  int broken;
  const pid_t holder = LeaseHolder("f", O_RDWR, F_WRLCK, &broken);
  IS("EAGAIN", Open("f", O_RDONLY | O_NONBLOCK));
  IS("ok", Open("f", O_RDONLY));
  IS("r", Left(broken, holder));
}

CASE(Leases, TruncatingBreaksThem) {
  Touch("f", 0644, "abc");
  int broken;
  pid_t holder = LeaseHolder("f", O_RDONLY, F_RDLCK, &broken);
  IS(0, truncate("f", 1));  // waits until it is let go
  IS("u", Left(broken, holder));
  IS(1, Size("f"));
  holder = LeaseHolder("f", O_RDONLY, F_RDLCK, &broken);
  IS("ok", Open("f", O_RDONLY | O_TRUNC | O_NONBLOCK));  // that it empties breaks nothing
  IS(0, Size("f"));
  IS("EAGAIN", Open("f", O_WRONLY | O_TRUNC | O_NONBLOCK));
  IS("ok", Open("f", O_WRONLY | O_TRUNC));
  IS("u", Left(broken, holder));
}

CASE(Leases, WhatOpensNothingBreaksNone) {
  Touch("f", 0644, "abc");
  int broken;
  const pid_t holder = LeaseHolder("f", O_RDWR, F_WRLCK, &broken);
  IS("ok", Open("f", O_PATH));
  struct stat info;
  IS(0, stat("f", &info));
  IS("EEXIST", Open("f", O_RDWR | O_CREAT | O_EXCL, 0600));
  IS("ELOOP", (symlink("f", "l"), Open("l", O_RDWR | O_NOFOLLOW)));
  pollfd told = {broken, POLLIN, 0};
  IS(0, poll(&told, 1, 50));
  IS("ok", Open("f", O_RDWR));
  IS("u", Left(broken, holder));
}

CASE(Leases, GrantedOnlyToTheOnlyOpener) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  for (int round = 0; round < 200; ++round) {  // the broker holds nothing of what it opened
    const int one = Fd("g", O_RDWR | O_CREAT, 0644);
    IS(0, fcntl(one, F_SETLEASE, F_WRLCK));
    close(one);
  }
  const int two = Fd("f", O_RDONLY);
  IS("EAGAIN", fcntl(fd, F_SETLEASE, F_WRLCK));
  IS("EAGAIN", fcntl(two, F_SETLEASE, F_RDLCK));  // somebody may write
  close(two);
  IS(0, fcntl(fd, F_SETLEASE, F_WRLCK));
  IS(F_WRLCK, fcntl(fd, F_GETLEASE));
  IS(0, fcntl(fd, F_SETLEASE, F_UNLCK));
  IS("EINVAL", fcntl(fd, F_SETLEASE, 7));
  IS("EINVAL", fcntl(Fd(".", O_RDONLY | O_DIRECTORY), F_SETLEASE, F_WRLCK));
}

CASE_WITH(Leases, FileOfAnotherIsEacces) {
  Touch("f", 0666);
  Give("f", kOther, kOther);
}
THEN(Leases, FileOfAnotherIsEacces) { IS("EACCES", fcntl(Fd("f", O_RDONLY), F_SETLEASE, F_RDLCK)); }

}  // namespace conformance
