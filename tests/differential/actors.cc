#include "tests/differential/actors.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "tests/differential/step_runner.h"

namespace differential {
namespace {

constexpr uint32_t kOver = UINT32_MAX;  // the step after which everybody leaves
constexpr int kSliceMilliseconds = 200;
constexpr int kPatience = 300;  // slices without a step: somebody never comes back

void Wake(std::atomic<uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Wait(std::atomic<uint32_t>* word, uint32_t seen, const timespec* limit) {
  syscall(SYS_futex, word, FUTEX_WAIT, seen, limit, nullptr, 0);
}

// Is a step's actor there? Steps of others are passed over.
bool Present(const Scene& scene, const Step& step) {
  return scene.area->process[static_cast<size_t>(step.actor)] != 0;
}

// Hands the turn on from step `at`.
void Advance(const Scene& scene, uint32_t at) {
  const std::vector<Step>& steps = scene.program->steps;
  const uint32_t before = at;
  for (++at; at < steps.size() && !Present(scene, steps[at]); ++at) {
    scene.result->steps[at].state = StepResult::kNoActor;
  }
  scene.area->current = at;
  if (at >= steps.size() || steps[at].actor != steps[before].actor) Wake(&scene.area->current);
}

class Actor {
 public:
  Actor(const Scene& scene, int number) : scene_(scene), number_(number) {}

  // Makes the steps that are this actor's until the program is over.
  void Act() {
    SharedArea& area = *scene_.area;
    const std::vector<Step>& steps = scene_.program->steps;
    for (;;) {
      const uint32_t at = area.current;
      if (at == kOver) return;
      if (at >= steps.size() || steps[at].actor != number_) {
        Wait(&area.current, at, nullptr);
        continue;
      }
      const int maker = number_;
      Make(steps[at], &scene_.result->steps[at]);
      if (number_ != maker) continue;  // the child of a spawn: the turn is its parent's
      Advance(scene_, at);
      if (gone_) _exit(0);
    }
  }

 private:
  void Make(const Step& step, StepResult* result) {
    if (step.op == "spawn") {
      const int maker = number_;
      const int value = Spawn(step);
      if (number_ != maker) return;
      result->value = value;
      result->state = StepResult::kDone;
    } else if (step.op == "exit") {
      LeaveAll();
      result->state = StepResult::kDone;
    } else {
      RunStep(scene_, step, result);
    }
  }

  // The whole process goes, with all actors that are its threads.
  void LeaveAll() {
    const pid_t self = scene_.area->process[static_cast<size_t>(number_)];
    for (std::atomic<pid_t>& process : scene_.area->process) {
      if (process == self) process = 0;
    }
    gone_ = true;
  }

  int Spawn(const Step& step) {
    const int number = step.args.size() == 2 ? atoi(step.args[1].c_str() + 1) : 0;
    if (number <= 0 || number >= kMaxActors) return -EINVAL;
    std::atomic<pid_t>& process = scene_.area->process[static_cast<size_t>(number)];
    if (process != 0) return -EBUSY;
    if (step.args[0] == "thread") {
      process = getpid();
      return SpawnThread(number);
    }
    unsigned long flags = CLONE_PARENT | SIGCHLD;
    if (step.args[0] == "sharing-files") flags |= CLONE_FILES;
    if (step.args[0] == "sharing-fs") flags |= CLONE_FS;
    // Not fork(): all actors are children of the conductor, which sees it when one dies.
    const long child = syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0);
    if (child < 0) return -errno;
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      process = static_cast<pid_t>(syscall(SYS_getpid));
      number_ = number;
      return 0;
    }
    process = static_cast<pid_t>(child);
    return 0;
  }

  int SpawnThread(int number) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size_t{256} * 1024);
    pthread_t thread;
    auto* actor = new Actor(scene_, number);
    const int error = pthread_create(&thread, &attributes, &Actor::ThreadMain, actor);
    pthread_attr_destroy(&attributes);
    if (error != 0) scene_.area->process[static_cast<size_t>(number)] = 0;
    return -error;
  }

  static void* ThreadMain(void* actor) {
    static_cast<Actor*>(actor)->Act();
    _exit(0);  // a child that a thread has forked comes by here too
  }

  Scene scene_;
  int number_;
  bool gone_ = false;
};

[[noreturn]] void BeFirstActor(const Scene& scene) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(kSharedFd);
  signal(SIGPIPE, SIG_IGN);
  umask(022);
  if (chdir(scene.root.c_str()) != 0) _exit(3);
  PrepareSteps();
  Actor(scene, 0).Act();
  _exit(0);
}

// Reaps what has ended; its actors are no longer there. True when somebody was.
bool ReapDead(const Scene& scene) {
  bool any = false;
  int status;
  pid_t dead;
  while ((dead = waitpid(-1, &status, WNOHANG)) > 0) {
    for (std::atomic<pid_t>& process : scene.area->process) {
      if (process == dead) process = 0;
    }
    any = true;
  }
  return any;
}

void AwaitEnd(const Scene& scene) {
  SharedArea& area = *scene.area;
  const std::vector<Step>& steps = scene.program->steps;
  const timespec slice = {0, kSliceMilliseconds * 1000000L};
  uint32_t last = 0;
  for (int idle = 0; idle < kPatience;) {
    const uint32_t at = area.current;
    if (at >= steps.size()) {
      scene.result->finished = 1;
      return;
    }
    idle = at == last ? idle + 1 : 0;
    last = at;
    Wait(&area.current, at, &slice);
    if (ReapDead(scene) && area.current == at && !Present(scene, steps[at])) {
      scene.result->steps[at].state = StepResult::kDied;
      Advance(scene, at);
    }
  }
  scene.result->finished = 2;
  scene.result->step = last;
}

}  // namespace

void Conduct(const Scene& scene) {
  SharedArea& area = *scene.area;
  uint32_t at = 0;  // the first step of somebody who is there
  for (; at < scene.program->steps.size() && scene.program->steps[at].actor != 0; ++at) {
    scene.result->steps[at].state = StepResult::kNoActor;
  }
  area.current = at;
  for (std::atomic<pid_t>& process : area.process) process = 0;
  for (std::atomic<int>& slot : area.slots) slot = -1;
  const pid_t first = fork();
  if (first == 0) {
    area.process[0] = getpid();
    BeFirstActor(scene);
  }
  area.process[0] = first;
  AwaitEnd(scene);
  area.current = kOver;
  Wake(&area.current);
  if (scene.result->finished == 2) {
    for (const std::atomic<pid_t>& process : area.process) {
      if (process > 0) kill(process, SIGKILL);
    }
  }
  while (waitpid(-1, nullptr, 0) > 0) {
  }
}

}  // namespace differential
