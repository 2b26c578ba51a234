// A process that does nothing but be there: what the attempts are against. It holds a secret in its
// memory, its environment, its working directory, an open file, System V and POSIX objects and a
// socket, and says in a file where they are, as name=value lines:
//   pid secret (an address) fd shm msg sem (ids) shm_key mq (a name) abstract (a socket's name)
//   accomplice (a socket in the same directory that hands out descriptors of the vault)
//   tcp udp (ports of 127.0.0.1)
// Its name (/proc/PID/comm) begins with "quiet", and with "hit" once a signal has arrived.
#ifndef TESTS_TESTCASES_HOSTILE_SESSION_BYSTANDER_H_
#define TESTS_TESTCASES_HOSTILE_SESSION_BYSTANDER_H_

#include <string>

namespace hostile {

inline constexpr char kSecret[] = "SECRET-OF-A-BYSTANDER";
inline constexpr long kMessageType = 7;

// Never returns but by a fatal signal. Writes `ready_file` when everything is there; `vault`
// becomes the working directory.
int RunBystander(const std::string& ready_file, const std::string& vault);

// A process whose name is "hit" for half a second after a signal. Says a byte to `ready` when it
// can be hit.
[[noreturn]] void RunMate(int ready);

}  // namespace hostile

#endif  // TESTS_TESTCASES_HOSTILE_SESSION_BYSTANDER_H_
