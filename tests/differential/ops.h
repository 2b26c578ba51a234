// The calls that a program is made of: one row a call, used by generator, executor and reader.
#ifndef TESTS_DIFFERENTIAL_OPS_H_
#define TESTS_DIFFERENTIAL_OPS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace differential {

// Each letter of `Op::args` takes one word of the step (H and Z: more) and fills one register
// (those marked *: two, a pointer and a size):
//   d dirfd    f descriptor   p path        t text of a link   N xattr name
//   o open flags   a AT_ flags   r RENAME_ flags   m mode   n number   u uid or gid
//   v* bytes to write   B* buffer to fill, by its size   S struct stat   X struct statx
//   T timespec[2]   V timeval[2]   U utimbuf
//   H* open_how: four words: flags, mode, resolve, size
//   Z* xattr_args: two words: value, flags
//   A* file_attr: one word, its flags
//   w a word that the executor itself understands
struct Op {
  const char* name;
  long nr;  // -1: the executor's own
  const char* args;
  int weight;  // how often the generator takes it
  bool returns_fd = false;
};

// How many words of a step a letter takes, and how many registers it fills.
constexpr size_t WordsOf(char letter) { return letter == 'H' ? 4 : letter == 'Z' ? 2 : 1; }
constexpr size_t RegistersOf(char letter) {
  return letter == 'H' || letter == 'Z' || letter == 'v' || letter == 'B' || letter == 'A' ? 2 : 1;
}

const std::vector<Op>& Ops();
const Op* FindOp(const std::string& name);

// "O_RDWR|O_CREAT|0x10" and the like; all names of the letters o, a, r and n.
int64_t ParseNumber(const std::string& word);

struct NamedNumber {
  const char* name;
  int64_t value;
};
const std::vector<NamedNumber>& OpenFlagNames();
const std::vector<NamedNumber>& AtFlagNames();
const std::vector<NamedNumber>& OtherNames();

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_OPS_H_
