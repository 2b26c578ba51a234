#include "supervisor/poll_loop.h"

#include <cstddef>

namespace sessionctl {

void PollLoop::Turn(int timeout) {
  if (poll(sources_.data(), sources_.size(), timeout) > 0) {
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i].revents != 0) handlers_[i](sources_[i].revents);
    }
  }
  sources_.clear();
  handlers_.clear();
}

}  // namespace sessionctl
