// sessiond's end of the zygote: starts it, sends it what to start, starts another one when it dies.
// On the io_context's thread.
#ifndef FLEET_ZYGOTE_H_
#define FLEET_ZYGOTE_H_

#include <sys/resource.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"

namespace boost::asio {
class io_context;
}

namespace sessionctl {

class Zygote {
 public:
  // `descriptors`: RLIMIT_NOFILE of the sessions; sessiond has raised its own. One that does not
  // take a request for `patience` hangs: it is killed. `changed` is called when one has died
  // ("zygote.lost") and when one has been started ("zygote.started").
  Zygote(boost::asio::io_context& io, rlimit descriptors, std::chrono::milliseconds patience,
         std::function<void(const std::string& event, const std::string& message)> changed);
  ~Zygote();

  // Asks for one session; the answer is a MonitorReport on the descriptor that comes back. At its
  // end without a report, monitor or zygote have died. Errors: kUnavailable, also while there is
  // none: those that die young are replaced at a bounded rate.
  absl::StatusOr<OwnedFd> Request(const std::string& id, const std::string& spec);

  // How many zygotes have been started. A request of an earlier one that ends without a report may
  // never have been looked at.
  int generation() const;
  pid_t pid() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sessionctl

#endif  // FLEET_ZYGOTE_H_
