// Between fork and exec: the child's side of starting a session's command. Everything is prepared
// before the fork; RunChild and what it calls are async-signal-safe.
#ifndef SANDBOX_LAUNCH_H_
#define SANDBOX_LAUNCH_H_

#include <linux/filter.h>
#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/own_memory.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/capabilities.h"
#include "sandbox/landlock.h"
#include "sandbox/limits.h"

namespace sessionctl {

// What went wrong in the child, as it comes over the status pipe. All zero: the command was
// executed.
struct LaunchFailure {
  enum class Stage : uint32_t {
    kNone,
    kDescriptors,
    kAttributes,
    kWorkingDirectory,
    kCgroup,
    kLimits,
    kLandlock,
    kFilter,
    kBroker,  // the broker did not take the listener
    kTerminal,
    kInit,
    kExec,
  };
  Stage stage = Stage::kNone;
  int error = 0;
};
const char* LaunchStageName(LaunchFailure::Stage stage);

// Closes every descriptor from 3 on that is not in `keep` (sorted). Async-signal-safe.
void CloseAllBut(const std::vector<int>& keep);

// The parts that the session's init uses for each program that it starts, too.
// Every signal at its default, except those that were ignored by whoever called us (nohup).
void ResetSignals(const sigset_t& mask);
// As execvp along a path: the first that can be executed. EACCES is remembered, a script without
// "#!" goes to the shell: `shell_argv` is {"/bin/sh", (filled in), argv[1], …}. Returns the errno.
int ExecuteFirst(char* const* paths, char* const* argv, char** shell_argv,
                 char* const* environment);

class LaunchPlan {
 public:
  // `program_paths` are tried in order, as execvp does along PATH.
  LaunchPlan(std::vector<std::string> program_paths, std::vector<std::string> argv,
             std::vector<std::string> environment);
  LaunchPlan(const LaunchPlan&) = delete;
  LaunchPlan& operator=(const LaunchPlan&) = delete;

  int stdio[3] = {0, 1, 2};
  std::vector<int> keep_fds;  // beyond 0, 1, 2; sorted
  std::string working_directory;
  bool own_terminal_session = false;       // setsid: detached
  bool controlling_terminal = false;       // … and stdio[0] is its terminal
  sigset_t signal_mask = {};               // what the command starts with
  std::optional<CapabilitySet> keep_only;  // of the broker's capabilities; nullopt: all
  std::optional<mode_t> umask;             // nullopt: the caller's
  int nice = 0;                            // added
  bool needs_own_keyring = false;          // else it stays in the one it has
  std::vector<ResourceLimit> limits;
  int cgroup_procs = -1;  // of the cgroup to enter, -1: it is there already, or there is none
  const LandlockRuleset* ruleset = nullptr;  // nullptr only under best_effort
  const std::vector<sock_filter>* filter = nullptr;
  int channel = -1;  // to the broker: the listener goes out, one byte comes back
  // The listener is not sent, but named by its number, for the broker to duplicate: the filter
  // holds sendmsg(2) up for the broker, who does not serve yet.
  bool lend_listener = false;
  int status = -1;  // write end of the status pipe, close-on-exec

  // A second process inside, the session's init, that starts others later: what it does from its
  // birth on, nullptr: none. It is the broker's child like the command, in a terminal session of
  // its own, behind the same walls, but not yet under `limits`. It has no descriptor but /dev/null
  // three times and `init_channel`.
  void (*run_init)(const LaunchPlan& plan) = nullptr;
  int init_channel = -1;
  int null = -1;
  OwnMemory memory;  // init lets go of all that was ever allocated

  // Never returns. Fences the calling process in, hands the listener to the broker, starts the
  // session's init (its process id goes over `channel`), executes the command.
  [[noreturn]] void RunChild() const;

 private:
  [[noreturn]] void Fail(LaunchFailure::Stage stage, int error) const;
  bool ArrangeDescriptors() const;
  bool SetAttributes() const;
  [[noreturn]] void BecomeInit() const;
  bool StartInit() const;
  [[noreturn]] void Execute() const;

  std::vector<std::string> program_paths_;
  std::vector<std::string> argv_;
  std::vector<std::string> environment_;
  std::vector<char*> program_path_pointers_;
  std::vector<char*> argv_pointers_;
  std::vector<char*> shell_argv_pointers_;  // for a script without "#!", as execvp runs it
  std::vector<char*> environment_pointers_;
};

}  // namespace sessionctl

#endif  // SANDBOX_LAUNCH_H_
