// Random programs. The same seed and index give the same program, on every machine.
#ifndef TESTS_DIFFERENTIAL_GENERATOR_H_
#define TESTS_DIFFERENTIAL_GENERATOR_H_

#include <cstdint>

#include "tests/differential/program.h"

namespace differential {

Program Generate(uint64_t seed, uint64_t index);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_GENERATOR_H_
