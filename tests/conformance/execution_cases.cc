// execve(2), execveat(2): which file is run, by which name or descriptor, and what a script's
// interpreter is given. The kernel carries these out; the descriptors came from the broker.
#include <sys/sendfile.h>
#include <sys/wait.h>

#include <cstring>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

void CopyShell(const std::string& path) {
  const int from = Fd("/bin/sh", O_RDONLY);
  const int to = Fd(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  struct stat info;
  IS(0, fstat(from, &info));
  IS(true, sendfile(to, from, nullptr, static_cast<size_t>(info.st_size)) == info.st_size);
  close(from);
  close(to);
}

// `sh -c "exit 7"` by execveat: "exit 7" when it ran, else the errno.
std::string ExecuteAt(int dirfd, const char* path, int flags) {
  int failed[2];
  IS(0, pipe2(failed, O_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) {
    const char* argv[] = {"sh", "-c", "exit 7", nullptr};
    const char* environment[] = {nullptr};
    syscall(SYS_execveat, dirfd, path, argv, environment, flags);
    const int error = errno;
    if (write(failed[1], &error, sizeof(error)) < 0) _exit(2);
    _exit(1);
  }
  close(failed[1]);
  int error = 0;
  const bool ran = read(failed[0], &error, sizeof(error)) == 0;
  close(failed[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (ran) return "exit " + std::to_string(WEXITSTATUS(status));
  errno = error;
  return Answer(-1);
}

}  // namespace

CASE(Execution, ByDirfdAndDescriptor) {
  Dir("d");
  CopyShell("d/sh");
  Symlink("sh", "d/link");
  const int d = Fd("d", O_RDONLY | O_DIRECTORY);
  const int path = Fd("d", O_PATH);
  const int program = Fd("d/sh", O_RDONLY);
  const int pinned = Fd("d/sh", O_PATH | O_CLOEXEC);
  char cwd[4096];
  IS(true, getcwd(cwd, sizeof(cwd)) != nullptr);
  const std::string absolute = std::string(cwd) + "/d/sh";
  for (const int dirfd : {d, path}) {
    IS("exit 7", ExecuteAt(dirfd, "sh", 0));
    IS("exit 7", ExecuteAt(dirfd, "link", 0));
    IS("exit 7", ExecuteAt(dirfd, "../d/sh", 0));
    IS("ELOOP", ExecuteAt(dirfd, "link", AT_SYMLINK_NOFOLLOW));
    IS("exit 7", ExecuteAt(dirfd, "sh", AT_SYMLINK_NOFOLLOW));
    IS("ENOENT", ExecuteAt(dirfd, "missing", 0));
    IS("EACCES", ExecuteAt(dirfd, "", AT_EMPTY_PATH));
    IS("EACCES", ExecuteAt(dirfd, ".", 0));
    IS("ENOENT", ExecuteAt(dirfd, "", 0));
  }
  for (const int fd : {program, pinned}) {
    IS("exit 7", ExecuteAt(fd, "", AT_EMPTY_PATH));
    IS("ENOENT", ExecuteAt(fd, "", 0));
    IS("ENOTDIR", ExecuteAt(fd, "x", 0));
    IS("exit 7", ExecuteAt(fd, absolute.c_str(), 0));
  }
  IS("EBADF", ExecuteAt(77, "sh", 0));
  IS("exit 7", ExecuteAt(77, absolute.c_str(), 0));
  IS("EINVAL", ExecuteAt(d, "sh", 0xffff));
  IS("exit 7", ExecuteAt(AT_FDCWD, "d/sh", 0));
  IS("exit 7", ExecuteAt(AT_FDCWD, ("/proc/self/fd/" + std::to_string(program)).c_str(), 0));
  IS(0, unlink("d/sh"));
  IS("exit 7", ExecuteAt(program, "", AT_EMPTY_PATH));
  IS(0, fchmod(program, 0644));
  IS("EACCES", ExecuteAt(program, "", AT_EMPTY_PATH));
}

CASE(Execution, ScriptsByEveryWay) {
  Touch("script", 0755, "#!/bin/sh\nexit 5\n");
  Touch("text", 0755, "nonsense");
  Touch("no-interpreter", 0755, "#!/nowhere/sh\n");
  Touch("empty", 0755);
  const int script = Fd("script", O_RDONLY);
  const int closing = Fd("script", O_RDONLY | O_CLOEXEC);
  IS("exit 5", ExecuteAt(AT_FDCWD, "script", 0));
  IS("exit 5", ExecuteAt(AT_FDCWD, "./script", 0));
  IS("exit 5", ExecuteAt(script, "", AT_EMPTY_PATH));   // its interpreter opens /dev/fd/N
  IS("ENOENT", ExecuteAt(closing, "", AT_EMPTY_PATH));  // which is closed by then: execveat(2)
  IS("ENOENT", ExecuteAt(AT_FDCWD, "no-interpreter", 0));
  IS("ENOEXEC", ExecuteAt(AT_FDCWD, "text", 0));
  IS("ENOEXEC", ExecuteAt(AT_FDCWD, "empty", 0));
  const std::string deep = Times(40, "./") + "script";
  IS("exit 5", ExecuteAt(AT_FDCWD, deep.c_str(), 0));
  IS(0, chmod("script", 0644));
  IS("EACCES", ExecuteAt(AT_FDCWD, "script", 0));
  IS("EACCES", ExecuteAt(script, "", AT_EMPTY_PATH));
}

CASE(Execution, WritersAndRunnersExcludeEachOther) {
  CopyShell("sh");
  const int writer = Fd("sh", O_RDWR);
  IS("ETXTBSY", ExecuteAt(AT_FDCWD, "sh", 0));
  const int reader = Fd("sh", O_RDONLY);
  IS("ETXTBSY", ExecuteAt(reader, "", AT_EMPTY_PATH));
  close(writer);
  IS("exit 7", ExecuteAt(reader, "", AT_EMPTY_PATH));
  IS("exit 7", ExecuteAt(AT_FDCWD, "sh", 0));
}

CASE(Execution, SearchAndRightsOnTheWay) {
  Dir("d");
  CopyShell("d/sh");
  IS(0, chmod("d/sh", 0611));
  IS("EACCES", ExecuteAt(AT_FDCWD, "d/sh", 0));  // the owner may not
  IS(0, chmod("d/sh", 0500));
  IS(0, chmod("d", 0600));
  IS("EACCES", ExecuteAt(AT_FDCWD, "d/sh", 0));
  IS(0, chmod("d", 0100));
  IS("exit 7", ExecuteAt(AT_FDCWD, "d/sh", 0));
  IS("ENOTDIR", ExecuteAt(AT_FDCWD, "d/sh/x", 0));
  IS("ENAMETOOLONG", ExecuteAt(AT_FDCWD, Times(256, "n").c_str(), 0));
}

// The kernel hides the memory of what may be run and not read (would_dump, fs/exec.c), and so its
// calls cannot be carried out (docs/fidelity.md).
CASE(Execution, ProgramThatMayNotBeReadIsHiddenFromItsBroker) {
  CopyShell("sh");
  IS(0, chmod("sh", 0100));
  InChild([] {
    close(2);
    return execl("./sh", "sh", "-c", ": > made", nullptr);
  });
  IS(BareOrInside("file 0644", "nothing"), What("made"));
}

}  // namespace conformance
