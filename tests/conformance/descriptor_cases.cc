// What a descriptor that the broker opened is good for: data, locks, leases, execution, watches.
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include <cstring>
#include <map>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

long Lock(int fd, int command, short type, off_t start = 0, off_t length = 0) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return fcntl(fd, command, &lock);
}

// Copies a program that ends with 0 at once.
void CopyTrue(const std::string& path) {
  const int from = Fd("/bin/true", O_RDONLY);
  const int to = Fd(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  struct stat info;
  IS(0, fstat(from, &info));
  IS(static_cast<long>(info.st_size), sendfile(to, from, nullptr, info.st_size));
  close(from);
  close(to);
}

std::string Execute(const std::string& path) {
  int pipes[2];
  IS(0, pipe2(pipes, O_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) {
    execl(path.c_str(), path.c_str(), nullptr);
    const int error = errno;
    if (write(pipes[1], &error, sizeof(error)) < 0) _exit(2);
    _exit(1);
  }
  close(pipes[1]);
  int error = 0;
  const ssize_t size = read(pipes[0], &error, sizeof(error));
  close(pipes[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (size == 0) return "ok";
  errno = error;
  return Answer(-1);
}

// The inotify events of an action, as hexadecimal masks with their names.
std::string Events(const char* directory, const std::function<void()>& action) {
  const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  IS(1, inotify_add_watch(watch, directory, IN_ALL_EVENTS));
  action();
  std::string text;
  alignas(inotify_event) char buffer[4096];
  for (ssize_t size; (size = read(watch, buffer, sizeof(buffer))) > 0;) {
    for (char* at = buffer; at < buffer + size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      static const std::map<uint32_t, const char*> names = {
          {IN_ACCESS, "access"}, {IN_ATTRIB, "attrib"},       {IN_CLOSE_WRITE, "closed-write"},
          {IN_MODIFY, "modify"}, {IN_CLOSE_NOWRITE, "close"}, {IN_CREATE, "create"},
          {IN_DELETE, "delete"}, {IN_OPEN, "open"},           {IN_MOVED_FROM, "from"},
          {IN_MOVED_TO, "to"},   {IN_DELETE_SELF, "gone"},    {IN_MOVE_SELF, "moved"}};
      const auto name = names.find(event->mask & IN_ALL_EVENTS);
      if (!text.empty()) text += ' ';
      text += name != names.end() ? name->second : std::to_string(event->mask);
      if (event->len > 0) text += std::string(":") + event->name;
      at += sizeof(inotify_event) + event->len;
    }
  }
  close(watch);
  return text;
}

}  // namespace

CASE(Data, MappedWritesAreShared) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS(0, ftruncate(fd, 8192));
  char* map = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  IS(true, map != MAP_FAILED);
  strcpy(map + 4096, "mapped");
  char text[7] = {};
  IS(6, pread(Fd("f", O_RDONLY), text, 6, 4096));
  IS("mapped", text);
  IS(0, msync(map, 8192, MS_SYNC));
  IS("EACCES",
     (mmap(nullptr, 1, PROT_WRITE, MAP_SHARED, Fd("f", O_RDONLY), 0) == MAP_FAILED) ? -1L : 0L);
  IS("EACCES",
     (mmap(nullptr, 1, PROT_READ, MAP_SHARED, Fd("f", O_WRONLY), 0) == MAP_FAILED) ? -1L : 0L);
}

CASE(Data, CopiesBetweenDescriptors) {
  Touch("from", 0644, "0123456789");
  const int from = Fd("from", O_RDWR);
  const int to = Fd("to", O_RDWR | O_CREAT, 0644);
  IS(4, copy_file_range(from, nullptr, to, nullptr, 4, 0));
  IS(3, sendfile(to, from, nullptr, 3));
  IS("0123456", Read("to"));
  int pipes[2];
  IS(0, pipe(pipes));
  IS(3, splice(from, nullptr, pipes[1], nullptr, 3, 0));
  IS(3, splice(pipes[0], nullptr, to, nullptr, 3, 0));
  IS("0123456789", Read("to"));
  IS("EBADF", copy_file_range(from, nullptr, Fd("to", O_RDONLY), nullptr, 1, 0));
  IS("EBADF", copy_file_range(Fd("from", O_WRONLY), nullptr, to, nullptr, 1, 0));
  IS("EBADF", copy_file_range(from, nullptr, Fd("to", O_WRONLY | O_APPEND), nullptr, 1, 0));
}

CASE(Data, SpaceIsMadeAndGivenBack) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS(0, posix_fallocate(fd, 0, 65536));
  IS(65536, Size("f"));
  IS(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
  IS(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, 65536, 4096));
  IS(65536, Size("f"));
  IS("EBADF", fallocate(Fd("f", O_RDONLY), 0, 0, 4096));
  IS("EINVAL", fallocate(fd, 0, 0, 0));
  IS("EINVAL", fallocate(fd, 0, -1, 4096));
  IS(0, fsync(fd));
  IS(0, fdatasync(fd));
  IS(0, syncfs(fd));
  IS(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
}

CASE(Data, HolesAreFound) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS(1, pwrite(fd, "x", 1, 1 << 20));
  IS(0, lseek(fd, 0, SEEK_HOLE));
  IS(1 << 20, lseek(fd, 0, SEEK_DATA));
  IS("ENXIO", lseek(fd, 1 << 21, SEEK_DATA));
}

CASE(Data, IoctlsAnswerAsBare) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS(3, write(fd, "abc", 3));
  IS(0, lseek(fd, 1, SEEK_SET) - 1);
  int count = 0;
  IS(0, ioctl(fd, FIONREAD, &count));
  IS(2, count);
  int flags = -1;
  IS(0, ioctl(fd, FS_IOC_GETFLAGS, &flags));
  IS("ENOTTY", ioctl(fd, 0x5401 /* TCGETS */, &flags));
  IS(0, ioctl(fd, FIOCLEX));
  IS(FD_CLOEXEC, fcntl(fd, F_GETFD));
}

