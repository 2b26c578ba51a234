// A terminal of a program's own, driven as a person drives it: typed at, looked at.
#ifndef TESTS_INTEGRATION_TERMINAL_H_
#define TESTS_INTEGRATION_TERMINAL_H_

#include <sys/types.h>

#include <functional>
#include <string>

namespace sessionctl {

class Terminal {
 public:
  // `in_child` runs as the leader of the terminal's session, and executes something.
  explicit Terminal(const std::function<void()>& in_child);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void Type(const std::string& text);
  // Reads until `text` has been seen after what was seen before; false after a generous while.
  bool See(const std::string& text);
  // What has come and was not yet looked for.
  const std::string& seen() const { return seen_; }
  // Tells the foreground group (SIGWINCH), as a terminal emulator does.
  void Resize(int rows, int columns);

 private:
  pid_t shell_ = -1;
  int fd_ = -1;
  std::string seen_;
};

}  // namespace sessionctl

#endif  // TESTS_INTEGRATION_TERMINAL_H_
