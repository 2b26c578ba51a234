// Attacks on a session's private view: ways back to the host's root, to its mounts, its processes
// and its kernel's settings, and ways to make or enter a namespace in which there are more rights.
// Each is a script that says "reached" when it has succeeded, as it does bare.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/escape/attack.h"
#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"

namespace escape {
namespace {

constexpr char kReached[] = "reached\n";
constexpr char kGuest[] = "/mnt/data";
constexpr int kKeptDescriptor = 8;

struct ViewAttack {
  const char* name;
  const char* script;  // {vault}, {mount} and {victim} are replaced
  bool roots = false;  // bare, only root succeeds
};

// `unshare -r` is for both: root, too, then stands in a namespace where it has every capability.
constexpr ViewAttack kAttacks[] = {
    {"ByName", "grep -q CANARY {vault}/target && echo reached"},
    {"MountByItsHostsName", "[ -e {mount}/target ] && echo reached"},
    {"AboveTheRoot", "cd /; grep -q CANARY ../../..{vault}/target && echo reached"},
    {"ThroughItsOwnRootLink", "grep -q CANARY /proc/self/root{vault}/target && echo reached"},
    {"ThroughAnotherProcessesRoot",
     "grep -q CANARY /proc/{victim}/root{vault}/target && echo reached"},
    {"ThroughADescriptorOfTheOldRoot",
     "grep -q CANARY /proc/self/fd/8{vault}/target && echo reached"},
    {"FromADescriptorOfTheOldRoot",
     "cd /proc/self/fd/8 && grep -q CANARY .{vault}/target && echo reached"},
    {"ListingADescriptorOfTheOldRoot",
     "[ -n \"$(ls /proc/self/fd/8/ 2>/dev/null)\" ] && echo reached"},
    {"ThroughAnotherProcess", "grep -q CANARY /proc/{victim}/cwd/target && echo reached"},
    {"SignalToAnotherProcess", "kill -0 {victim} && echo reached"},
    {"NamesOfProcesses", "[ -r /proc/{victim}/cmdline ] && echo reached"},
    {"NamespaceOfAnotherProcess", "nsenter --mount --target {victim} true && echo reached", true},
    {"UserNamespace", "unshare --user --map-root-user sh -c 'echo reached'"},
    {"MappingOfAUserNamespace",
     "unshare --user sleep 9 & own=$(readlink /proc/self/ns/user); for i in $(seq 100); do "
     "[ \"$(readlink /proc/$!/ns/user)\" = $own ] || break; sleep 0.05; done; "
     "echo 0 $(id -u) 1 > /proc/$!/uid_map && echo reached; kill $!"},
    {"MountNamespace",
     "unshare --map-root-user --mount sh -c 'mount -t tmpfs none /tmp && echo reached'"},
    {"BindMount",
     "unshare --map-root-user --mount sh -c 'mount --bind /usr /mnt && [ -e /mnt/bin ] && echo "
     "reached'"},
    {"UnmountWhatCovers",
     "unshare --map-root-user --mount sh -c 'mount -t tmpfs none /mnt && umount /mnt && echo "
     "reached'"},
    {"PivotRoot",
     "unshare --map-root-user --mount sh -c 'mount -t tmpfs none /mnt && mkdir /mnt/old && cd /mnt "
     "&& pivot_root . old && cd / && echo reached'"},
    {"Chroot", "unshare --map-root-user chroot / sh -c 'echo reached'"},
    {"ProcessIdNamespace",
     "unshare --map-root-user --pid --fork sh -c '[ $$ = 1 ] && echo reached'"},
    {"KernelSetting",
     "read -r name < /proc/sys/kernel/domainname && echo \"$name\" > "
     "/proc/sys/kernel/domainname && echo reached",
     true},
    {"KernelObjects", "touch -a /sys/kernel && echo reached", true},
    {"SystemTreesAsRoot",
     "touch /usr/share/made-by-a-session && rm "
     "/usr/share/made-by-a-session && echo reached",
     true},
};

class PrivateViewAttack : public testing::TestWithParam<ViewAttack> {
 protected:
  PrivateViewAttack()
      : victim_({.argv = {"/bin/sleep", "300"}, .directory = scene_.vault().path()}) {}

