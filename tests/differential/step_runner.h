// One step: the system call with its words filled in, and what came of it. Runs in an actor.
#ifndef TESTS_DIFFERENTIAL_STEP_RUNNER_H_
#define TESTS_DIFFERENTIAL_STEP_RUNNER_H_

#include "tests/differential/actors.h"
#include "tests/differential/program.h"
#include "tests/differential/shared_area.h"

namespace differential {

// Once, in the first actor, before any step.
void PrepareSteps();

void RunStep(const Scene& scene, const Step& step, StepResult* result);

}  // namespace differential

#endif  // TESTS_DIFFERENTIAL_STEP_RUNNER_H_
