// OwnedFd: a file descriptor that is closed when its owner goes away.
// Any thread; safe after fork (close(2) only). Never duplicates, never blocks.
#ifndef SANDBOX_BASE_OWNED_FD_H_
#define SANDBOX_BASE_OWNED_FD_H_

#include <unistd.h>

#include <utility>

namespace sessionctl {

class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    if (this != &other) Reset(other.Release());
    return *this;
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace sessionctl

#endif  // SANDBOX_BASE_OWNED_FD_H_
