// File-system calls that never wait, while signals, stops and kills come: they happen and succeed,
// or they fail and did not happen. Bare, none of them ever gives EINTR (signal(7)). Runs in a
// directory of its own; exit code 1 when a call contradicts what it left behind.
//
//   interrupted_calls alarms ROUNDS restart|interrupt   a timer's signal every millisecond
//   interrupted_calls stops ROUNDS                      SIGSTOP and SIGCONT, again and again
//   interrupted_calls kills CHILDREN                    SIGKILL at any moment
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <csignal>
#include <string>

#include "tests/testcases/check.h"

namespace {

volatile sig_atomic_t signals = 0;
long calls = 0;
long interrupted = 0;

// stat(2) is native: the truth about what a mediated call did.
bool There(const char* path) { return access(path, F_OK) == 0; }

// One call: does its answer agree with the tree? An interrupted one is made again.
template <typename Call, typename Done>
int Make(Call call, Done done) {
  for (;;) {
    ++calls;
    const int result = call();
    const int error = errno;
    if (result >= 0) {
      CHECK(done());
      return result;
    }
    errno = error;
    if (!CHECK(error == EINTR)) return result;
    ++interrupted;
    CHECK(!done());
  }
}

void Spin(long turns) {
  std::atomic<long> turned = 0;
  while (turned < turns) ++turned;
}

void Round() {
  Make([] { return mkdir("d", 0755); }, [] { return There("d"); });
  const int fd =
      Make([] { return open("f", O_CREAT | O_EXCL | O_WRONLY, 0644); }, [] { return There("f"); });
  struct stat opened;
  struct stat named;
  CHECK(fstat(fd, &opened) == 0 && stat("f", &named) == 0 && opened.st_ino == named.st_ino);
  close(fd);
  Make([] { return rename("f", "d/g"); }, [] { return There("d/g") && !There("f"); });
  Make([] { return symlink("g", "d/s"); }, [] { return There("d/s"); });
  Make([] { return unlink("d/s"); }, [] { return !There("d/s"); });
  Make([] { return unlink("d/g"); }, [] { return !There("d/g"); });
  Make([] { return rmdir("d"); }, [] { return !There("d"); });
}

void Alarms(int rounds, bool restart) {
  struct sigaction action = {};
  action.sa_handler = [](int) { signals = signals + 1; };
  action.sa_flags = restart ? SA_RESTART : 0;
  CHECK(sigaction(SIGALRM, &action, nullptr) == 0);
  const itimerval every = {{0, 1000}, {0, 1000}};
  CHECK(setitimer(ITIMER_REAL, &every, nullptr) == 0);
  for (int i = 0; i < rounds; ++i) Round();
  const itimerval never = {};
  CHECK(setitimer(ITIMER_REAL, &never, nullptr) == 0);
  CHECK(signals > 0);
}

void Stops(int rounds) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < rounds; ++i) Round();
    CHECK(interrupted == 0);
    _exit(Verdict());
  }
  int status = 0;
  long stops = 0;
  for (;;) {
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    if (!WIFSTOPPED(status)) break;
    ++stops;
    kill(child, SIGCONT);
    Spin(stops % 100 * 1000);
  }
  CHECK(ExitedWith(status, 0) && stops > 0);
}

// A child that is killed anywhere leaves one of two names, never both and never none.
void Kills(int children) {
  CHECK(close(open("one", O_CREAT | O_WRONLY, 0600)) == 0);
  for (int i = 0; i < children; ++i) {
    int ready[2];
    CHECK(pipe(ready) == 0);
    const pid_t child = fork();
    if (child == 0) {
      for (bool told = false;; told = true) {
        if (rename("one", "other") != 0 && rename("other", "one") != 0) _exit(1);
        const int fd = open("made", O_CREAT | O_RDWR, 0600);
        if (fd < 0 || unlink("made") != 0) _exit(2);
        close(fd);
        if (!told && write(ready[1], "r", 1) != 1) _exit(3);
      }
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    Spin(i % 200 * 500);
    kill(child, SIGKILL);
    CHECK(KilledBy(AwaitChild(child), SIGKILL));
    // What the dead child asked for may still be carried out, as a call on another processor would:
    // but only one of the names is there.
    CHECK(There("one") != There("other") || There("one") != There("other"));
    unlink("made");
    CHECK(mkdir("after", 0700) == 0 && rmdir("after") == 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[1] : "";
  const int count = argc > 2 ? atoi(argv[2]) : 0;
  const bool restart = argc > 3 && std::string(argv[3]) == "restart";
  if (what == "alarms") {
    Alarms(count, restart);
    printf("%ld calls succeeded\n", calls - interrupted);
    if (!restart) fprintf(stderr, "interrupted %ld signals %d\n", interrupted, int{signals});
    CHECK(!restart || interrupted == 0);
  } else if (what == "stops") {
    Stops(count);
    printf("%d rounds under stops\n", count);
  } else if (what == "kills") {
    Kills(count);
    printf("%d killed\n", count);
  } else {
    return 2;
  }
  return Verdict();
}
