#include "policy/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "supervisor/session_identity.h"

namespace sessionctl {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kAbi = 7;

std::string ErrorOf(const ProcessPolicy& process, int abi = kAbi) {
  absl::StatusOr<SessionIdentity> identity = ResolveIdentity(process, abi);
  return identity.ok() ? "ok" : std::string(identity.status().message());
}

// The error that an ordinary user gets.
std::string ErrorAsOrdinaryUser(const ProcessPolicy& process) {
  int out[2];
  if (pipe(out) != 0) return "pipe";
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && (setgid(1000) != 0 || setuid(1000) != 0)) _exit(1);
    const std::string error = ErrorOf(process);
    _exit(write(out[1], error.data(), error.size()) > 0 ? 0 : 1);
  }
  close(out[1]);
  char text[512] = "";
  if (read(out[0], text, sizeof(text) - 1) < 0) strcpy(text, "nothing");
  close(out[0]);
  waitpid(child, nullptr, 0);
  return text;
}

TEST(IdentityNames, EveryCapabilityHasANumberAndMostAreRefusedWithAReason) {
  EXPECT_EQ(CapabilityNumber("chown"), CAP_CHOWN);
  EXPECT_EQ(CapabilityNumber("mknod"), CAP_MKNOD);
  EXPECT_EQ(CapabilityNumber("sys_admin"), CAP_SYS_ADMIN);
  EXPECT_EQ(CapabilityNumber("checkpoint_restore"), CAP_CHECKPOINT_RESTORE);
  EXPECT_EQ(CAP_LAST_CAP, kLastNamedCapability);
  for (int number = 0; number <= kLastNamedCapability; ++number) {
    EXPECT_EQ(CapabilityNumber(CapabilityName(number)), number);
  }
  EXPECT_THAT(CheckCapability("sys_admin"), HasSubstr("cannot be kept: it takes every wall down"));
  EXPECT_THAT(CheckCapability("CAP_CHOWN"), HasSubstr("no such capability"));
  EXPECT_EQ(CheckCapability("chown"), "");
  EXPECT_THAT(KeepableCapabilities(),
              ElementsAre("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill",
                          "setgid", "setuid", "setpcap", "net_bind_service", "ipc_lock", "mknod",
                          "lease", "setfcap"));
}

TEST(ResolveIdentity, NothingNamedIsTheCaller) {
  absl::StatusOr<SessionIdentity> identity = ResolveIdentity({}, kAbi);
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(identity->uid, geteuid());
  EXPECT_EQ(identity->gid, getegid());
  EXPECT_FALSE(identity->changes);
  EXPECT_EQ(identity->kept, 0U);
  EXPECT_FALSE(identity->credentials_may_change);
}

TEST(ResolveIdentity, WhatDoesNotExistIsAnError) {
  ProcessPolicy process;
  process.user = "no-such-user";
  EXPECT_THAT(ErrorOf(process), HasSubstr("process.user: \"no-such-user\": no such user"));
  process.user = "123456";
  EXPECT_THAT(ErrorOf(process), HasSubstr("process.group has to say"));
  process.user = "4294967295";
  EXPECT_THAT(ErrorOf(process), HasSubstr("no such user"));
  process.user = "root";
  process.group = "no-such-group";
  EXPECT_THAT(ErrorOf(process), HasSubstr("process.group: \"no-such-group\": no such group"));
  process.group = "";
  process.groups = {"no-such-group"};
  EXPECT_THAT(ErrorOf(process), HasSubstr("process.groups"));
}

TEST(ResolveIdentity, RootMayNameAnybody) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ProcessPolicy process;
  process.user = "daemon";
  absl::StatusOr<SessionIdentity> identity = ResolveIdentity(process, kAbi);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_TRUE(identity->changes);
  EXPECT_EQ(identity->uid, 1U);
  EXPECT_EQ(identity->user, "daemon");
  EXPECT_THAT(identity->groups, Contains(identity->gid));
  process.user = "123456";
  process.group = "54321";
  process.groups = {"daemon", "77"};
  identity = ResolveIdentity(process, kAbi);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->uid, 123456U);
  EXPECT_EQ(identity->gid, 54321U);
  EXPECT_THAT(identity->groups, ElementsAre(1, 77));
}

TEST(ResolveIdentity, OnlyRootMayNameAnother) {
  ProcessPolicy process;
  process.user = "daemon";
  EXPECT_THAT(ErrorAsOrdinaryUser(process), HasSubstr("process.user: only root can start"));
  process.user = "1000";
  process.group = "1000";
  if (geteuid() == 0) {
    EXPECT_THAT(ErrorAsOrdinaryUser(process), Not(HasSubstr("no such")));
  }
  process = {};
  process.capabilities = {"chown"};
  EXPECT_THAT(ErrorAsOrdinaryUser(process),
              HasSubstr("process.capabilities: chown: sessionctl does not have it itself"));
}

TEST(ResolveIdentity, CapabilitiesThatChangeCredentialsAreTold) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ProcessPolicy process;
  process.capabilities = {"chown", "fowner"};
  EXPECT_FALSE(ResolveIdentity(process, kAbi)->credentials_may_change);
  process.capabilities = {"chown", "setgid"};
  EXPECT_TRUE(ResolveIdentity(process, kAbi)->credentials_may_change);
  EXPECT_EQ(ResolveIdentity(process, kAbi)->kept,
            CapabilityBit(CAP_CHOWN) | CapabilityBit(CAP_SETGID));
  for (const char* held : {"kill", "setuid", "setgid"}) {
    process.capabilities = {held};
    EXPECT_THAT(ErrorOf(process, 5), HasSubstr("needs Landlock ABI 6"));
  }
  process.capabilities = {"chown"};
  EXPECT_EQ(ErrorOf(process, 0), "ok");
  process.capabilities = {"sys_ptrace"};
  EXPECT_THAT(ErrorOf(process), HasSubstr("cannot be kept"));
}

TEST(SessionOomScore, IsRaisedAndNeverLowered) {
  EXPECT_EQ(SessionOomScore(0, 700), 700);
  EXPECT_EQ(SessionOomScore(900, 700), 900);
  EXPECT_EQ(SessionOomScore(0, 0), 0);
  EXPECT_EQ(SessionOomScore(-500, 0), 0) << "protection is not inherited";
  EXPECT_EQ(SessionOomScore(-1000, 300), 300);
}

}  // namespace
}  // namespace sessionctl
