// How the world outside talks to a session that runs: its monitor's control socket
// (session_control.h), the clients that are attached to its streams, and those that execute
// something in it. Its output goes through here to the log and to them. One thread; waits for
// nobody: a client that does not keep up reads on from the log, and is dropped when the log has
// lost what it would have had to read.
#ifndef SUPERVISOR_SESSION_CONSOLE_H_
#define SUPERVISOR_SESSION_CONSOLE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sandbox/base/owned_fd.h"
#include "supervisor/attached_client.h"
#include "supervisor/executed_programs.h"
#include "supervisor/poll_loop.h"
#include "supervisor/program_streams.h"
#include "supervisor/session_control.h"
#include "supervisor/session_log.h"

namespace sessionctl {

inline constexpr size_t kMaxClients = 64;

class SessionConsole {
 public:
  // `directory` is the session's; it and `log` must outlive this. `streams` are the command's.
  SessionConsole(int directory, SessionLog* log, ProgramStreams streams, ExecutionContext context);
  ~SessionConsole();
  SessionConsole(const SessionConsole&) = delete;
  SessionConsole& operator=(const SessionConsole&) = delete;

  // Makes the control socket. Errors: those of bind(2).
  absl::Status Listen();

  // Whoever carries out requests that are about mounts, and answers them.
  using MountRequests = std::function<void(const ControlRequest& request, OwnedFd client)>;
  void TakeMountRequests(MountRequests take) { mount_requests_ = std::move(take); }

  // Its process id, when it has been executed.
  void SetCommand(pid_t command) { executed_.SetCommand(command); }

  // For the next turn of the monitor's loop; `Timeout` in milliseconds, -1: none.
  void Watch(PollLoop* loop);
  int Timeout() const;

  ProgramStreams& streams() { return streams_; }
  // Reads what the session has written until nothing is left. For its end: somebody outside may
  // still hold, and use, its streams.
  void DrainOutput();
  // Nobody new; those who are here learn how the session ended.
  void End(const StreamExit& exit);
  bool has_clients() const;
  // Until all clients have taken what is theirs, or take nothing any more.
  void Linger();

 private:
  using Clock = AttachedClient::Clock;

  struct Attached {
    AttachedClient client;
    bool behind;  // reads from the log, from `offset` on
    uint64_t offset;
  };
  struct Caller {  // has connected to the control socket, and not asked for anything yet
    OwnedFd socket;
    Clock::time_point deadline;
  };

  bool ReadOutput();
  void Distribute(std::string_view data);
  void CatchUp(Attached* attached) const;
  void Accept();
  void Hear(Caller* caller);
  absl::Status Answer(Caller* caller);
  absl::Status Attach(const ControlRequest& request, OwnedFd* stream);
  void Sweep();

  const int directory_;
  SessionLog* const log_;
  ProgramStreams streams_;
  ExecutedPrograms executed_;
  MountRequests mount_requests_;
  StreamExit end_;
  OwnedFd listener_;
  std::optional<Clock::time_point> accept_again_;  // out of descriptors until then
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<std::unique_ptr<Attached>> attached_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_SESSION_CONSOLE_H_
