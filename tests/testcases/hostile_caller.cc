// A caller whose arguments are as bad as they get. Each mode prints JSON lines; run bare and in a
// session, the lines must be the same, except those of `flip`, `storm` and `killed`, which count.
//
//   errnos                 every path call × every bad argument, below the working directory
//   flip INSIDE OUTSIDE N  a second thread flips the path's bytes between two directories of equal
//                          length during N rounds of every call
//   storm THREADS ROUNDS   threads that create, rename, link and remove at once
//   emfile                 no free descriptor in the caller
//   killed ROUNDS          children killed in the middle of their calls
//   signals ROUNDS         a timer's signal every 200 µs while it creates files with O_EXCL
#include <stdio.h>
#include <stdlib.h>

#include <string>

#include "tests/testcases/hostile_calls.h"

using namespace hostile;  // NOLINT(google-build-using-namespace): this is its main

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "errnos") return RunErrnos();
  if (mode == "flip" && argc == 5) return RunFlip(argv[2], argv[3], atol(argv[4]));
  if (mode == "storm" && argc == 4) return RunStorm(atoi(argv[2]), atoi(argv[3]));
  if (mode == "emfile") return RunEmfile();
  if (mode == "killed" && argc == 3) return RunKilled(atoi(argv[2]));
  if (mode == "signals" && argc == 3) return RunSignals(atoi(argv[2]));
  fprintf(stderr,
          "hostile_caller: errnos | flip INSIDE OUTSIDE N | storm T N | emfile | killed N | "
          "signals N\n");
  return 2;
}
