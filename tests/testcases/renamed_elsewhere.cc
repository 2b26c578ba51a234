// While directories are renamed all the time, which makes the kernel unsure of each ".." in a path
// that is resolved beneath a directory (openat2(2), EAGAIN), open(2) finds what it always finds.
// Runs in a directory of its own; exit code 1 when a call fails.
//
//   renamed_elsewhere ATTEMPTS
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <string>

#include "tests/testcases/check.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int attempts = atoi(argv[1]);
  CHECK(mkdir("a", 0700) == 0 && mkdir("here", 0700) == 0 && mkdir("there", 0700) == 0);
  close(open("file", O_WRONLY | O_CREAT, 0600));
  const pid_t renamer = fork();
  while (renamer == 0) {
    rename("here", "there/here");
    rename("there/here", "here");
  }
  std::string up_and_down;
  for (int i = 0; i < 300; ++i) up_and_down += "a/../";
  int failed = 0;
  for (int i = 0; i < attempts; ++i) {
    const int existing = open((up_and_down + "file").c_str(), O_WRONLY);
    const int made = open((up_and_down + "new").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    const bool removed = unlink((up_and_down + "new").c_str()) == 0;
    if (existing < 0 || made < 0 || !removed) ++failed;
    close(existing);
    close(made);
  }
  kill(renamer, SIGKILL);
  AwaitChild(renamer);
  printf("%d attempts, %d failed\n", attempts, failed);
  return failed == 0 ? 0 : 1;
}
