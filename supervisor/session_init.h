// The session's init: a small process inside a spawned session, behind the same walls as the
// command, that starts what `exec` asks for. It is born by the command's own process just before
// that executes the command (sandbox/launch.h), and hears requests from the monitor over a socket.
// The session may take it over, stop it or kill it. So the monitor believes nothing it says:
// answers have a fixed size, and one that nobody asked for ends the conversation.
#ifndef SUPERVISOR_SESSION_INIT_H_
#define SUPERVISOR_SESSION_INIT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/launch.h"

namespace sessionctl {

// Programs that init has started and that have not ended.
inline constexpr size_t kMaxExecuted = 32;
inline constexpr size_t kMaxInitRequest = size_t{192} * 1024;  // bytes; a message of a socket

// What goes before the texts of a request: the working directory, the paths to try, argv, the
// environment, each with its NUL.
struct InitRequestHeader {
  uint32_t id;
  uint32_t terminal;
  uint32_t paths, arguments, variables;
};

// Init itself (LaunchPlan::run_init). Never returns.
[[noreturn]] void RunSessionInit(const LaunchPlan& plan);

struct InitStart {
  uint32_t id = 0;
  bool terminal = false;          // stdio[0] becomes its controlling terminal
  std::string working_directory;  // "": the session's own
  std::vector<std::string> program_paths, argv, environment;
};

struct InitAnswer {
  enum class Kind : uint32_t { kStarted, kFailed, kEnded };
  Kind kind;
  uint32_t id;
  int32_t value;               // kFailed: an errno. kEnded: a wait status
  LaunchFailure::Stage stage;  // of kFailed
};

// The monitor's end (init_channel.cc).
class InitChannel {
 public:
  // A pair of connected ends; errors: those of socketpair(2).
  static SysResult<InitChannel> Create(OwnedFd* inits_end);

  int fd() const { return socket_.get(); }
  bool is_open() const { return socket_.valid(); }
  void Close() { socket_.Reset(); }

  // Does not wait. Errors: EMSGSIZE (too large), EAGAIN (init does not take its requests), EPIPE
  // (it is gone).
  SysStatus Send(const InitStart& start, const int (&stdio)[3]);
  // nullopt: nothing waits. Errors: EPIPE (init is gone), EBADMSG (this is no answer).
  SysResult<std::optional<InitAnswer>> Receive();

 private:
  OwnedFd socket_;  // SOCK_SEQPACKET
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_INIT_H_
