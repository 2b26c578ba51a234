// Two runs of one program, side by side, and what may differ between them.
#ifndef TESTS_DIFFERENTIAL_COMPARE_H_
#define TESTS_DIFFERENTIAL_COMPARE_H_

#include <map>
#include <string>

#include "tests/differential/batch.h"
#include "tests/differential/program.h"

namespace differential {

struct Difference {
  bool found = false;
  size_t step = 0;        // kMaxSteps: in the tree
  std::string signature;  // the same for differences of one kind
  std::string text;       // in words, a few lines
};

// How often each exception was made use of.
using ExceptionCounts = std::map<std::string, long>;

Difference Compare(const Program& program, const Run& bare, const Run& inside,
                   ExceptionCounts* exceptions);

// The result of a step in words.
std::string Describe(const StepResult& result);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_COMPARE_H_
