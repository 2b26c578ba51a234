// Programs that a test runs: started, waited for, their output collected.
#ifndef TESTS_HARNESS_CHILD_H_
#define TESTS_HARNESS_CHILD_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace harness {

struct Command {
  std::vector<std::string> argv;      // argv[0] is looked up in PATH
  std::string directory = {};         // working directory; "": the test's own
  std::optional<uid_t> as_user = {};  // drops to this uid and gid, without groups (needs root)
  std::vector<gid_t> groups = {};     // … but these, then
  double time_limit = 120;            // seconds; then SIGKILL
};

struct Outcome {
  int exit_code = -1;  // 128 + n when a signal ended it
  bool timed_out = false;
  std::string out;
  std::string err;
};

// A running program. Its standard input is /dev/null; its process group is its own; it is killed
// when the object goes.
class Child {
 public:
  explicit Child(const Command& command);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal_number);
  bool Running();  // reaps it when it has ended
  Outcome Wait();  // once

 private:
  void Reap(int status);

  pid_t pid_ = -1;
  double time_limit_;
  bool reaped_ = false;
  Outcome outcome_;
  std::thread out_reader_;
  std::thread err_reader_;
};

// Starts it and waits.
Outcome Run(const Command& command);

// Is a feature missing that a test needs? GTEST_SKIP() << "needs …" is for the caller; this says
// whether uid 0.
bool RunningAsRoot();

}  // namespace harness

#endif  // TESTS_HARNESS_CHILD_H_
