// One program's actors: who makes which step, and how the turn passes on. Runs in the executor.
#ifndef TESTS_DIFFERENTIAL_ACTORS_H_
#define TESTS_DIFFERENTIAL_ACTORS_H_

#include <string>

#include "tests/differential/program.h"
#include "tests/differential/shared_area.h"

namespace differential {

struct Scene {
  const Program* program;
  ProgramResult* result;
  SharedArea* area;
  std::string root;  // the program's own directory
  // The one call whose answer the executor falsifies; "": none. For the tester's own test.
  std::string lie;
  // A directory: the mount, seen without access times; -1 in a session (whereabouts.h).
  int mount_view = -1;
};

// Forks the first actor and waits until all steps are made, or nobody moves for a minute.
void Conduct(const Scene& scene);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_ACTORS_H_
