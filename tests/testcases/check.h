// What the testcases use to say that something is not as the manual says: one line on standard
// error, and exit code 1 at the end. Threads may check at once.
#ifndef TESTS_TESTCASES_CHECK_H_
#define TESTS_TESTCASES_CHECK_H_

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

inline std::atomic<int> failed_checks = 0;

inline bool CheckThat(bool holds, const char* what, const char* file, int line) {
  if (holds) return true;
  const int error = errno;
  // A flood says no more than its beginning.
  if (failed_checks++ < 10) {
    fprintf(stderr, "%s:%d: not so: %s (errno %d, %s)\n", file, line, what, error, strerror(error));
  }
  return false;
}

#define CHECK(condition) CheckThat((condition), #condition, __FILE_NAME__, __LINE__)

inline int Verdict() { return failed_checks == 0 ? 0 : 1; }

// Waits for a child, whatever signals come.
inline int AwaitChild(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

inline bool ExitedWith(int status, int code) {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}
inline bool KilledBy(int status, int signal_number) {
  return WIFSIGNALED(status) && WTERMSIG(status) == signal_number;
}

#endif  // TESTS_TESTCASES_CHECK_H_
