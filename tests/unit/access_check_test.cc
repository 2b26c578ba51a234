#include "policy/access_check.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace sessionctl {
namespace {

constexpr Operation kAllOperations[] = {
    Operation::kRead,     Operation::kWrite,      Operation::kCreate,
    Operation::kRemove,   Operation::kCreateLink, Operation::kRenameFrom,
    Operation::kRenameTo, Operation::kLinkFrom,   Operation::kMetadata};

bool MakesName(Operation operation) {
  return operation == Operation::kCreate || operation == Operation::kCreateLink ||
         operation == Operation::kRenameTo;
}

CompiledMount MakeMount(const std::string& path, const std::vector<std::string>& deny = {},
                        const std::vector<std::string>& read_only = {}) {
  CompiledMount mount;
  mount.mount.host = mount.mount.guest = mount.mount.alias = path;
  mount.deny = *GlobSet::Compile(deny);
  mount.read_only = *GlobSet::Compile(read_only);
  return mount;
}

CompiledMount MakeHidingMount(const std::string& path, const std::vector<std::string>& hide) {
  CompiledMount mount = MakeMount(path);
  mount.hide = *GlobSet::Compile(hide);
  return mount;
}

CompiledPolicy MakePolicy(std::vector<CompiledMount> mounts) {
  CompiledPolicy policy;
  policy.mounts = std::move(mounts);
  policy.system = {{"/etc/hosts"}, {"/dev/null", false, true}, {"/usr", true}};
  return policy;
}

Verdict Check(const CompiledPolicy& policy, Operation operation, const std::string& path,
              const std::string& other = "") {
  AccessRequest request = {operation};
  request.mount = &policy.mounts.front();
  request.path = path;
  request.other_path = other;
  return CheckAccess(policy, request);
}

Verdict CheckOutside(const CompiledPolicy& policy, Operation operation, const std::string& path) {
  AccessRequest request = {operation};
  request.path = path;
  return CheckAccess(policy, request);
}

TEST(AccessCheck, ReadWriteMountAllowsEverything) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  for (const Operation operation : kAllOperations) {
    const Verdict verdict = Check(policy, operation, "a/b", "c");
    EXPECT_EQ(verdict.error, 0) << OperationName(operation);
    EXPECT_EQ(verdict.rule, "mount /m mode=rw");
  }
}

TEST(AccessCheck, ReadOnlyMountAllowsOnlyReads) {
  CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  policy.mounts[0].mount.mode = MountMode::kReadOnly;
  for (const Operation operation : kAllOperations) {
    EXPECT_EQ(Check(policy, operation, "a").error, operation == Operation::kRead ? 0 : EROFS)
        << OperationName(operation);
  }
  EXPECT_EQ(Check(policy, Operation::kWrite, "a").rule, "mount /m mode=ro");
}

TEST(AccessCheck, DenyGlobRefusesEverything) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m", {"**/.env"})});
  for (const Operation operation : kAllOperations) {
    const Verdict verdict = Check(policy, operation, "x/.env");
    EXPECT_EQ(verdict.error, EACCES) << OperationName(operation);
    EXPECT_EQ(verdict.rule, "deny **/.env");
  }
  EXPECT_TRUE(Check(policy, Operation::kRead, "x/env").allowed());
}

TEST(AccessCheck, DenyGlobIsCheckedAtBothEnds) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m", {".env"})});
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "a", ".env").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kRenameTo, "a", ".env").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kLinkFrom, "a", ".env").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kLinkFrom, ".env", "a").error, EACCES);
}

// What needs the name finds nothing; what would make it is refused, whether or not it is there.
TEST(AccessCheck, HiddenNameIsNotThereAndCannotBeMade) {
  const CompiledPolicy policy = MakePolicy({MakeHidingMount("/m", {"**/.env", "secrets"})});
  for (const Operation operation : kAllOperations) {
    for (const char* path : {"x/.env", "secrets"}) {
      const Verdict verdict = Check(policy, operation, path);
      EXPECT_EQ(verdict.error, MakesName(operation) ? EACCES : ENOENT) << OperationName(operation);
      EXPECT_TRUE(verdict.rule.starts_with("hide ")) << verdict.rule;
    }
    EXPECT_EQ(Check(policy, operation, "secrets/x").error, ENOENT) << OperationName(operation);
    EXPECT_EQ(Check(policy, operation, "secrets/.env").error, ENOENT) << OperationName(operation);
  }
  EXPECT_EQ(Check(policy, Operation::kLookUp, "x/.env").error, ENOENT);
  EXPECT_EQ(Check(policy, Operation::kConnect, "secrets/s").error, ENOENT);
  EXPECT_TRUE(Check(policy, Operation::kRead, "x/env").allowed());
}