CASE(Data, OffsetIsSharedOnlyWithDuplicates) {
  Touch("f", 0644, "abcdef");
  const int one = Fd("f", O_RDWR);
  const int two = Fd("f", O_RDWR);
  const int same = dup(one);
  IS(3, lseek(one, 3, SEEK_SET));
  IS(0, lseek(two, 0, SEEK_CUR));
  IS(3, lseek(same, 0, SEEK_CUR));
  const int other = Fd("/proc/self/fd/" + std::to_string(one), O_RDWR);
  IS(0, lseek(other, 0, SEEK_CUR));
}

CASE(Locks, FlockBelongsToTheOpenFile) {
  const int one = Fd("f", O_RDWR | O_CREAT, 0644);
  const int two = Fd("f", O_RDWR);
  IS(0, flock(one, LOCK_EX | LOCK_NB));
  IS("EAGAIN", flock(two, LOCK_EX | LOCK_NB));
  IS("EAGAIN", flock(two, LOCK_SH | LOCK_NB));
  IS(0, flock(dup(one), LOCK_EX | LOCK_NB));
  IS(0, flock(one, LOCK_UN));
  IS(0, flock(two, LOCK_SH | LOCK_NB));
  IS(0, flock(one, LOCK_SH | LOCK_NB));
}

// The broker opens on behalf of the session: it must not hold what it opened any longer.
CASE(Locks, CloseReleasesAtOnce) {
  Touch("f");
  int held = 0;
  for (int round = 0; round < 2000; ++round) {
    const int one = Fd("f", O_RDWR);
    if (flock(one, LOCK_EX | LOCK_NB) != 0) ++held;
    close(one);
  }
  IS(0, held);
}

