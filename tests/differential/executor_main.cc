// Runs the programs that lie in the shared area, one after the other, each in its own directory and
// in fresh processes. Bare or in a session, that is not its business.
//
//   executor [--lie OP]       OP's EEXIST is reported as EACCES
//   executor --mount-view     there is a view of the mount (whereabouts.h)
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/differential/actors.h"
#include "tests/differential/program.h"
#include "tests/differential/shared_area.h"

int main(int argc, char** argv) {
  using namespace differential;
  void* memory =
      mmap(nullptr, sizeof(SharedArea), PROT_READ | PROT_WRITE, MAP_SHARED, kSharedFd, 0);
  if (memory == MAP_FAILED) {
    perror("executor: the shared area");
    return 2;
  }
  auto* area = static_cast<SharedArea*>(memory);
  std::string error;
  const auto programs = FromText(std::string_view(area->text, area->text_size), &error);
  if (!programs.has_value() || programs->size() > kMaxPrograms) {
    fprintf(stderr, "executor: %s\n", error.c_str());
    return 2;
  }
  Scene scene = {};
  scene.area = area;
  if (argc == 2 && strcmp(argv[1], "--mount-view") == 0) scene.mount_view = kMountViewFd;
  if (argc == 3 && strcmp(argv[1], "--lie") == 0) scene.lie = argv[2];
  for (size_t i = 0; i < programs->size(); ++i) {
    scene.program = &(*programs)[i];
    scene.result = &area->results[i];
    scene.root = std::string(area->mount) + "/p" + std::to_string(i);
    Conduct(scene);
  }
  return 0;
}
