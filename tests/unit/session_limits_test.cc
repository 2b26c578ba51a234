#include "supervisor/session_limits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <string>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

// The session may have written more than it may, and everything that is allowed been copied, before
// the broker waits for the first time.
TEST(SessionLimits, OutputThatWasOverBeforeAnybodyWaitedIsStillSeen) {
  LimitPlan plan;
  plan.output = 10;
  const OwnedFd proc(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const OwnedFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  int out = null.get();
  int err = null.get();
  SessionLimits limits(plan, proc.get(), nullptr, {});
  ASSERT_TRUE(limits.InterposeOutput(&out, &err).ok());
  EXPECT_EQ(out, err) << "one place, one pipe";
  const SysResult<OwnedFd> session = Duplicate(out);
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE(limits.StartOutput());
  ASSERT_TRUE(WriteAll(session->get(), std::string(100, 'x').data(), 100).ok());
  usleep(300'000);  // for the copying to be over, which is when it was missed
  pollfd source = {.fd = limits.events_fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&source, 1, 10'000), 1);
  EXPECT_TRUE(limits.Check(0));
  EXPECT_EQ(limits.ended(), SessionEnd::kOutput);
}

}  // namespace
}  // namespace sessionctl
