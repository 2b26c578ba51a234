// What `exec` has started in a session, each with its client: the monitor's side. The session's
// init does the starting (session_init.h).
#ifndef SUPERVISOR_EXECUTED_PROGRAMS_H_
#define SUPERVISOR_EXECUTED_PROGRAMS_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/attached_client.h"
#include "supervisor/poll_loop.h"
#include "supervisor/program_streams.h"
#include "supervisor/session_control.h"
#include "supervisor/session_init.h"

namespace sessionctl {

struct ExecutionContext {
  InitChannel init;
  std::vector<std::string> environment;  // the session's
  uid_t owner = 0;                       // whom the session runs as
  int terminals_fd = -1;                 // to the broker (mediator/terminals.h); stays the caller's
  bool own_view = false;                 // the session has a /dev/pts of its own
};

// With TERM, where nothing says what the terminal is.
std::vector<std::string> EnvironmentForTerminal(std::vector<std::string> environment);

class ExecutedPrograms {
 public:
  using Clock = AttachedClient::Clock;

  explicit ExecutedPrograms(ExecutionContext context) : context_(std::move(context)) {}

  // Takes the stream over. Errors, for who asks: kFailedPrecondition (no init, or it does not
  // answer), kResourceExhausted, kInvalidArgument (too large).
  absl::Status Start(const ControlRequest& request, OwnedFd* stream);

  // The session's command, which stands in its view; before the first Start().
  void SetCommand(pid_t command);

  void Watch(PollLoop* loop);
  std::optional<Clock::time_point> deadline() const;
  // The session is over: what it executed is gone.
  void End();
  bool has_clients() const;
  size_t client_count() const { return programs_.size(); }

 private:
  struct Program {
    uint32_t id;
    std::string name;
    ProgramStreams streams;
    AttachedClient client;
    bool started = false;
    bool ended = false;
    Clock::time_point must_start_by;
    std::optional<InitAnswer> failure;
  };

  absl::Status CheckRoom();
  SysResult<OwnedFd> OpenOwnMultiplexer() const;
  SysResult<ProgramStreams> MakeTerminal(TerminalSize size) const;
  absl::Status Ask(const ControlRequest& request, uint32_t id, ProgramStreams* streams);
  void Announce(const ProgramStreams& streams) const;
  void LookAfter(Program* program, Clock::time_point now);
  void CopyOutput(Program* program, FrameType type);
  void HearInit();
  bool Take(const InitAnswer& answer);
  void LoseInit(const char* why);
  void TellOfLostInit();
  void Finish(Program* program, int wait_status);

  ExecutionContext context_;
  OwnedFd command_;  // a pidfd
  std::string command_root_;
  const char* init_lost_ = nullptr;  // why
  std::optional<Clock::time_point> tell_at_;
  uint32_t last_id_ = 0;
  std::vector<std::unique_ptr<Program>> programs_;  // handlers refer to them
};

}  // namespace sessionctl

#endif  // SUPERVISOR_EXECUTED_PROGRAMS_H_
