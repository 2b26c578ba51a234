#include "sandbox/credentials.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

using ::testing::ElementsAre;

constexpr char kStatus[] =
    "Name:\tx\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
    "FDSize:\t64\nGroups:\t10 20 4294967294 \nCapInh:\t0000000000000000\n"
    "CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000081\nCapBnd:\t000001ffffffffff\n";

FileCredentials Nobody() {
  return {.fsuid = 65534, .fsgid = 65533, .groups = {7, 70000}, .effective = 0};
}

// `body` in a child with every capability, or skips; true is success there.
template <typename Body>
void InRootChild(const Body& body) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Credentials, StatusTextIsTakenApart) {
  const std::optional<FileCredentials> parsed = ParseCredentials(kStatus);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->fsuid, 4U);
  EXPECT_EQ(parsed->fsgid, 8U);
  EXPECT_THAT(parsed->groups, ElementsAre(10, 20, 4294967294U));
  EXPECT_EQ(parsed->effective, 0x81U);
}

TEST(Credentials, CutOffStatusTextIsNone) {
  const std::string text = kStatus;
  for (const char* end : {"\nUid", "\nGid", "\nGroups", "\nCapEff"}) {
    EXPECT_FALSE(ParseCredentials(text.substr(0, text.find(end))).has_value()) << end;
  }
  EXPECT_FALSE(ParseCredentials(text.substr(0, text.find("\nCapEff") + 12)).has_value());
}

TEST(Credentials, OwnStatusSaysWhatTheCallsSay) {
  SysResult<std::string> text = ReadSmallFile(AT_FDCWD, "/proc/thread-self/status", 1 << 20);
  ASSERT_TRUE(text.ok());
  SysResult<FileCredentials> current = CurrentCredentials();
  ASSERT_TRUE(current.ok());
  EXPECT_EQ(ParseCredentials(*text), *current);
}

TEST(Credentials, AdoptedOnesHoldUntilTheyGo) {
  InRootChild([] {
    const FileCredentials own = *CurrentCredentials();
    {
      SysResult<AdoptedCredentials> adopted = AdoptedCredentials::Adopt(own, Nobody());
      if (!adopted.ok() || !(*CurrentCredentials() == Nobody())) return false;
      if (OpenAt(AT_FDCWD, "/etc/shadow", O_RDONLY).ok()) return false;
      OwnCapabilities look(OwnCapabilities::Ids::kOwn);
      if (!(*CurrentCredentials() == own)) return false;
    }
    return *CurrentCredentials() == own && !OwnCapabilities::Differ() &&
           OpenAt(AT_FDCWD, "/etc/shadow", O_RDONLY).ok();
  });
}

TEST(Credentials, OwnCapabilitiesLeaveTheAdoptedUser) {
  InRootChild([] {
    const FileCredentials own = *CurrentCredentials();
    SysResult<AdoptedCredentials> adopted = AdoptedCredentials::Adopt(own, Nobody());
    if (!adopted.ok()) return false;
    {
      OwnCapabilities look;
      const FileCredentials now = *CurrentCredentials();
      if (now.fsuid != Nobody().fsuid || now.effective != own.effective) return false;
    }
    return *CurrentCredentials() == Nobody();
  });
}

TEST(Credentials, OwnCapabilitiesAreRootsForWhoMayBeRoot) {
  InRootChild([] {
    const FileCredentials own = *CurrentCredentials();
    SysResult<AdoptedCredentials> adopted = AdoptedCredentials::Adopt(own, Nobody());
    OwnCapabilities look(OwnCapabilities::Ids::kRoot);
    const FileCredentials now = *CurrentCredentials();
    return adopted.ok() && now.fsuid == 0 && now.fsgid == Nobody().fsgid;
  });
  InRootChild([] {
    if (setresuid(1, 1, 1) != 0) return false;  // no capability from here on
    const FileCredentials own = *CurrentCredentials();
    FileCredentials callers = own;
    callers.effective = 1;  // differs, and is had by nobody here
    SysResult<AdoptedCredentials> adopted = AdoptedCredentials::Adopt(own, callers);
    OwnCapabilities look(OwnCapabilities::Ids::kRoot);
    return adopted.ok() && CurrentCredentials()->fsuid == 1;
  });
}

TEST(Credentials, RefusedAdoptionChangesNothing) {
  InRootChild([] {
    SysResult<CapabilityState> state = GetCapabilities();
    state->permitted = state->effective = CapabilityBit(CAP_SETGID);  // but not the user
    if (!SetCapabilities(*state).ok()) return false;
    const FileCredentials own = *CurrentCredentials();
    SysResult<AdoptedCredentials> adopted = AdoptedCredentials::Adopt(own, Nobody());
    return adopted.error() == EPERM;
  });
  InRootChild([] {
    SysResult<CapabilityState> state = GetCapabilities();
    state->permitted = state->effective = CapabilityBit(CAP_SETGID);
    if (!SetCapabilities(*state).ok()) return false;
    const FileCredentials own = *CurrentCredentials();
    { (void)AdoptedCredentials::Adopt(own, Nobody()).ok(); }
    return *CurrentCredentials() == own;
  });
}

TEST(Credentials, ThreadsDoNotShareThem) {
  InRootChild([] {
    const FileCredentials own = *CurrentCredentials();
    bool right[4] = {};
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (uid_t i = 0; i < 4; ++i) {
      threads.emplace_back([&right, &own, i] {
        FileCredentials mine = {.fsuid = 1000 + i, .fsgid = 2000 + i, .groups = {i + 1}};
        right[i] = true;
        for (int round = 0; round < 500; ++round) {
          SysResult<AdoptedCredentials> adopted = AdoptedCredentials::Adopt(own, mine);
          right[i] = right[i] && adopted.ok() && *CurrentCredentials() == mine;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return right[0] && right[1] && right[2] && right[3] && *CurrentCredentials() == own;
  });
}

}  // namespace
}  // namespace sessionctl
