// What the parts of socket_calls share: addresses, and answers as words.
#ifndef TESTS_TESTCASES_SOCKET_CALLS_H_
#define TESTS_TESTCASES_SOCKET_CALLS_H_

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>

namespace socket_calls {

inline sockaddr_un Unix(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path)));
  return address;
}

template <typename Address>
int Connect(int fd, const Address& address) {
  return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}
template <typename Address>
int Bind(int fd, const Address& address) {
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

// The name of the errno of a call that returned `result`, or the result.
inline std::string Answer(long result) {
  if (result >= 0) return std::to_string(result);
  return strerrorname_np(errno);
}

inline void Say(const char* what, const std::string& answer) {
  printf("%s: %s\n", what, answer.c_str());
}

// Two answers, the second call after the first.
template <typename Second>
void SayBoth(const char* what, const std::string& first, Second second) {
  Say(what, first + " " + second());
}

// Reads what is there, without waiting; how much it was.
std::string Drain(int fd);

// One message of two pieces, with `control` behind it.
long SendMessage(int fd, size_t first, size_t second, int flags, std::string control = "");

// How many signals have come.
extern std::atomic<int> signals;

// `call` on a thread of its own, which gets a signal while it sleeps; then `release`.
std::string Interrupted(bool restart, const std::function<std::string()>& call,
                        const std::function<void()>& release);

void UnixCases();
void UnixWaitCases();
void UnixSignalCases();
void DatagramCases();
void MessageCases();
void TcpCases();
void TcpWaitCases();
void UdpCases();

}  // namespace socket_calls

#endif  // TESTS_TESTCASES_SOCKET_CALLS_H_
