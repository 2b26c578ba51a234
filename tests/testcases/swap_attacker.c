/* Somebody else who may write to the shared directory: swaps what a path means, as fast as it can.
 *
 *   swap_attacker exchange A B       RENAME_EXCHANGE of two names, to and fro: A is a file (the
 * last component) or a directory (a parent), B a link that leads outside swap_attacker link-loop P
 * TARGET symlink(TARGET, P) and unlink(P), the `ln -sf` / `rm` loop swap_attacker move-out D OUT
 * moves the directory D away to OUT and back swap_attacker both A B P TARGET  exchange and
 * link-loop by turns
 *
 * Runs until SIGTERM or until its parent ends, puts back what it exchanged or moved, and prints the
 * number of swaps. C without a library: the examples use it too. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t stop_requested;

static void RequestStop(int signal_number) {
  (void)signal_number;
  stop_requested = 1;
}

static void Pause(void) {
  static long pause_us = -1;
  if (pause_us < 0) {
    const char* text = getenv("SWAP_PAUSE_US");
    pause_us = text != NULL ? atol(text) : 0;
  }
  if (pause_us > 0) usleep((useconds_t)pause_us);
}

static int Exchange(const char* a, const char* b) {
  return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
}

/* One turn there and one back; each returns how many of the two succeeded. */
static int ExchangeTurn(const char* a, const char* b) {
  int done = Exchange(a, b);
  Pause();
  done += Exchange(a, b);
  Pause();
  return done;
}

static int LinkTurn(const char* path, const char* target) {
  int done = symlink(target, path) == 0;
  Pause();
  done += unlink(path) == 0;
  Pause();
  return done;
}

static int MoveTurn(const char* home, const char* away) {
  int done = rename(home, away) == 0;
  Pause();
  done += rename(away, home) == 0;
  Pause();
  return done;
}

int main(int argc, char** argv) {
  unsigned long swaps = 0;
  const char* mode = argc > 1 ? argv[1] : "";
  int exchange = strcmp(mode, "exchange") == 0 && argc == 4;
  int link_loop = strcmp(mode, "link-loop") == 0 && argc == 4;
  int move_out = strcmp(mode, "move-out") == 0 && argc == 4;
  int both = strcmp(mode, "both") == 0 && argc == 6;
  if (!exchange && !link_loop && !move_out && !both) {
    fprintf(stderr,
            "usage: swap_attacker exchange A B | link-loop P TARGET | move-out D OUT | both A B P "
            "TARGET\n");
    return 2;
  }
  struct sigaction action = {.sa_handler = RequestStop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  while (!stop_requested) {
    if (exchange || both) swaps += ExchangeTurn(argv[2], argv[3]);
    if (link_loop) swaps += LinkTurn(argv[2], argv[3]);
    if (move_out) swaps += MoveTurn(argv[2], argv[3]);
    if (both) swaps += LinkTurn(argv[4], argv[5]);
  }
  printf("%lu\n", swaps);
  return 0;
}
