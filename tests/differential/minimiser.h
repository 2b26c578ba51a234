// The shortest program that still shows a difference: delta debugging over steps and scene, many
// candidates a session.
#ifndef TESTS_DIFFERENTIAL_MINIMISER_H_
#define TESTS_DIFFERENTIAL_MINIMISER_H_

#include "tests/differential/batch.h"
#include "tests/differential/compare.h"
#include "tests/differential/program.h"

namespace differential {

// `program` differs between bare and `way`. The result does too, and no single line of it can be
// left out; `difference` is its own.
Program Minimise(Batch* batch, const Program& program, Way way, Difference* difference);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_MINIMISER_H_
