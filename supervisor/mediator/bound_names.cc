#include "supervisor/mediator/bound_names.h"

#include <sys/socket.h>

#include <utility>

namespace sessionctl {
namespace {

constexpr size_t kMostNames = 4096;

// 0: none.
uint64_t CookieOf(int socket) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &size);
  return cookie;
}

}  // namespace

void BoundNames::Remember(int socket, const std::string& address) {
  const uint64_t cookie = CookieOf(socket);
  if (cookie == 0) return;
  MutexLock lock(&mutex_);
  // A socket is bound once.
  if (!names_.try_emplace(cookie, address).second) return;
  oldest_first_.push_back(cookie);
  if (oldest_first_.size() <= kMostNames) return;
  names_.erase(oldest_first_.front());
  oldest_first_.pop_front();
}

std::optional<std::string> BoundNames::Find(int socket) {
  const uint64_t cookie = CookieOf(socket);
  MutexLock lock(&mutex_);
  const auto found = names_.find(cookie);
  if (found == names_.end()) return std::nullopt;
  return found->second;
}

}  // namespace sessionctl