TEST(AccessCheck, HiddenNameInAReadOnlyMountIsMadeNoMoreThanAnyOther) {
  CompiledPolicy policy = MakePolicy({MakeHidingMount("/m", {".env"})});
  policy.mounts[0].mount.mode = MountMode::kReadOnly;
  EXPECT_EQ(Check(policy, Operation::kCreate, ".env").error, EROFS);
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "a", ".env").error, EROFS);
  EXPECT_EQ(Check(policy, Operation::kRemove, ".env").error, ENOENT);
  EXPECT_EQ(Check(policy, Operation::kRead, ".env").error, ENOENT);
}

TEST(AccessCheck, HideGlobIsCheckedAtBothEnds) {
  const CompiledPolicy policy = MakePolicy({MakeHidingMount("/m", {".env"})});
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "a", ".env").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, ".env", "a").error, ENOENT);
  EXPECT_EQ(Check(policy, Operation::kRenameTo, "a", ".env").error, ENOENT);
  EXPECT_EQ(Check(policy, Operation::kLinkFrom, "a", ".env").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kLinkFrom, ".env", "a").error, ENOENT);
}

TEST(AccessCheck, NoRenameUncoversAHiddenName) {
  const CompiledPolicy policy = MakePolicy({MakeHidingMount("/m", {"a/secret", "**/.env"})});
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "a", "b").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "b", "a").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kCreateLink, "a").error, EACCES);
  EXPECT_TRUE(Check(policy, Operation::kRenameFrom, "b", "c").allowed());
}

// Looking is as free as without the mediation that hiding takes.
TEST(AccessCheck, LookingAtWhatIsNotHiddenIsAllowedEverywhere) {
  CompiledMount mount = MakeHidingMount("/m", {".env"});
  mount.deny = *GlobSet::Compile({"denied"});
  mount.mount.hardlinks = HardlinkRule::kSingle;
  const CompiledPolicy policy = MakePolicy({mount});
  EXPECT_TRUE(Check(policy, Operation::kLookUp, "a").allowed());
  EXPECT_TRUE(Check(policy, Operation::kLookUp, "denied").allowed());
  EXPECT_TRUE(CheckOutside(policy, Operation::kLookUp, "/root/x").allowed());
}

TEST(AccessCheck, RenameOfAnAncestorOfADeniedNameIsRefused) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m", {".git/hooks"}, {"conf/*.toml"})});
  const Verdict verdict = Check(policy, Operation::kRenameFrom, ".git", "old");
  EXPECT_EQ(verdict.error, EACCES);
  EXPECT_EQ(verdict.rule, "deny .git/hooks below it");
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "conf", "old").error, EROFS);
  EXPECT_TRUE(Check(policy, Operation::kRenameFrom, "other", "old").allowed());
}

// The other way round: what was made elsewhere must not come to stand under a rule.
TEST(AccessCheck, RenameIntoThePlaceOfAnAncestorIsRefused) {
  const CompiledPolicy policy =
      MakePolicy({MakeMount("/m", {".git/hooks", "**/.env"}, {"conf/*.toml"})});
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "x", ".git").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "x", "conf").error, EROFS);
  EXPECT_TRUE(Check(policy, Operation::kRenameFrom, "x", "y").allowed());
}

TEST(AccessCheck, LinkOnTheWayToAnAnchoredRuleIsRefused) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m", {".git/hooks", "**/.env"}, {"a/b/c"})});
  EXPECT_EQ(Check(policy, Operation::kCreateLink, ".git").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kCreateLink, "a").error, EROFS);
  EXPECT_EQ(Check(policy, Operation::kCreateLink, "a/b").error, EROFS);
  EXPECT_TRUE(Check(policy, Operation::kCreateLink, "a/x").allowed());
  EXPECT_TRUE(Check(policy, Operation::kCreateLink, "free").allowed());
  EXPECT_TRUE(Check(policy, Operation::kCreate, ".git").allowed());
}

TEST(AccessCheck, RenameOfARegularFileNeedsNoCoverBelowIt) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m", {"a/**/secret"})});
  AccessRequest request = {Operation::kRenameFrom, &policy.mounts[0], "a/f", "b/f"};
  EXPECT_EQ(CheckAccess(policy, request).error, EACCES);
  request.is_regular = true;
  EXPECT_TRUE(CheckAccess(policy, request).allowed());
}

TEST(AccessCheck, ReadOnlyGlobAllowsReadsOnly) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m", {}, {"lock.json"})});
  for (const Operation operation : kAllOperations) {
    EXPECT_EQ(Check(policy, operation, "lock.json").error,
              operation == Operation::kRead ? 0 : EROFS)
        << OperationName(operation);
  }
}

TEST(AccessCheck, RootOfAMountCannotBeRenamedOrRemoved) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  EXPECT_EQ(Check(policy, Operation::kRemove, "").error, EBUSY);
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "", "x").error, EBUSY);
  EXPECT_EQ(Check(policy, Operation::kRenameTo, "", "x").error, EBUSY);
  EXPECT_TRUE(Check(policy, Operation::kMetadata, "").allowed());
  EXPECT_TRUE(Check(policy, Operation::kRead, "").allowed());
}

