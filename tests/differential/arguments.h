// From a step's words to the registers of a system call, hostile memory included, and from what
// the kernel left in the buffers to words again.
#ifndef TESTS_DIFFERENTIAL_ARGUMENTS_H_
#define TESTS_DIFFERENTIAL_ARGUMENTS_H_

#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/differential/ops.h"
#include "tests/differential/program.h"

namespace differential {

// Memory with known edges, mapped once for each program before its first actor is forked.
class HostileMemory {
 public:
  HostileMemory();

  // Room for one step's structures and strings; `Reset` between steps.
  char* Take(size_t size);
  void Reset() { used_ = 0; }

  // `bytes` so placed that the byte behind them is not mapped.
  char* AtEdge(const std::string& bytes);
  char* ReadOnly() { return read_only_; }
  char* Unmapped() { return edge_; }

 private:
  char* arena_;
  size_t used_ = 0;
  char* edge_;  // the first byte that is not mapped
  char* read_only_;
};

struct Registers {
  std::array<long, 6> values = {};
  // What is looked at afterwards.
  char* out = nullptr;
  size_t out_size = 0;
  const struct stat* status = nullptr;
  const struct statx* status_x = nullptr;
};

// The quoted string of a word that is one, wherever in memory it is to lie (@edge"…").
inline std::string_view StringOf(std::string_view word) {
  constexpr std::string_view kAtEdge = "@edge";
  return word.starts_with(kAtEdge) ? word.substr(kAtEdge.size()) : word;
}

// False when the words do not fit the row.
bool FillRegisters(const Op& op, const Step& step, const Places& places, HostileMemory* memory,
                   Registers* registers);

// What the call gave besides its value. Times about `started` and later are "now".
std::string DescribeResult(const Op& op, const Registers& registers, long value, int64_t started);

// Takes the inode number out of what readlink said of an unnamed file ("/#12 (deleted)"): which one
// the file system chose is its own affair. Returns the number of bytes taken out of `size`.
size_t HideInodeNumber(char* target, size_t size);

// A short word for any bytes: quoted, or its length and a hash.
std::string DescribeBytes(const char* bytes, size_t size);

// "now", or seconds.nanoseconds.
std::string DescribeTime(int64_t seconds, int64_t nanoseconds, int64_t started);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_ARGUMENTS_H_
