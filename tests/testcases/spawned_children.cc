// Children made in every way, which open and change files before they execute something, and what
// becomes of those whose parents do not wait. Runs in a directory of its own; one line a scenario;
// exit code 1 when something is not so.
//
//   spawned_children ATTEMPTS
#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <csignal>
#include <string>

#include "tests/testcases/check.h"

extern char** environ;

namespace {

std::string Read(const char* path) {
  char buffer[4096];
  const int fd = open(path, O_RDONLY);
  const ssize_t size = fd >= 0 ? read(fd, buffer, sizeof(buffer)) : 0;
  close(fd);
  return std::string(buffer, size > 0 ? static_cast<size_t>(size) : 0);
}

mode_t Mode(const char* path) {
  struct stat status = {};
  stat(path, &status);
  return status.st_mode & 07777;
}

// A vfork child shares its parent's memory, and has descriptors of its own.
void Vfork() {
  const pid_t child = vfork();
  if (child == 0) {
    const int fd = open("vforked", O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (fd < 0 || dup2(fd, 1) != 1) _exit(90);
    execl("/bin/echo", "echo", "from vfork", static_cast<char*>(nullptr));
    _exit(91);
  }
  CHECK(ExitedWith(AwaitChild(child), 0) && Read("vforked") == "from vfork\n");
  CHECK(unlink("vforked") == 0);
  const pid_t other = vfork();
  if (other == 0) _exit(mkdir("made", 0700) == 0 && rename("made", "moved") == 0 ? 3 : 4);
  CHECK(ExitedWith(AwaitChild(other), 3) && rmdir("moved") == 0);
}

void PosixSpawn() {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
  CHECK(mkdir("sub", 0755) == 0);
  CHECK(posix_spawn_file_actions_addopen(&actions, 7, "log", O_CREAT | O_WRONLY | O_TRUNC, 0640) ==
        0);
  CHECK(posix_spawn_file_actions_addchdir_np(&actions, "sub") == 0);
  CHECK(posix_spawn_file_actions_addopen(&actions, 1, "out", O_CREAT | O_WRONLY, 0600) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, 7, 2) == 0);
  CHECK(posix_spawn_file_actions_addclose(&actions, 7) == 0);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  CHECK(posix_spawnattr_setsigmask(&attributes, &mask) == 0);
  CHECK(posix_spawnattr_setpgroup(&attributes, 0) == 0);
  CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP) == 0);
  const char* argv[] = {"sh", "-c",
                        "echo to out; echo to log >&2; test ! -e /proc/self/fd/7; exit 6", nullptr};
  pid_t child = 0;
  CHECK(posix_spawnp(&child, "sh", &actions, &attributes, const_cast<char**>(argv), environ) == 0);
  CHECK(ExitedWith(AwaitChild(child), 6));
  CHECK(Read("sub/out") == "to out\n" && Read("log") == "to log\n");
  CHECK(Mode("sub/out") == 0600 && Mode("log") == 0640);
  CHECK(posix_spawn_file_actions_addopen(&actions, 8, "no/such", O_RDONLY, 0) == 0);
  CHECK(posix_spawnp(&child, "sh", &actions, &attributes, const_cast<char**>(argv), environ) ==
        ENOENT);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  CHECK(unlink("sub/out") == 0 && rmdir("sub") == 0 && unlink("log") == 0);
}

void SystemAndPopen() {
  CHECK(ExitedWith(system("echo system > a && mv a b && exit 3"), 3) && Read("b") == "system\n");
  FILE* writer = popen("cat > c", "we");
  CHECK(writer != nullptr && fputs("through a pipe", writer) > 0);
  CHECK(ExitedWith(pclose(writer), 0) && Read("c") == "through a pipe");
  FILE* reader = popen("cat b c; rm b c", "re");
  char text[64] = {};
  CHECK(reader != nullptr && fread(text, 1, sizeof(text), reader) == 21);
  CHECK(ExitedWith(pclose(reader), 0) && std::string(text) == "system\nthrough a pipe");
}

// The id that an orphan writes when it has a new parent.
pid_t ParentOfAnOrphan() {
  int told[2];
  CHECK(pipe(told) == 0);
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t own = getpid();
    if (fork() == 0) {
      while (getppid() == own) usleep(500);
      const int fd = open("orphan", O_CREAT | O_EXCL | O_WRONLY, 0600);
      const pid_t now = fd >= 0 ? getppid() : -1;
      _exit(write(told[1], &now, sizeof(now)) == sizeof(now) ? 21 : 1);
    }
    _exit(0);
  }
  CHECK(ExitedWith(AwaitChild(parent), 0));
  pid_t now = -1;
  CHECK(read(told[0], &now, sizeof(now)) == sizeof(now) && unlink("orphan") == 0);
  close(told[0]);
  close(told[1]);
  return now;
}

void Orphans() {
  const pid_t outside = ParentOfAnOrphan();
  CHECK(outside > 0 && outside != getpid());
  errno = 0;
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD);
  // A subreaper of the program's own gets them, and waits for them.
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  CHECK(ParentOfAnOrphan() == getpid());
  CHECK(ExitedWith(AwaitChild(-1), 21));
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

void WaitingForChildren() {
  const pid_t child = fork();
  if (child == 0) _exit(mkdir("waited", 0700) == 0 && rmdir("waited") == 0 ? 11 : 12);
  siginfo_t info = {};
  CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0 && info.si_status == 11);
  rusage usage = {};
  int status = 0;
  CHECK(wait4(child, &status, 0, &usage) == child && ExitedWith(status, 11));
  CHECK(usage.ru_maxrss > 0);
  const pid_t second = fork();
  if (second == 0) _exit(13);
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, second, 0));
  CHECK(pidfd >= 0 && waitid(static_cast<idtype_t>(3), pidfd, &info, WEXITED) == 0);
  CHECK(info.si_status == 13);
  close(pidfd);
  signal(SIGCHLD, SIG_IGN);  // children are not waited for
  const pid_t third = fork();
  if (third == 0) _exit(0);
  CHECK(waitpid(third, &status, 0) == -1 && errno == ECHILD);
  signal(SIGCHLD, SIG_DFL);
}

}  // namespace

int main(int argc, char** argv) {
  const int attempts = argc > 1 ? atoi(argv[1]) : 1;
  const struct {
    const char* name;
    void (*run)();
  } scenarios[] = {
      {"vfork", Vfork},     {"posix_spawn", PosixSpawn},     {"system and popen", SystemAndPopen},
      {"orphans", Orphans}, {"waiting", WaitingForChildren},
  };
  for (const auto& scenario : scenarios) {
    const int before = failed_checks;
    for (int i = 0; i < attempts; ++i) scenario.run();
    printf("%s: %d attempts, %d failed\n", scenario.name, attempts, failed_checks - before);
    fflush(stdout);
  }
  return Verdict();
}