CASE(Locks, ProcessLocksBelongToTheProcess) {
  const int fd = Fd("f", O_RDWR | O_CREAT, 0644);
  IS(0, Lock(fd, F_SETLK, F_WRLCK, 10, 5));
  IS(0, Lock(Fd("f", O_RDWR), F_SETLK, F_WRLCK, 10, 5));  // the same process
  const pid_t owner = getpid();
  IS("exit 0", InChild([&] {
       const int mine = Fd("f", O_RDWR);
       IS("EAGAIN", Lock(mine, F_SETLK, F_RDLCK, 0, 0));
       IS(0, Lock(mine, F_SETLK, F_WRLCK, 0, 10));
       struct flock found = {};
       found.l_type = F_WRLCK;
       found.l_whence = SEEK_SET;
       found.l_start = 10;
       IS(0, fcntl(mine, F_GETLK, &found));
       IS(F_WRLCK, found.l_type);
       IS(true, found.l_pid == owner);
       IS(5, static_cast<long>(found.l_len));
       return 0;
     }));
  close(Fd("f", O_RDONLY));  // closing any descriptor of the file drops them: fcntl(2)
  IS("exit 0", InChild([] {
       IS(0, Lock(Fd("f", O_RDWR), F_SETLK, F_WRLCK, 10, 5));
       return 0;
     }));
  IS("EBADF", Lock(Fd("f", O_RDONLY), F_SETLK, F_WRLCK));
  IS("EBADF", Lock(Fd("f", O_WRONLY), F_SETLK, F_RDLCK));
  IS("EINVAL", Lock(fd, F_SETLK, 77));
}

CASE(Locks, OpenFileLocksBelongToTheOpenFile) {
  const int one = Fd("f", O_RDWR | O_CREAT, 0644);
  const int two = Fd("f", O_RDWR);
  IS(0, Lock(one, F_OFD_SETLK, F_WRLCK));
  IS("EAGAIN", Lock(two, F_OFD_SETLK, F_WRLCK));
  close(one);
  IS(0, Lock(two, F_OFD_SETLK, F_WRLCK));
}

CASE(Locks, LeasesAreGranted) {
  const int fd = Fd("f", O_RDONLY | O_CREAT, 0644);
  IS(0, fcntl(fd, F_SETLEASE, F_RDLCK));
  IS(F_RDLCK, fcntl(fd, F_GETLEASE));
  IS(0, fcntl(fd, F_SETLEASE, F_UNLCK));
  const int write = Fd("g", O_RDWR | O_CREAT, 0644);
  IS(0, fcntl(write, F_SETLEASE, F_WRLCK));
  IS(0, fcntl(write, F_SETLEASE, F_UNLCK));
  IS("EAGAIN", fcntl(write, F_SETLEASE, F_RDLCK));
}

CASE(Locks, LeaseIsBrokenByAnotherOpen) {
  const int fd = Fd("f", O_RDONLY | O_CREAT, 0644);
  signal(SIGIO, SIG_IGN);
  IS(0, fcntl(fd, F_SETLEASE, F_RDLCK));
  IS("EAGAIN", Open("f", O_WRONLY | O_NONBLOCK));
  IS("ok", Open("f", O_RDONLY | O_NONBLOCK));
}

CASE(Execution, FileOpenForWritingIsBusy) {
  CopyTrue("program");
  IS("ok", Execute("./program"));
  const int fd = Fd("program", O_WRONLY);
  IS("ETXTBSY", Execute("./program"));
  close(fd);
  IS("ok", Execute("./program"));
}

// Written, closed, run: the broker must not hold the descriptor that it injected any longer.
CASE(Execution, FreshProgramIsNotBusy) {
  CopyTrue("program");
  int busy = 0;
  for (int round = 0; round < 150; ++round) {
    close(Fd("program", O_WRONLY));
    if (Execute("./program") != "ok") ++busy;
  }
  IS(0, busy);
}

