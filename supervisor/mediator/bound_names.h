// The names by which callers bound sockets that the kernel was given another name for (the last
// component, see handlers/bind.cc): what getsockname(2) tells of them. Any thread.
#ifndef SUPERVISOR_MEDIATOR_BOUND_NAMES_H_
#define SUPERVISOR_MEDIATOR_BOUND_NAMES_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "sandbox/base/mutex.h"

namespace sessionctl {

class BoundNames {
 public:
  BoundNames() = default;
  BoundNames(const BoundNames&) = delete;
  BoundNames& operator=(const BoundNames&) = delete;

  // `address` is a whole struct sockaddr_un. Of very many, the oldest is forgotten.
  void Remember(int socket, const std::string& address);
  std::optional<std::string> Find(int socket);

 private:
  Mutex mutex_;
  // By SO_COOKIE, which no other socket of the machine gets.
  std::unordered_map<uint64_t, std::string> names_ ABSL_GUARDED_BY(mutex_);
  std::deque<uint64_t> oldest_first_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sessionctl

#endif  // SUPERVISOR_MEDIATOR_BOUND_NAMES_H_
