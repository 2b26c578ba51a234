// A file that was opened and closed is closed: its lock is free, a program that was just written
// can be executed, a FIFO has no end left. Whoever opened it on the caller's behalf must not hold
// it a moment longer. Runs in a directory of its own; exit code 1 when something is still held.
//
//   reopened_files ATTEMPTS
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "tests/testcases/check.h"

namespace {

std::string ReadProgram() {
  std::string text;
  std::vector<char> buffer(65536);
  const int fd = open("/proc/self/exe", O_RDONLY);
  for (ssize_t size; (size = read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(size));
  }
  close(fd);
  return text;
}

void LocksAreFree(int attempts, int flags) {
  int held = 0;
  for (int i = 0; i < attempts; ++i) {
    const int first = open("lock", flags | O_CREAT, 0600);
    CHECK(first >= 0 && flock(first, LOCK_EX | LOCK_NB) == 0);
    CHECK(fchmod(first, 0600) == 0);  // a mediated call on the descriptor itself
    close(first);
    const int second = open("lock", flags);
    CHECK(second >= 0);
    if (flock(second, LOCK_EX | LOCK_NB) != 0) ++held;
    close(second);
  }
  CHECK(held == 0);
  printf("locks: %d attempts, %d still held\n", attempts, held);
}

void ProgramsCanBeExecuted(int attempts) {
  const std::string program = ReadProgram();
  int busy = 0;
  for (int i = 0; i < attempts; ++i) {
    unlink("program");
    const int fd = open("program", O_WRONLY | O_CREAT | O_EXCL, 0600);
    CHECK(write(fd, program.data(), program.size()) == static_cast<ssize_t>(program.size()));
    CHECK(fchmod(fd, 0700) == 0);
    close(fd);
    const pid_t pid = vfork();
    if (pid == 0) {
      execl("./program", "program", static_cast<char*>(nullptr));
      _exit(errno == ETXTBSY ? 100 : 101);
    }
    const int status = AwaitChild(pid);
    if (ExitedWith(status, 100)) ++busy;
    CHECK(ExitedWith(status, 0));
  }
  printf("programs: %d attempts, %d busy\n", attempts, busy);
}

void FifosHaveNoEndLeft(int attempts) {
  CHECK(mkfifo("fifo", 0600) == 0);
  int left = 0;
  for (int i = 0; i < attempts; ++i) {
    const int both = open("fifo", O_RDWR);
    const int writer = open("fifo", O_WRONLY);
    CHECK(both >= 0 && writer >= 0);
    close(both);
    close(writer);
    const int stale = open("fifo", O_WRONLY | O_NONBLOCK);
    if (stale >= 0 || errno != ENXIO) ++left;
    close(stale);
  }
  CHECK(left == 0);
  printf("fifos: %d attempts, %d with an end left\n", attempts, left);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 0;  // the program that was just written
  const int attempts = atoi(argv[1]);
  LocksAreFree(attempts, O_RDWR);
  LocksAreFree(attempts, O_RDONLY);
  ProgramsCanBeExecuted(attempts / 10);
  FifosHaveNoEndLeft(attempts);
  return Verdict();
}
