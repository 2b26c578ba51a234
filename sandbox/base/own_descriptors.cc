#include "sandbox/base/own_descriptors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace sessionctl {
namespace {

// On a page that the kernel clears in every child (MADV_WIPEONFORK, Linux 4.14), whether it was
// made by fork(2) or by a raw clone(2). One more than the descriptor: 0 is none.
struct Held {
  int descriptor_plus_one;
  bool is_working_directory;
};
Held* held = nullptr;

Held* MakePage() {
  void* page =
      mmap(nullptr, sizeof(Held), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (madvise(page, sizeof(Held), MADV_WIPEONFORK) == 0) return static_cast<Held*>(page);
  munmap(page, sizeof(Held));
  return nullptr;
}

}  // namespace

bool HoldOwnDescriptors() {
  if (held == nullptr) held = MakePage();
  if (held == nullptr) return false;
  if (held->descriptor_plus_one == 0) {
    held->descriptor_plus_one = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC) + 1;
  }
  return held->descriptor_plus_one != 0;
}

bool StandsInOwnDescriptors() { return held != nullptr && held->is_working_directory; }

bool StandInOwnDescriptors() {
  if (OwnDescriptorsDirectory() < 0) return false;
  held->is_working_directory = true;
  return LeaveDirectory();
}

bool LeaveDirectory() {
  if (StandsInOwnDescriptors()) return fchdir(OwnDescriptorsDirectory()) == 0;
  return chdir("/") == 0;
}

int OwnDescriptorsDirectory() { return held == nullptr ? -1 : held->descriptor_plus_one - 1; }

}  // namespace sessionctl
