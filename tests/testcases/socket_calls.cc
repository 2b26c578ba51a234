// socket_calls CASE…: calls on sockets, each with the answer that the manual gives; the same bare
// and in a session. One line an answer on standard output. The cases: unix, unix-wait,
// unix-signals, datagrams, messages, tcp, tcp-wait, udp.
#include "tests/testcases/socket_calls.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <thread>
#include <vector>

#include "tests/testcases/check.h"

namespace socket_calls {

std::atomic<int> signals = 0;

std::string Interrupted(bool restart, const std::function<std::string()>& call,
                        const std::function<void()>& release) {
  struct sigaction action = {};
  action.sa_handler = [](int) { ++signals; };
  action.sa_flags = restart ? SA_RESTART : 0;
  sigaction(SIGUSR1, &action, nullptr);
  std::string answer;
  std::atomic<bool> done = false;
  std::thread caller([&] {
    answer = call();
    done = true;
  });
  usleep(150000);
  const int before = signals;
  pthread_kill(caller.native_handle(), SIGUSR1);
  while (signals == before) usleep(1000);
  usleep(50000);
  if (restart) CHECK(!done);
  release();
  // On a busy machine the first may have come before the call.
  while (!restart && !done) {
    usleep(150000);
    pthread_kill(caller.native_handle(), SIGUSR1);
  }
  caller.join();
  return answer;
}

std::string Drain(int fd) {
  long total = 0;
  std::vector<char> data(1 << 20);
  for (long got; (got = recv(fd, data.data(), data.size(), MSG_DONTWAIT)) > 0;) total += got;
  return std::to_string(total);
}

}  // namespace socket_calls

int main(int argc, char** argv) {
  using namespace socket_calls;
  const std::map<std::string, void (*)()> cases = {{"unix", UnixCases},
                                                   {"unix-wait", UnixWaitCases},
                                                   {"unix-signals", UnixSignalCases},
                                                   {"datagrams", DatagramCases},
                                                   {"messages", MessageCases},
                                                   {"tcp", TcpCases},
                                                   {"tcp-wait", TcpWaitCases},
                                                   {"udp", UdpCases}};
  for (int i = 1; i < argc; ++i) cases.at(argv[i])();
  return Verdict();
}
