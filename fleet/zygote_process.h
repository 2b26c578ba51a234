// The zygote: a small single-threaded process that forks the monitors of sessions, so that a start
// costs a fork and not an exec. sessiond starts it by executing its own binary (`sessionctl
// zygote`), sends one message a start over a SOCK_SEQPACKET, and is otherwise of no matter to it.
#ifndef FLEET_ZYGOTE_PROCESS_H_
#define FLEET_ZYGOTE_PROCESS_H_

namespace sessionctl {

// Each message is a session's id, with two descriptors: a memory file with the session's spec as
// JSON (fleet/spawn_spec.h), and the write end of the pipe for the MonitorReport. The report's
// exit_code is kPlaceTaken when another session lives in the spec's place.
inline constexpr int kPlaceTaken = -1;

// What it answers to each, in order, as soon as the monitor is forked or the start has failed: one
// that does not answer hangs.
inline constexpr char kZygoteTook[] = "took";

// The socket is this descriptor.
inline constexpr int kZygoteSocket = 3;

// Runs until the other end of the socket is closed; returns the exit code. The monitors that it has
// forked stay.
int RunZygote();

}  // namespace sessionctl

#endif  // FLEET_ZYGOTE_PROCESS_H_
