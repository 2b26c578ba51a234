#include "sandbox/base/raw_log.h"

#include <unistd.h>

#include <cstring>

namespace sessionctl {
namespace {

// Appends to a fixed line; what does not fit is cut.
class Line {
 public:
  void Add(const char* text) {
    size_t size = strlen(text);
    if (size > sizeof(text_) - used_) size = sizeof(text_) - used_;
    memcpy(text_ + used_, text, size);
    used_ += size;
  }
  void AddNumber(int number) {
    char digits[12];
    size_t at = sizeof(digits);
    digits[--at] = '\0';
    do {
      digits[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    Add(digits + at);
  }
  void Write() const {
    if (write(STDERR_FILENO, text_, used_) < 0) return;  // nowhere left to say so
  }

 private:
  char text_[512];
  size_t used_ = 0;
};

}  // namespace

void RawLog(const char* what, int error) {
  Line line;
  line.Add("sessionctl: ");
  line.Add(what);
  if (error > 0) {
    const char* name = strerrorname_np(error);  // a table look-up: async-signal-safe
    line.Add(": ");
    line.Add(name != nullptr ? name : "errno");
    line.Add(" (");
    line.AddNumber(error);
    line.Add(")");
  }
  line.Add("\n");
  line.Write();
}

}  // namespace sessionctl
