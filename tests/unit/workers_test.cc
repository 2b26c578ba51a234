// Who takes a session's calls, with real notifications: the callers are threads of this process.
#include "supervisor/mediator/workers.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "sandbox/seccomp_filter.h"

namespace sessionctl {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr int kCall = SYS_getpgid;  // which nothing else here makes

std::vector<sock_filter> NotifyOfThatCall() {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  // seccomp_data::nr
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kCall, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}

long Call(int argument) { return syscall(kCall, argument); }

// A caller and its listener; `workers` serve it until the process ends.
class WorkersTest : public ::testing::Test {
 protected:
  // Runs `callers` on a thread whose calls, and those of the threads it starts, `serve` answers
  // with the number that it returns.
  void Run(const std::function<void()>& callers, std::chrono::nanoseconds look_every,
           const std::function<int(int)>& serve) {
    std::promise<int> made;
    std::promise<void> served;
    std::thread thread([&] {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      SysResult<OwnedFd> listener = InstallFilterWithListener(NotifyOfThatCall());
      made.set_value(listener.ok() ? listener->Release() : -1);
      served.get_future().wait();
      callers();
    });
    const int listener = made.get_future().get();
    ASSERT_GE(listener, 0);
    // Both live as long as their threads.
    auto* const notifier = new Notifier(OwnedFd(listener));
    Workers** const self = new Workers*(nullptr);
    auto* const workers = new Workers(*notifier, [=](const Notification& call) {
      const int answer = serve(static_cast<int>(call.args[0]));
      (*self)->Answering();
      (void)notifier->SendValue(call.id, answer).ok();
    });
    *self = workers;
    ASSERT_TRUE(workers->Start(look_every));
    served.set_value();
    thread.join();
  }
};

// Which threads have served since it was last asked.
class Served {
 public:
  void Note() {
    std::lock_guard lock(mutex_);
    threads_.insert(gettid());
  }
  size_t Take() {
    std::lock_guard lock(mutex_);
    const size_t count = threads_.size();
    threads_.clear();
    return count;
  }

 private:
  std::mutex mutex_;
  std::set<pid_t> threads_;
};

TEST_F(WorkersTest, OneServesACallerAlone) {
  Served served;
  Run(
      [&] {
        for (int i = 1; i <= 500; ++i) EXPECT_EQ(Call(i), i);
      },
      hours(1),  // so that nobody else looks
      [&](int argument) {
        served.Note();
        return argument;
      });
  EXPECT_EQ(served.Take(), 1U);
}

TEST_F(WorkersTest, CallsThatHangHoldUpNobody) {
  constexpr int kHanging = 20;
  constexpr int kLast = 1000;
  std::promise<void> last;
  const std::shared_future<void> last_came = last.get_future().share();
  std::atomic<int> hanging = 0;
  Run(
      [&] {
        std::vector<std::thread> threads;
        for (int i = 1; i <= kHanging; ++i) {
          threads.emplace_back([i] { EXPECT_EQ(Call(i), i); });
        }
        while (hanging < kHanging) std::this_thread::yield();
        EXPECT_EQ(Call(kLast), kLast);
        for (std::thread& thread : threads) thread.join();
      },
      milliseconds(1),
      [&](int argument) {
        if (argument == kLast) {
          last.set_value();
        } else {
          ++hanging;
          last_came.wait();
        }
        return argument;
      });
}

TEST_F(WorkersTest, MoreServeCallersThatComeTogetherAndLeaveAgain) {
  Served served;
  std::atomic<bool> enough = false;
  bool alone = false;
  Run(
      [&] {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
          threads.emplace_back([&] {
            while (!enough) Call(1);
          });
        }
        while (served.Take() < 2) std::this_thread::sleep_for(milliseconds(20));
        enough = true;
        for (std::thread& thread : threads) thread.join();
        // However busy the machine is: at last one is enough for a caller alone.
        while (!alone) {
          served.Take();
          for (int i = 0; i < 1000; ++i) Call(0);
          alone = served.Take() == 1;
        }
      },
      milliseconds(1),
      [&](int argument) {
        served.Note();
        if (argument == 1) std::this_thread::sleep_for(milliseconds(1));
        return argument;
      });
  EXPECT_TRUE(alone);
}

}  // namespace
}  // namespace sessionctl