CASE(Execution, RunningProgramIsBusy) {
  const int from = Fd("/proc/self/exe", O_RDONLY);
  struct stat info;
  IS(0, fstat(from, &info));
  const int to = Fd("program", O_WRONLY | O_CREAT, 0755);
  for (off_t left = info.st_size; left > 0;) {
    const ssize_t size = sendfile(to, from, nullptr, static_cast<size_t>(left));
    if (size <= 0) break;
    left -= size;
  }
  close(to);
  int go[2];
  IS(0, pipe2(go, 0));
  const pid_t child = fork();
  if (child == 0) {
    dup2(go[1], 1);  // its first line tells that it runs; then it waits for nobody reading
    close(go[0]);
    execl("./program", "program", "wait", nullptr);
    _exit(1);
  }
  close(go[1]);
  char byte;
  IS(1, read(go[0], &byte, 1));
  IS("ETXTBSY", Open("program", O_WRONLY));
  IS("ETXTBSY", Open("program", O_RDWR | O_CREAT, 0755));
  IS("ETXTBSY", Open("program", O_WRONLY | O_TRUNC));
  IS("ETXTBSY", truncate("program", 0));
  IS("ok", Open("program", O_RDONLY));
  IS(0, chmod("program", 0700));
  IS(0, rename("program", "moved"));
  IS(0, unlink("moved"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

CASE(Execution, PermissionsAndFormats) {
  CopyTrue("program");
  Touch("text", 0755, "nonsense");
  Dir("d");
  IS(0, chmod("program", 0644));
  IS("EACCES", Execute("./program"));
  IS(0, chmod("program", 0100));
  IS("ok", Execute("./program"));
  IS("ENOEXEC", Execute("./text"));
  IS("EACCES", Execute("./d"));
  IS("ENOENT", Execute("./missing"));
  IS("ENOTDIR", Execute("./program/x"));
}

CASE(NoExecMount, ProgramsAreEaccesAndFilesAreNot) {
  CopyTrue("program");
  IS("EACCES", Execute("./program"));
  IS("EACCES", access("program", X_OK));
  IS("ok", Open("program", O_RDWR));
  IS(0, chmod("program", 04755));
}

CASE(Watches, CallsAreSeenOnce) {
  Dir("d");
  Touch("f");
  const auto in = [](const std::function<void()>& action) { return Events("d", action); };
  IS("create:a open:a closed-write:a", in([] { IS("ok", Open("d/a", O_WRONLY | O_CREAT, 0644)); }));
  IS("open:a closed-write:a", in([] { IS("ok", Open("d/a", O_RDWR)); }));
  IS("open:a closed-write:a", in([] { IS("ok", Open("d/a", O_WRONLY | O_CREAT, 0644)); }));
  IS("open:a close:a", in([] { IS("ok", Open("d/a", O_RDONLY)); }));
  IS("open:a modify:a closed-write:a", in([] { IS("ok", Open("d/a", O_WRONLY | O_TRUNC)); }));
  IS("", in([] { IS("EEXIST", Open("d/a", O_WRONLY | O_CREAT | O_EXCL, 0644)); }));
  IS("attrib:a", in([] { IS(0, chmod("d/a", 0600)); }));
  IS("attrib:a", in([] { IS(0, chown("d/a", geteuid(), getegid())); }));
  IS("attrib:a", in([] { IS(0, utimensat(AT_FDCWD, "d/a", nullptr, 0)); }));
  IS("modify:a", in([] { IS(0, truncate("d/a", 3)); }));
  IS("from:a to:b", in([] { IS(0, rename("d/a", "d/b")); }));
  IS("create:h", in([] { IS(0, link("f", "d/h")); }));
  IS("delete:h", in([] { IS(0, unlink("d/h")); }));
  IS("create:l", in([] { IS(0, symlink("x", "d/l")); }));
  IS("create:p", in([] { IS(0, mkfifo("d/p", 0600)); }));
  IS("to:f", in([] { IS(0, rename("f", "d/f")); }));
}

CASE(Watches, DirectoriesAreSeen) {
  Dir("d");
  const auto in = [](const std::function<void()>& action) { return Events("d", action); };
  IS("create:e", in([] { IS(0, mkdir("d/e", 0755)); }));
  IS("attrib:e", in([] { IS(0, chmod("d/e", 0700)); }));
  IS("attrib", in([] { IS(0, chmod("d", 0700)); }));
  IS("delete:e", in([] { IS(0, rmdir("d/e")); }));
}

}  // namespace conformance
