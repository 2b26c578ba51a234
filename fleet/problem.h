// Errors of the control API: application/problem+json (RFC 9457) with a code that stays the same
// and the field that was wrong.
#ifndef FLEET_PROBLEM_H_
#define FLEET_PROBLEM_H_

#include <string>

#include "absl/status/status.h"
#include "fleet/exchange.h"

namespace sessionctl {

const char* StatusText(int status);

HttpReply Problem(int status, const std::string& code, const std::string& detail,
                  const std::string& field = "");
// kNotFound 404, kInvalidArgument 400, kFailedPrecondition and kAlreadyExists 409,
// kResourceExhausted 503 …
HttpReply ProblemOf(const absl::Status& status, const std::string& field = "");

}  // namespace sessionctl

#endif  // FLEET_PROBLEM_H_
