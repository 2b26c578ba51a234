#include "supervisor/session_init.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sandbox/base/fd_channel.h"
#include "sandbox/limits.h"

namespace sessionctl {
namespace {

// Memory for one request, given back afterwards: init is idle most of the time.
class Pages {
 public:
  explicit Pages(size_t size) : size_(size) {
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    start_ = at == MAP_FAILED ? nullptr : static_cast<char*>(at);
  }
  ~Pages() {
    if (start_ != nullptr) munmap(start_, size_);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  char* get() const { return start_; }

 private:
  size_t size_;
  char* start_;
};

// The NUL-terminated texts of a request, one after the other.
class Texts {
 public:
  Texts(char* begin, const char* end) : at_(begin), end_(end) {}
  char* Next() {
    char* text = at_;
    const auto room = static_cast<size_t>(end_ - at_);
    const size_t length = strnlen(text, room);
    if (length == room) return nullptr;
    at_ += length + 1;
    return text;
  }
  // False when there are not so many.
  bool Fill(uint32_t count, char*** into) {
    for (uint32_t i = 0; i < count; ++i) {
      char* text = Next();
      if (text == nullptr) return false;
      *(*into)++ = text;
    }
    *(*into)++ = nullptr;
    return true;
  }

 private:
  char* at_;
  const char* end_;
};

// Everything async-signal-safe: the process was forked from a broker, and has not executed
// anything.
class Init {
 public:
  explicit Init(const LaunchPlan& plan) : plan_(plan) {
    for (const ResourceLimit& limit : plan.limits) {
      if (limit_count_ < limits_.size()) limits_[limit_count_++] = limit;
    }
    ForgetHeap(plan.memory);
  }

  [[noreturn]] void Run() {
    BlockSignals();
    for (;;) {
      pollfd source = {.fd = plan_.init_channel, .events = POLLIN, .revents = 0};
      const int ready = ppoll(&source, 1, nullptr, &waiting_mask_);
      Reap();
      if (ready > 0 && (source.revents & POLLIN) != 0) TakeRequest();
      if (ready > 0 && (source.revents & POLLIN) == 0) _exit(0);  // the monitor is gone
    }
  }

 private:
  struct Program {
    pid_t pid = 0;
    uint32_t id = 0;
  };

  static void HandleNothing(int) {}

  // `kill -TERM -1` in the session is not meant for init: it takes SIGCHLD, while it waits, and
  // what nobody can block.
  void BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    waiting_mask_ = all;
    sigdelset(&waiting_mask_, SIGCHLD);
    struct sigaction action = {};
    action.sa_handler = HandleNothing;
    sigaction(SIGCHLD, &action, nullptr);
  }

  void Tell(InitAnswer::Kind kind, uint32_t id, int value,
            LaunchFailure::Stage stage = LaunchFailure::Stage::kNone) const {
    const InitAnswer answer = {.kind = kind, .id = id, .value = value, .stage = stage};
    // write(2): sendmsg may be mediated. The monitor reads, or is gone.
    if (write(plan_.init_channel, &answer, sizeof(answer)) < 0) return;
  }

  void Reap() {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
      for (Program& program : programs_) {
        if (program.pid != pid) continue;
        program.pid = 0;
        Tell(InitAnswer::Kind::kEnded, program.id, status);
      }
    }
  }

  void TakeRequest() {
    const Pages pages(kMaxInitRequest);
    if (pages.get() == nullptr) return;
    SysResult<ReceivedMessage> message =
        ReceiveWithDescriptors(plan_.init_channel, pages.get(), kMaxInitRequest);
    if (!message.ok()) return;
    if (message->size == 0) _exit(0);
    if (message->size < sizeof(InitRequestHeader)) return;
    InitRequestHeader header;
    memcpy(&header, pages.get(), sizeof(header));
    if (message->count != 3) {
      return Tell(InitAnswer::Kind::kFailed, header.id, EINVAL, LaunchFailure::Stage::kInit);
    }
    Start(header, pages.get() + sizeof(header), pages.get() + message->size, message->descriptors);
  }

