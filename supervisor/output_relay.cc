#include "supervisor/output_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "sandbox/base/thread.h"

namespace sessionctl {
namespace {

constexpr size_t kBuffer = size_t{64} * 1024;

bool GoToOnePlace(int a, int b) {
  SysResult<struct stat> first = Fstat(a);
  SysResult<struct stat> second = Fstat(b);
  return first.ok() && second.ok() && first->st_dev == second->st_dev &&
         first->st_ino == second->st_ino;
}

// Everything, even where somebody else made the file non-blocking. False: nobody reads any more.
bool WriteOut(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written > 0) {
      data += written;
      size -= static_cast<size_t>(written);
    } else if (written < 0 && errno == EAGAIN) {
      pollfd source = {.fd = fd, .events = POLLOUT};
      poll(&source, 1, -1);
    } else if (written < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

SysStatus OutputRelay::AddStream(int* fd) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return LastErrno();
  auto stream = std::make_unique<Stream>();
  stream->relay = this;
  stream->from.Reset(pipe[0]);
  stream->theirs.Reset(pipe[1]);
  SysResult<OwnedFd> to = Duplicate(*fd);
  if (!to.ok()) return Errno(to.error());
  stream->to = std::move(*to);
  *fd = stream->theirs.get();
  streams_.push_back(std::move(stream));
  return Done{};
}

SysStatus OutputRelay::Interpose(int* stdout_fd, int* stderr_fd) {
  events_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!events_.valid()) return LastErrno();
  const bool one = GoToOnePlace(*stdout_fd, *stderr_fd);
  if (SysStatus added = AddStream(stdout_fd); !added.ok()) return added;
  if (!one) return AddStream(stderr_fd);
  *stderr_fd = *stdout_fd;
  return Done{};
}

bool OutputRelay::Start() {
  copying_ = static_cast<int>(streams_.size());
  bool started = true;
  for (const std::unique_ptr<Stream>& stream : streams_) {
    stream->theirs.Reset();
    started = started && StartDetachedThread(ThreadMain, stream.get());
  }
  return started;
}

void* OutputRelay::ThreadMain(void* stream) {
  auto* mine = static_cast<Stream*>(stream);
  mine->relay->Copy(mine);
  return nullptr;
}

// How many of the wanted bytes may still pass.
int64_t OutputRelay::Take(int64_t wanted) {
  int64_t left = left_.load();
  while (!left_.compare_exchange_weak(left, left - std::min(left, wanted))) {
  }
  return std::min(left, wanted);
}

void OutputRelay::Copy(Stream* stream) {
  std::array<char, kBuffer> buffer;
  for (;;) {
    pollfd source = {.fd = stream->from.get(), .events = POLLIN};
    stream->busy = false;
    if (poll(&source, 1, -1) < 0) continue;
    stream->busy = true;  // before anything is taken out of the pipe
    const ssize_t size = read(stream->from.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    const int64_t allowed = Take(size);
    // Nobody reads any more: then the session finds its pipe broken, as it would have found this.
    if (!WriteOut(stream->to.get(), buffer.data(), static_cast<size_t>(allowed))) break;
    passed_ += allowed;
    if (allowed == size) continue;
    over_ = true;
    Wake();
    break;
  }
  // At the limit the pipe stays, so that the session's end has one name only.
  stream->done = true;
  if (!over_) stream->from.Reset();
  stream->to.Reset();
  --copying_;
  Wake();
}

bool OutputRelay::is_drained() const {
  for (const std::unique_ptr<Stream>& stream : streams_) {
    int waiting = 0;
    if (stream->done) continue;
    if (ioctl(stream->from.get(), FIONREAD, &waiting) != 0 || waiting > 0 || stream->busy) {
      return false;
    }
  }
  return true;
}

void OutputRelay::ClearEvents() const {
  uint64_t events;
  if (read(events_.get(), &events, sizeof(events)) < 0) return;  // none
}

void OutputRelay::Wake() const {
  const uint64_t one = 1;
  if (write(events_.get(), &one, sizeof(one)) < 0) return;  // full: awake anyway
}

}  // namespace sessionctl
