// Sessions under another broker than the product's (tests/walls), for the lifetime of the object.
#ifndef TESTS_ESCAPE_USE_BROKER_H_
#define TESTS_ESCAPE_USE_BROKER_H_

#include <cstdlib>
#include <string>

#include "tests/harness/user_and_view.h"

namespace escape {

class UseBroker {
 public:
  explicit UseBroker(const std::string& variant) {
    const char* before = getenv("SESSIONCTL");
    if (before != nullptr) before_ = before;
    setenv("SESSIONCTL", harness::Built("sessionctl_" + variant).c_str(), 1);
  }
  ~UseBroker() {
    if (before_.empty()) {
      unsetenv("SESSIONCTL");
    } else {
      setenv("SESSIONCTL", before_.c_str(), 1);
    }
  }
  UseBroker(const UseBroker&) = delete;
  UseBroker& operator=(const UseBroker&) = delete;

 private:
  std::string before_;
};

}  // namespace escape

#endif  // TESTS_ESCAPE_USE_BROKER_H_
