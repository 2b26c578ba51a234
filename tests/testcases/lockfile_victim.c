/* Takes a lock the way CWE-61 describes: a plain open(O_CREAT | O_TRUNC)
 * that follows whatever link has been put at that name, and writes its pid. A careful version
 * would say O_EXCL | O_NOFOLLOW; nobody can change the programs that do not.
 *
 *   lockfile_victim LOCKFILE [ROUNDS]
 *
 * Prints {"locked":N,"denied":N,"busy":N}; exit code 0 when it locked at least once, 1 otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: lockfile_victim LOCKFILE [ROUNDS]\n");
    return 2;
  }
  const char* path = argv[1];
  long rounds = argc > 2 ? atol(argv[2]) : 1;
  long locked = 0;
  long denied = 0;
  long busy = 0;
  for (long i = 0; i < rounds; ++i) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) {
      ++denied;
      continue;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
      ++busy;
    } else if (dprintf(fd, "%d\n", getpid()) > 0) {
      ++locked;
    }
    close(fd);
    unlink(path); /* the lock is released: the file goes */
  }
  printf("{\"locked\":%ld,\"denied\":%ld,\"busy\":%ld}\n", locked, denied, busy);
  return locked > 0 ? 0 : 1;
}
