// `sessionctl serve`: the supervisor's process, from the lock to its end.
#ifndef FLEET_SERVE_H_
#define FLEET_SERVE_H_

namespace sessionctl {

inline constexpr char kControlSocketFile[] = "sessiond.sock";
inline constexpr char kServeLockFile[] = "sessiond.lock";
inline constexpr char kServeLogFile[] = "sessiond.log";

struct ServeOptions {
  int idle_exit = 0;  // seconds without session and client, then it leaves; 0: never
  int max_sessions = 10'000;
  int start_patience = 30;  // seconds: a zygote that takes no start for so long is replaced
  bool replace = false;     // ask the one that runs to leave, and take its place
  int ready_fd = -1;        // "ready" or what went wrong is written there, once
};

// Returns the exit code: 0 when it has left on request or idle, 1 when another one runs, 125.
int Serve(const ServeOptions& options);

}  // namespace sessionctl

#endif  // FLEET_SERVE_H_
