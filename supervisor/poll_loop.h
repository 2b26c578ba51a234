// One turn of a single-threaded process that waits for several descriptors: who wants to hear of
// one says so before each turn.
#ifndef SUPERVISOR_POLL_LOOP_H_
#define SUPERVISOR_POLL_LOOP_H_

#include <poll.h>

#include <functional>
#include <utility>
#include <vector>

namespace sessionctl {

class PollLoop {
 public:
  using Handler = std::function<void(short revents)>;

  // For the next turn. Handlers are called in this order; what they refer to must live until the
  // turn is over.
  void Watch(int fd, short events, Handler handler) {
    sources_.push_back({.fd = fd, .events = events, .revents = 0});
    handlers_.push_back(std::move(handler));
  }

  // Waits, at most `timeout` milliseconds (-1: for ever), calls the handlers of those that are
  // ready, and forgets all.
  void Turn(int timeout);

 private:
  std::vector<pollfd> sources_;
  std::vector<Handler> handlers_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_POLL_LOOP_H_
