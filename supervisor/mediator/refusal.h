// Which rule refused a call. Set where a rule says no, read when the answer is known: a handler
// that found another answer after all (EEXIST, a descriptor that the caller had before) was not
// refused. One call's; not for sharing between threads.
#ifndef SUPERVISOR_MEDIATOR_REFUSAL_H_
#define SUPERVISOR_MEDIATOR_REFUSAL_H_

#include <string>
#include <utility>

#include "sandbox/base/sys_result.h"

namespace sessionctl {

class Refusal {
 public:
  // Notes the rule, in words, and returns the errno that it is answered with.
  Errno Note(int error, std::string rule) {
    error_ = error;
    rule_ = std::move(rule);
    return Errno(error);
  }

  // The rule behind an answer (an errno, 0 for success); empty when no rule gave it.
  std::string RuleBehind(int answer) const {
    return error_ != 0 && answer == error_ ? rule_ : std::string();
  }

 private:
  int error_ = 0;
  std::string rule_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_REFUSAL_H_
