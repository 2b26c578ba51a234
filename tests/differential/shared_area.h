// The memory that driver and executor share: programs go in as text, results come out, and no
// system call is made on the way. An inherited memfd, mapped by both; also the place where the
// actors of a program hand over to each other.
#ifndef TESTS_DIFFERENTIAL_SHARED_AREA_H_
#define TESTS_DIFFERENTIAL_SHARED_AREA_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tests/differential/program.h"

namespace differential {

inline constexpr int kSharedFd = 3;  // its number in the executor
inline constexpr int kMountViewFd = 101;
inline constexpr size_t kMaxPrograms = 100;
inline constexpr size_t kTextLimit = size_t{4} << 20;

struct StepResult {
  enum State : uint32_t { kNotRun = 0, kDone, kNoActor, kOutside, kDied };
  State state;
  uint32_t signals;      // SIGXFSZ that came meanwhile
  int64_t value;         // of the system call; an error is -errno
  uint32_t whereabouts;  // whereabouts.h; bare only
  uint32_t text_size;
  char text[232];  // what the call gave besides, in words
};

struct ProgramResult {
  uint32_t finished;  // 1: all steps were made; 2: somebody never came back
  uint32_t step;      // where
  StepResult steps[kMaxSteps];
};

struct SharedArea {
  // From the driver.
  uint32_t program_count;
  uint32_t text_size;
  int64_t started;  // seconds since 1970; times about then are "now"
  char mount[4096];
  // Of the program that runs.
  std::atomic<uint32_t> current;  // futex: the step to be made; all actors wait on it
  std::array<std::atomic<pid_t>, kMaxActors> process;  // 0: not there
  std::array<std::atomic<int>, kMaxSlots> slots;
  // To the driver.
  std::array<ProgramResult, kMaxPrograms> results;
  char text[kTextLimit];
};

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_SHARED_AREA_H_
