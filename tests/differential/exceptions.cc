#include "tests/differential/exceptions.h"

#include <cerrno>

#include "tests/differential/ops.h"

namespace differential {
namespace {

const Exception kExceptions[] = {
    // Making a device is refused before its name is looked at; the one that needs no capability is
    // the white-out (0, 0).
    {"whiteout-device",
     [](const Step& step, const StepResult& bare, const StepResult& inside) {
       return step.op.starts_with("mknod") && bare.value == 0 && inside.value == -EPERM &&
              step.args.back() == "0";
     },
     true},
};

}  // namespace

const Exception* FindException(const Step& step, const StepResult& bare, const StepResult& inside) {
  for (const Exception& exception : kExceptions) {
    if (exception.covers(step, bare, inside)) return &exception;
  }
  return nullptr;
}

}  // namespace differential