  void Start(const InitRequestHeader& header, char* begin, const char* end,
             const std::array<OwnedFd, kMaxDescriptors>& stdio) {
    Program* place = nullptr;
    for (Program& program : programs_) {
      if (program.pid == 0) place = &program;
    }
    const pid_t pid = place != nullptr ? fork() : -1;
    if (pid == 0) Execute(header, begin, end, stdio);
    if (pid < 0) {
      Tell(InitAnswer::Kind::kFailed, header.id, place == nullptr ? EAGAIN : errno,
           LaunchFailure::Stage::kInit);
      return Tell(InitAnswer::Kind::kEnded, header.id, 0);
    }
    *place = {.pid = pid, .id = header.id};
    Tell(InitAnswer::Kind::kStarted, header.id, 0);
  }

  [[noreturn]] void Fail(const InitRequestHeader& header, LaunchFailure::Stage stage,
                         int error) const {
    Tell(InitAnswer::Kind::kFailed, header.id, error, stage);
    _exit(127);
  }

  [[noreturn]] void Execute(const InitRequestHeader& header, char* begin, const char* end,
                            const std::array<OwnedFd, kMaxDescriptors>& stdio) const {
    using Stage = LaunchFailure::Stage;
    setsid();
    for (int fd = 0; fd <= 2; ++fd) {
      if (dup2(stdio[static_cast<size_t>(fd)].get(), fd) < 0) {
        Fail(header, Stage::kDescriptors, errno);
      }
    }
    if (header.terminal != 0 && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
      Fail(header, Stage::kTerminal, errno);
    }
    ResetSignals(plan_.signal_mask);
    Texts texts(begin, end);
    const char* directory = texts.Next();
    if (directory == nullptr) Fail(header, Stage::kInit, EINVAL);
    if (*directory != '\0' && chdir(directory) != 0) Fail(header, Stage::kWorkingDirectory, errno);
    // Three lists with a null pointer at the end of each, and /bin/sh with the arguments.
    const size_t pointers =
        size_t{header.paths} + 2 * size_t{header.arguments} + size_t{header.variables} + 5;
    if (pointers > 2 * kMaxInitRequest) Fail(header, Stage::kInit, E2BIG);
    const Pages pages(pointers * sizeof(char*));
    if (pages.get() == nullptr) Fail(header, Stage::kInit, ENOMEM);
    char** const paths = reinterpret_cast<char**>(pages.get());
    char** next = paths;
    char** argv = nullptr;
    char** environment = nullptr;
    bool complete = texts.Fill(header.paths, &next);
    argv = next;
    complete = complete && header.arguments > 0 && texts.Fill(header.arguments, &next);
    environment = next;
    complete = complete && texts.Fill(header.variables, &next);
    if (!complete) Fail(header, Stage::kInit, EINVAL);
    next[0] = const_cast<char*>("/bin/sh");
    memcpy(next + 2, argv + 1, header.arguments * sizeof(char*));  // its null pointer included
    if (SysStatus limited = ApplyResourceLimits({limits_.data(), limit_count_}); !limited.ok()) {
      Fail(header, Stage::kLimits, limited.error());
    }
    Fail(header, Stage::kExec, ExecuteFirst(paths, argv, next, environment));
  }

  const LaunchPlan& plan_;                               // but nothing of it that was allocated
  std::array<ResourceLimit, RLIM_NLIMITS> limits_ = {};  // of each resource one
  size_t limit_count_ = 0;
  sigset_t waiting_mask_ = {};
  std::array<Program, kMaxExecuted> programs_;
};

}  // namespace

void RunSessionInit(const LaunchPlan& plan) { Init(plan).Run(); }

}  // namespace sessionctl
