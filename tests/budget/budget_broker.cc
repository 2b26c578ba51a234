// A mediator that serves one caller: everything that a broker does for a call. It raises SIGUSR1
// before those that count (count_instructions begins then).
//
//   budget_broker CALLER CALL ROUNDS
//
// Prints how many of those it has answered; exit code 0 when the caller has ended well.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "policy/policy_compiler.h"
#include "sandbox/base/fd_channel.h"
#include "sandbox/kernel_features.h"
#include "supervisor/mediator/mediator.h"
#include "supervisor/mediator/session_view.h"
#include "supervisor/mediator/syscall_table.h"

namespace sessionctl {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Fail(const std::string& what) {
  fprintf(stderr, "budget_broker: %s\n", what.c_str());
  exit(3);
}

pid_t StartCaller(char** argv, int socket) {
  const pid_t child = fork();
  if (child != 0) return child;
  if (dup2(socket, 3) != 3) _exit(3);
  if (socket == 3) fcntl(3, F_SETFD, 0);
  execv(argv[0], argv);
  _exit(3);
}

int Serve(char** caller, const std::string& directory) {
  SessionPolicy policy;
  Mount mount;
  mount.host = mount.guest = mount.alias = directory;
  policy.mounts.push_back(mount);
  policy.filesystem.view = ViewRule::kHost;  // this process stands in it
  absl::StatusOr<CompiledPolicy> compiled =
      CompilePolicy(policy, {"budget", "nobody"}, ProbeKernelFeatures(), MediatedCalls());
  if (!compiled.ok()) Fail(compiled.status().ToString());
  absl::StatusOr<SessionView> view = SessionView::Create(*compiled);
  if (!view.ok()) Fail(view.status().ToString());
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) Fail("socketpair");
  const pid_t child = StartCaller(caller, ends[1]);
  close(ends[1]);
  SysResult<OwnedFd> listener = ReceiveDescriptor(ends[0]);
  if (!listener.ok()) Fail("no listener came");
  Mediator mediator(*view, Notifier(std::move(*listener)), nullptr);
  // Step by step a call takes so long that nearly all would be spent on watching.
  if (!mediator.workers().Start(std::chrono::hours(1))) Fail("the mediator does not start");
  char byte = 0;
  if (read(ends[0], &byte, 1) != 1) Fail("the caller has gone");
  const uint64_t before = mediator.calls();
  raise(SIGUSR1);
  if (write(ends[0], &byte, 1) != 1) Fail("the caller has gone");
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) {
    Fail("the caller ended with " + std::to_string(status));
  }
  printf("%lu\n", mediator.calls() - before);
  fflush(stdout);
  _exit(0);  // the workers live on
}

}  // namespace
}  // namespace sessionctl

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  char* directory = get_current_dir_name();
  return sessionctl::Serve(argv + 1, std::filesystem::canonical(directory));
}
