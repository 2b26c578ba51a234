// Holds the limit of a session's output: pipes in the place of its standard output and error, which
// threads of the broker copy to where they would have gone. Not one byte more than the limit
// passes. What was written to both goes in one order if both went to one place.
#ifndef SUPERVISOR_OUTPUT_RELAY_H_
#define SUPERVISOR_OUTPUT_RELAY_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"

namespace sessionctl {

class OutputRelay {
 public:
  // At most `limit` bytes pass.
  explicit OutputRelay(int64_t limit) : left_(limit) {}
  OutputRelay(const OutputRelay&) = delete;
  OutputRelay& operator=(const OutputRelay&) = delete;

  // Before the session's first process is forked: makes the pipes, and puts their ends in the place
  // of the two descriptors (which stay open). Errors: EMFILE and the like.
  SysStatus Interpose(int* stdout_fd, int* stderr_fd);
  // Afterwards: lets go of the session's ends and begins to copy. The threads live as long as the
  // process. False: no thread can be made.
  bool Start();

  // Readable once something has happened: the limit was reached, or all output has passed.
  int events_fd() const { return events_.get(); }
  // Makes it unreadable until the next time. Look afterwards.
  void ClearEvents() const;
  bool is_over() const { return over_.load(); }
  bool is_done() const { return copying_.load() == 0; }
  // Is nothing on its way? For when the session is gone, but somebody else may hold its end.
  bool is_drained() const;
  int64_t passed() const { return passed_.load(); }

 private:
  struct Stream {
    OutputRelay* relay;
    OwnedFd from;    // our end of the pipe
    OwnedFd theirs;  // the session's
    OwnedFd to;
    std::atomic<bool> busy = false;  // with what has been read and not yet written
    std::atomic<bool> done = false;
  };

  static void* ThreadMain(void* stream);
  SysStatus AddStream(int* fd);
  void Copy(Stream* stream);
  void Wake() const;
  int64_t Take(int64_t wanted);

  std::atomic<int64_t> left_;
  std::atomic<int64_t> passed_ = 0;
  std::atomic<bool> over_ = false;
  std::atomic<int> copying_ = 0;
  OwnedFd events_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace sessionctl

#endif  // SUPERVISOR_OUTPUT_RELAY_H_