  std::string Script() const {
    std::string script = scene_.Expand(GetParam().script);
    const std::string mark = "{victim}";
    for (size_t at; (at = script.find(mark)) != std::string::npos;) {
      script.replace(at, mark.size(), std::to_string(victim_.pid()));
    }
    return script;
  }

  // With the host's root open as a descriptor that the session keeps.
  harness::Outcome Try(const std::optional<harness::SessionFlags>& flags) {
    const int root = open("/", O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(dup2(root, kKeptDescriptor), kKeptDescriptor);
    const harness::Outcome outcome = harness::RunEither(
        flags, {.argv = {"/bin/sh", "-c", Script()}, .directory = scene_.mount()});
    close(kKeptDescriptor);
    close(root);
    return outcome;
  }

  AttackScene scene_;
  harness::Child victim_;
};

INSTANTIATE_TEST_SUITE_P(Ways, PrivateViewAttack, testing::ValuesIn(kAttacks),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(PrivateViewAttack, SucceedsBareOnly) {
  const harness::Outcome bare = Try(std::nullopt);
  if (!GetParam().roots || harness::RunningAsRoot()) {
    ASSERT_EQ(bare.out, kReached) << "the bare control: " << bare.err;
  }
  scene_.vault().Remember();
  // Where the view keeps room for mounts that its session may get later, too.
  for (const bool reserve : {false, true}) {
    harness::SessionFlags flags;
    flags.mounts = {scene_.mount() + ":" + kGuest};
    flags.extra = {"--workdir", kGuest, "--keep-fd", std::to_string(kKeptDescriptor)};
    if (reserve) flags.extra.emplace_back("--reserve");
    const harness::Outcome session = Try(flags);
    EXPECT_EQ(session.out.find(kReached), std::string::npos) << session.err;
    EXPECT_LT(session.exit_code, 125) << "the session did not run: " << session.err;
  }
  EXPECT_TRUE(victim_.Running());
  EXPECT_FALSE(scene_.vault().CheckAndReset()) << scene_.vault().first_difference();
}

// What the host mounts later in a directory that a session has does not come into its view, and so
// gives the session no other file system.
TEST(PrivateView, HostsLaterMountDoesNotPropagateIntoIt) {
  if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, to mount a tmpfs";
  for (const bool in_session : {false, true}) {
    AttackScene scene;
    const std::string place = scene.mount() + "/sub";
    const std::string script =
        "touch started; while ! [ -e go ]; do sleep 0.02; done; cat sub/secret";
    std::optional<harness::SessionFlags> flags;
    harness::Command command = {.argv = {"/bin/sh", "-c", script}, .directory = scene.mount()};
    if (in_session) {
      flags = harness::SessionFlags{};
      flags->mounts = {scene.mount() + ":" + kGuest};
      flags->extra = {"--workdir", kGuest};
      command.argv = harness::SessionArgv(*flags, command.argv);
    }
    harness::Child child(command);
    while (!harness::Exists(scene.mount() + "/started") && child.Running()) usleep(1000);
    ASSERT_EQ(mount("tmpfs", place.c_str(), "tmpfs", 0, "size=64k"), 0);
    harness::WriteFile(place + "/secret", harness::kCanary);
    harness::WriteFile(scene.mount() + "/go", "");
    const harness::Outcome outcome = child.Wait();
    umount2(place.c_str(), MNT_DETACH);
    EXPECT_EQ(outcome.out, in_session ? "" : harness::kCanary) << outcome.err;
  }
}

}  // namespace
}  // namespace escape
