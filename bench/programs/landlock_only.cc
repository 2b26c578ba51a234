// Executes a command in a Landlock domain and nothing else: what a session's native calls are
// compared with.
//
//   landlock_only DIRECTORY -- COMMAND [ARGS…]     everything may be read and executed; DIRECTORY
//   may be written
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "sandbox/landlock.h"

using namespace sessionctl;

int main(int argc, char** argv) {
  if (argc < 4 || strcmp(argv[2], "--") != 0) {
    fprintf(stderr, "usage: landlock_only DIRECTORY -- COMMAND [ARGS...]\n");
    return 2;
  }
  constexpr uint64_t kRead = landlock::kFsExecute | landlock::kFsReadFile | landlock::kFsReadDir;
  constexpr uint64_t kAll = (landlock::kFsTruncate << 1) - 1;
  absl::StatusOr<LandlockRuleset> ruleset = LandlockRuleset::Create(kAll, 0, 0);
  const int root = open("/", O_PATH | O_CLOEXEC);
  const int directory = open(argv[1], O_PATH | O_CLOEXEC);
  const int null = open("/dev/null", O_PATH | O_CLOEXEC);
  if (!ruleset.ok() || !ruleset->Allow(root, kRead).ok() || !ruleset->Allow(directory, kAll).ok() ||
      !ruleset->Allow(null, kAll).ok() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      !ruleset->RestrictSelf().ok()) {
    fprintf(stderr, "landlock_only: no Landlock domain\n");
    return 125;
  }
  execvp(argv[3], argv + 3);
  perror(argv[3]);
  return 127;
}
