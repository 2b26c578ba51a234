#include "supervisor/mediator/session_tasks.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "sandbox/landlock_uapi.h"

namespace sessionctl {
namespace {

constexpr pid_t kNoProcess = 0x3ffffff;  // beyond the largest pid_max

class Child {
 public:
  Child() : pid_(fork()) {
    if (pid_ == 0) {
      for (;;) pause();
    }
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

class SessionTasksTest : public testing::Test {
 protected:
  SessionTasks Tasks(uint64_t scoped) {
    policy_.broker_domain.scoped = scoped;
    absl::StatusOr<SessionView> view = SessionView::Create(policy_);
    EXPECT_TRUE(view.ok()) << view.status();
    view_ = std::make_unique<SessionView>(*std::move(view));
    task_ = std::make_unique<RemoteTask>(view_->proc(), caller_.pid());
    return {*view_, *task_};
  }

  CompiledPolicy policy_;
  Child caller_;
  Child other_;
  std::unique_ptr<SessionView> view_;
  std::unique_ptr<RemoteTask> task_;
};

// Here no domain keeps this process from signalling others: whoever it may signal is the session's.
TEST_F(SessionTasksTest, WhoeverTheBrokerMaySignalIsTheSessions) {
  const SessionTasks tasks = Tasks(landlock::kScopeSignal);
  EXPECT_EQ(tasks.Check(caller_.pid()), 0);
  EXPECT_EQ(tasks.Check(other_.pid()), 0);
  EXPECT_EQ(tasks.Check(kNoProcess), ESRCH);
}

TEST_F(SessionTasksTest, BrokerItselfIsNot) {
  EXPECT_EQ(Tasks(landlock::kScopeSignal).Check(getpid()), EPERM);
  EXPECT_EQ(Tasks(0).Check(getpid()), EPERM);
}

TEST_F(SessionTasksTest, WithoutTheScopeOnlyTheCallerIsKnownToBelong) {
  const SessionTasks tasks = Tasks(0);
  EXPECT_EQ(tasks.Check(caller_.pid()), 0);
  EXPECT_EQ(tasks.Check(other_.pid()), EPERM);
  EXPECT_EQ(tasks.Check(kNoProcess), ESRCH);
}

TEST_F(SessionTasksTest, EveryThreadOfWhatIsWantedIsVisited) {
  std::set<pid_t> visited;
  const pid_t wanted = caller_.pid();
  Tasks(0).ForEach([wanted](pid_t process) { return process == wanted; },
                   [&visited](pid_t thread) { visited.insert(thread); });
  EXPECT_EQ(visited, std::set<pid_t>({wanted}));
}

TEST_F(SessionTasksTest, WhatIsWantedAndNotTheSessionsIsNotVisited) {
  std::set<pid_t> visited;
  Tasks(0).ForEach([](pid_t) { return true; },
                   [&visited](pid_t thread) { visited.insert(thread); });
  EXPECT_EQ(visited, std::set<pid_t>({caller_.pid()}));
}

}  // namespace
}  // namespace sessionctl
