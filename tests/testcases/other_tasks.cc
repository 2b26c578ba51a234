// Calls that change another task of one's own: answers and effects, for a child and a thread, for
// the process itself by its number, for numbers that nobody has, and with bad arguments. Prints
// what it saw; bare and in a session it is the same.
#include <linux/types.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

constexpr int kNobody = 0x3ffffff;  // beyond the largest pid_max (2^22)
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioWhoPgrp = 2;
constexpr int kBestEffortLow = 2 << 13 | 7;

void Say(const char* what, long result) {
  printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
}

// A child that waits until it is killed.
class Child {
 public:
  Child() : pid_(fork()) {
    if (pid_ == 0) {
      for (;;) pause();
    }
    setpgid(pid_, pid_);
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

void* const kBadAddress = reinterpret_cast<void*>(8);

// Whoever started us may have been nice already, and nobody gets below that again.
int Nicer(int by) { return getpriority(PRIO_PROCESS, 0) + by; }

void Limits(pid_t pid) {
  rlimit now;
  Say("prlimit read", prlimit(pid, RLIMIT_CORE, nullptr, &now));
  const rlimit lower = {0, now.rlim_max};
  rlimit old = {};
  Say("prlimit set", prlimit(pid, RLIMIT_CORE, &lower, &old));
  printf("old value is what it was: %d\n", old.rlim_cur == now.rlim_cur);
  prlimit(pid, RLIMIT_CORE, nullptr, &now);
  printf("new value: %lu\n", static_cast<unsigned long>(now.rlim_cur));
  Say("prlimit of no resource", syscall(SYS_prlimit64, pid, 99, &lower, nullptr));
  Say("prlimit with a bad address", syscall(SYS_prlimit64, pid, RLIMIT_CORE, kBadAddress, nullptr));
  Say("prlimit to a bad address", syscall(SYS_prlimit64, pid, RLIMIT_CORE, nullptr, kBadAddress));
  const rlimit upside_down = {5, 4};
  Say("prlimit upside down", prlimit(pid, RLIMIT_CORE, &upside_down, nullptr));
}

void Scheduling(pid_t pid) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  Say("sched_setaffinity", sched_setaffinity(pid, sizeof(set), &set));
  CPU_ZERO(&set);
  sched_getaffinity(pid, sizeof(set), &set);
  printf("processors: %d\n", CPU_COUNT(&set));
  CPU_ZERO(&set);
  Say("sched_setaffinity of none", sched_setaffinity(pid, sizeof(set), &set));
  Say("sched_setaffinity, bad address", syscall(SYS_sched_setaffinity, pid, 8, kBadAddress));
  Say("sched_setaffinity, no bytes", syscall(SYS_sched_setaffinity, pid, 0, &set));
  sched_param parameters = {};
  Say("sched_setscheduler", sched_setscheduler(pid, SCHED_BATCH, &parameters));
  printf("policy: %d\n", sched_getscheduler(pid));
  Say("sched_setscheduler of no policy", syscall(SYS_sched_setscheduler, pid, 77, &parameters));
  Say("sched_setscheduler, NULL", syscall(SYS_sched_setscheduler, pid, SCHED_BATCH, nullptr));
  Say("sched_setparam", sched_setparam(pid, &parameters));
  Say("sched_setparam, NULL", syscall(SYS_sched_setparam, pid, nullptr));
  struct {
    uint32_t size = 48, policy = SCHED_OTHER;
    uint64_t flags = 0;
    int32_t nice = Nicer(3);
    uint32_t priority = 0;
    uint64_t runtime = 0, deadline = 0, period = 0;
  } attributes;
  Say("sched_setattr", syscall(SYS_sched_setattr, pid, &attributes, 0));
  printf("nice: %d\n", getpriority(PRIO_PROCESS, static_cast<id_t>(pid)));
  Say("sched_setattr, flags", syscall(SYS_sched_setattr, pid, &attributes, 8));
  attributes.size = 8;
  Say("sched_setattr, too small", syscall(SYS_sched_setattr, pid, &attributes, 0));
}

void Priorities(pid_t pid) {
  const auto id = static_cast<id_t>(pid);
  Say("setpriority", setpriority(PRIO_PROCESS, id, Nicer(5)));
  printf("nice: %d\n", getpriority(PRIO_PROCESS, id));
  Say("setpriority of nothing", setpriority(static_cast<__priority_which_t>(9), id, 5));
  Say("ioprio_set", syscall(SYS_ioprio_set, kIoprioWhoProcess, pid, kBestEffortLow));
  printf("ioprio: %ld\n", syscall(SYS_ioprio_get, kIoprioWhoProcess, pid));
  Say("ioprio_set of no class", syscall(SYS_ioprio_set, kIoprioWhoProcess, pid, 7 << 13));
}

// Two children in a group of their own.
void Groups() {
  const Child leader;
  const Child member;
  setpgid(member.pid(), leader.pid());
  Say("setpriority of a group", setpriority(PRIO_PGRP, static_cast<id_t>(leader.pid()), Nicer(7)));
  printf("nice: %d %d\n", getpriority(PRIO_PROCESS, static_cast<id_t>(leader.pid())),
         getpriority(PRIO_PROCESS, static_cast<id_t>(member.pid())));
  Say("ioprio_set of a group",
      syscall(SYS_ioprio_set, kIoprioWhoPgrp, leader.pid(), kBestEffortLow));
  printf("ioprio: %ld\n", syscall(SYS_ioprio_get, kIoprioWhoProcess, member.pid()));
  Say("setpriority of no group", setpriority(PRIO_PGRP, kNobody, 7));
}

void ForNobody() {
  rlimit limit;
  sched_param parameters = {};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  Say("prlimit of nobody", prlimit(kNobody, RLIMIT_CORE, nullptr, &limit));
  Say("prlimit of -1", prlimit(-1, RLIMIT_CORE, nullptr, &limit));
  Say("setpriority of nobody", setpriority(PRIO_PROCESS, kNobody, 5));
  Say("sched_setscheduler of nobody", sched_setscheduler(kNobody, SCHED_BATCH, &parameters));
  Say("sched_setscheduler of -1", sched_setscheduler(-1, SCHED_BATCH, &parameters));
  Say("sched_setaffinity of nobody", sched_setaffinity(kNobody, sizeof(set), &set));
  Say("ioprio_set of nobody", syscall(SYS_ioprio_set, kIoprioWhoProcess, kNobody, kBestEffortLow));
}

void OfAThread() {
  int started[2];
  int end[2];
  if (pipe(started) != 0 || pipe(end) != 0) return;
  std::thread thread([&] {
    const pid_t tid = gettid();
    if (write(started[1], &tid, sizeof(tid)) < 0) return;
    char byte;
    while (read(end[0], &byte, 1) < 0) {
    }
  });
  pid_t tid = 0;
  if (read(started[0], &tid, sizeof(tid)) != sizeof(tid)) abort();
  Say("setpriority of a thread", setpriority(PRIO_PROCESS, static_cast<id_t>(tid), Nicer(9)));
  printf("nice: %d, ours %d\n", getpriority(PRIO_PROCESS, static_cast<id_t>(tid)),
         getpriority(PRIO_PROCESS, 0));
  if (write(end[1], "e", 1) != 1) abort();
  thread.join();
}

}  // namespace

int main() {
  for (void (*const calls)(pid_t) : {Limits, Scheduling, Priorities}) {
    const Child child;
    calls(child.pid());
  }
  Groups();
  ForNobody();
  OfAThread();
  printf("the process itself, by its number\n");
  Limits(getpid());
  Scheduling(getpid());
  Priorities(getpid());
  return 0;
}
