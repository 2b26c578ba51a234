#include "tests/harness/child.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace harness {
namespace {

using Clock = std::chrono::steady_clock;

void ReadToEnd(int fd, std::string* text) {
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n > 0) {
      text->append(buffer, static_cast<size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      break;
    }
  }
  close(fd);
}

// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void BecomeCommand(const Command& command, char* const* argv, int out, int err) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(out, 1);
  dup2(err, 2);
  if (command.as_user.has_value()) {
    const uid_t uid = *command.as_user;
    if (setgroups(command.groups.size(), command.groups.data()) < 0 ||
        setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0) {
      _exit(124);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of credentials clears it
  }
  if (!command.directory.empty() && chdir(command.directory.c_str()) < 0) _exit(123);
  execvp(argv[0], argv);
  _exit(127);
}

}  // namespace

Child::Child(const Command& command) : time_limit_(command.time_limit) {
  std::vector<char*> argv;
  for (const std::string& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  int out[2];
  int err[2];
  if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
    perror("harness: pipe2");
    abort();
  }
  pid_ = fork();
  if (pid_ == 0) BecomeCommand(command, argv.data(), out[1], err[1]);
  close(out[1]);
  close(err[1]);
  setpgid(pid_, pid_);
  out_reader_ = std::thread(ReadToEnd, out[0], &outcome_.out);
  err_reader_ = std::thread(ReadToEnd, err[0], &outcome_.err);
}

Child::~Child() {
  if (!reaped_) {
    kill(-pid_, SIGKILL);
    kill(pid_, SIGKILL);
    int status;
    waitpid(pid_, &status, 0);
  }
  if (out_reader_.joinable()) out_reader_.join();
  if (err_reader_.joinable()) err_reader_.join();
}

void Child::Signal(int signal_number) {
  if (!reaped_) kill(pid_, signal_number);
}

void Child::Reap(int status) {
  reaped_ = true;
  outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Child::Running() {
  if (reaped_) return false;
  int status;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  Reap(status);
  return false;
}

Outcome Child::Wait() {
  const Clock::time_point deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                        std::chrono::duration<double>(time_limit_));
  while (Running()) {
    if (Clock::now() > deadline) {
      outcome_.timed_out = true;
      kill(-pid_, SIGKILL);
      kill(pid_, SIGKILL);
      int status;
      waitpid(pid_, &status, 0);
      Reap(status);
      break;
    }
    poll(nullptr, 0, 2);
  }
  out_reader_.join();
  err_reader_.join();
  return outcome_;
}

Outcome Run(const Command& command) {
  Child child(command);
  return child.Wait();
}

bool RunningAsRoot() { return geteuid() == 0; }

}  // namespace harness
