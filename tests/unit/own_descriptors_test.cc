#include "sandbox/base/own_descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

// In a child, so that the other tests of this program go by the absolute path still.
template <typename Body>
int CodeInChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

bool NamesNull(int fd) {
  SysResult<std::string> path = PathOfDescriptor(fd);
  SysResult<OwnedFd> anew = Reopen(fd, O_RDONLY);
  return path.ok() && *path == "/dev/null" && anew.ok() && *PathOfDescriptor(anew->get()) == *path;
}

TEST(OwnDescriptors, HeldOrNotTheNamesAreTheSame) {
  EXPECT_EQ(OwnDescriptorsDirectory(), -1);
  EXPECT_EQ(CodeInChild([] {
              const int null = open("/dev/null", O_PATH);
              if (!NamesNull(null) || !HoldOwnDescriptors()) return false;
              return OwnDescriptorsDirectory() >= 0 && NamesNull(null);
            }),
            0);
}

// Its parent's directory would name its parent's descriptors.
TEST(OwnDescriptors, ChildrenDoNotGoByTheirParents) {
  EXPECT_EQ(CodeInChild([] {
              if (!HoldOwnDescriptors()) return false;
              const pid_t child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
              if (child == 0) {
                const int null = open("/dev/null", O_PATH);
                const bool forgotten = OwnDescriptorsDirectory() == -1 && NamesNull(null);
                _exit(forgotten && HoldOwnDescriptors() && NamesNull(null) ? 0 : 1);
              }
              int status = 1;
              waitpid(child, &status, 0);
              return status == 0 && OwnDescriptorsDirectory() >= 0;
            }),
            0);
}

}  // namespace
}  // namespace sessionctl
