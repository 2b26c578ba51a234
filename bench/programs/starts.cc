// Times how long programs take from their fork to their end.
//
//   starts COUNT AT_ONCE -- COMMAND [ARGS…]     AT_ONCE of them at the same time, COUNT times
//
// Prints one JSON object: microseconds of one start (of a burst: from the first fork to the last
// end).
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

// False: one of them failed.
bool RunBurst(int at_once, char** command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  bool done = true;
  for (int i = 0; i < at_once; ++i) {
    pid_t child;
    done &= posix_spawnp(&child, command[0], &actions, nullptr, command, environ) == 0;
  }
  posix_spawn_file_actions_destroy(&actions);
  int status;
  while (wait(&status) > 0) done &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5 || strcmp(argv[3], "--") != 0) {
    fprintf(stderr, "usage: starts COUNT AT_ONCE -- COMMAND [ARGS...]\n");
    return 2;
  }
  const int count = atoi(argv[1]);
  const int at_once = atoi(argv[2]);
  std::vector<int64_t> times;
  for (int i = 0; i < count; ++i) {
    const int64_t begin = Now();
    if (!RunBurst(at_once, argv + 4)) {
      fprintf(stderr, "starts: %s failed\n", argv[4]);
      return 1;
    }
    times.push_back(Now() - begin);
  }
  std::sort(times.begin(), times.end());
  const size_t size = times.size();
  printf("{\"p50\":%ld,\"p99\":%ld,\"min\":%ld}\n", static_cast<long>(times[size / 2]),
         static_cast<long>(times[std::min(size - 1, size * 99 / 100)]),
         static_cast<long>(times[0]));
  return 0;
}