TEST(AccessCheck, DeviceInAMountIsRefused) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  for (const Operation operation : kAllOperations) {
    AccessRequest request = {operation, &policy.mounts[0], "node", "to"};
    request.is_device = true;
    const bool name_only = operation == Operation::kRemove || operation == Operation::kRenameFrom ||
                           operation == Operation::kRenameTo || operation == Operation::kCreateLink;
    EXPECT_EQ(CheckAccess(policy, request).error, name_only ? 0 : EACCES)
        << OperationName(operation);
  }
}

TEST(AccessCheck, SingleHardlinksRefuseFilesWithTwoNames) {
  CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  policy.mounts[0].mount.hardlinks = HardlinkRule::kSingle;
  const auto check = [&](Operation operation, unsigned long links, bool regular) {
    AccessRequest request = {operation, &policy.mounts[0], "f", "to"};
    request.is_regular = regular;
    request.link_count = links;
    return CheckAccess(policy, request).error;
  };
  EXPECT_EQ(check(Operation::kRead, 2, true), EACCES);
  EXPECT_EQ(check(Operation::kWrite, 2, true), EACCES);
  EXPECT_EQ(check(Operation::kMetadata, 2, true), EACCES);
  EXPECT_EQ(check(Operation::kRead, 1, true), 0);
  EXPECT_EQ(check(Operation::kRead, 5, false), 0);  // a directory
  EXPECT_EQ(check(Operation::kRemove, 2, true), 0);
  EXPECT_EQ(check(Operation::kLinkFrom, 1, true), EPERM);
}

TEST(AccessCheck, NestedMountIsAnIslandToTheMountAroundIt) {
  CompiledPolicy policy = MakePolicy({MakeMount("/m"), MakeMount("/m/a/inner")});
  EXPECT_EQ(Check(policy, Operation::kRead, "a/inner/f").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kRead, "a/inner").error, EACCES);
  EXPECT_EQ(Check(policy, Operation::kRenameFrom, "a", "b").error, EBUSY);
  EXPECT_EQ(Check(policy, Operation::kRenameTo, "a", "b").error, EBUSY);
  EXPECT_EQ(Check(policy, Operation::kRemove, "a").error, EBUSY);
  EXPECT_TRUE(Check(policy, Operation::kCreate, "a/f").allowed());
  EXPECT_TRUE(Check(policy, Operation::kRead, "a/inner2").allowed());
}

TEST(AccessCheck, NothingIsAllowedOutsideEveryGrant) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  for (const Operation operation : kAllOperations) {
    for (const char* path : {"/etc/shadow", "/", "/usr2/f", "/etc/hosts.bak", "/mm", ""}) {
      const Verdict verdict = CheckOutside(policy, operation, path);
      EXPECT_EQ(verdict.error, EACCES) << OperationName(operation) << " " << path;
      EXPECT_EQ(verdict.rule, "no grant");
    }
  }
}

TEST(AccessCheck, SystemGrantsAreReadOnly) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  for (const Operation operation : kAllOperations) {
    const int expected = operation == Operation::kRead ? 0 : EROFS;
    EXPECT_EQ(CheckOutside(policy, operation, "/usr/bin/env").error, expected);
    EXPECT_EQ(CheckOutside(policy, operation, "/etc/hosts").error, expected);
  }
  EXPECT_EQ(CheckOutside(policy, Operation::kRead, "/usr/bin/env").rule, "filesystem.exec /usr");
}

TEST(AccessCheck, DevicesAreReadAndWrittenOnly) {
  const CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  for (const Operation operation : kAllOperations) {
    const bool allowed = operation == Operation::kRead || operation == Operation::kWrite;
    EXPECT_EQ(CheckOutside(policy, operation, "/dev/null").error, allowed ? 0 : EACCES)
        << OperationName(operation);
  }
}

// A copy may be read where the original may, but for what it tells of the host.
TEST(AccessCheck, MountinfoIsReadAsACopyWhereItTellsHostPaths) {
  CompiledPolicy policy = MakePolicy({MakeMount("/m")});
  policy.system.push_back({"/proc"});
  AccessRequest request = {Operation::kRead};
  for (const char* path : {"/proc/1/mountinfo", "/proc/1/task/2/mountinfo"}) {
    request.path = path;
    policy.view.moves_mounts = false;
    EXPECT_EQ(CheckAccess(policy, request).error, 0) << path;
    policy.view.moves_mounts = true;
    request.is_copy = false;
    EXPECT_EQ(CheckAccess(policy, request).error, EACCES) << path;
    request.is_copy = true;
    EXPECT_EQ(CheckAccess(policy, request).error, 0) << path;
  }
  policy.system.pop_back();
  EXPECT_EQ(CheckAccess(policy, request).error, EACCES) << "no grant of /proc";
}

}  // namespace
}  // namespace sessionctl
