// What the modes of hostile_caller share: one row a path call, and how to make it.
#ifndef TESTS_TESTCASES_HOSTILE_CALLS_H_
#define TESTS_TESTCASES_HOSTILE_CALLS_H_

#include <string>
#include <vector>

namespace hostile {

// What stands in a row for an argument that the case fills in.
enum : long {
  kPath = -100001,   // the path under test
  kOther = -100002,  // the other path of a two-path call
  kDir = -100003,    // AT_FDCWD, or the case's bad descriptor
};

enum class Leaf { kFile, kDirectory, kFresh };

struct Call {
  const char* name;
  long nr;
  std::vector<long> args;
  Leaf leaf;  // what must stand at the path for the call to succeed
  Leaf other_leaf = Leaf::kFile;
  int flags_arg = -1;              // a flags register, for unknown bits
  std::vector<int> int_args = {};  // 32-bit registers, for garbage in the high halves
};

const std::vector<Call>& Calls();

// -1 and errno, or what the system call returned.
long Make(const Call& call, const std::vector<long>& args);
bool OpensDescriptor(const Call& call);

inline long Pointer(const void* pointer) { return reinterpret_cast<long>(pointer); }

// Makes what a call needs at `path`.
void Put(const std::string& path, Leaf leaf);
// Prints one JSON line; the errno is that of the failed call just made.
void Report(const std::string& call, const std::string& what, long result);

// A part of the mode `errnos`: calls on sockets.
void TrySockets();

// The modes. Each returns the exit code.
int RunErrnos();
int RunFlip(const std::string& inside, const std::string& outside, long rounds);
int RunStorm(int threads, int rounds);
int RunEmfile();
int RunKilled(int rounds);
int RunSignals(int rounds);

}  // namespace hostile

#endif  // TESTS_TESTCASES_HOSTILE_CALLS_H_
