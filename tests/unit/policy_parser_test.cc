#include "policy/policy_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sessionctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;

SessionPolicy Parse(const std::string& text) {
  absl::StatusOr<SessionPolicy> policy = ParsePolicy(text, "p.toml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy.ok() ? *policy : SessionPolicy();
}

// The message of the error that `text` must give.
std::string Error(const std::string& text) {
  const absl::Status status = ParsePolicy(text, "p.toml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text << "\n" << status;
  return std::string(status.message());
}

class PolicyFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/policy_files.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  std::string directory_;
};

constexpr const char* kFull = R"(version = 1
name = "build farm"

[[mount]]
host = "/srv/{session}"
mode = "ro"
exec = false
create = true
deny = ["**/.env", ".git/hooks"]
read_only = ["*.lock"]
hide = ["secrets/**", "*.pem"]
symlinks = "none"
hardlinks = "single"
cross_device = true

[[mount]]
host = "/srv/shared"

[filesystem]
read = ["/etc/hosts"]
exec = ["/usr"]
devices = ["/dev/null"]

[mediation]
scope = "all"

[process]
working_directory = "/srv/shared"
allow_groups = ["debug"]
deny_groups = ["memfd_exec"]
keep_fds = [3, 7]
user = "www"
group = "1234"
groups = ["a", "b"]
capabilities = ["chown", "setuid"]
umask = "027"
nice = 5
oom_score_adj = 300

[environment]
pass = ["TERM", "LC_*"]
set = { PATH = "/usr/bin", EMPTY = "" }

[audit]
level = "all"

[kernel]
min_landlock_abi = 6
best_effort = true
)";

TEST(PolicyParser, EveryKeyIsRead) {
  const SessionPolicy policy = Parse(kFull);
  EXPECT_EQ(policy.name, "build farm");
  ASSERT_EQ(policy.mounts.size(), 2U);
  const Mount& mount = policy.mounts[0];
  EXPECT_EQ(mount.host, "/srv/{session}");
  EXPECT_EQ(mount.mode, MountMode::kReadOnly);
  EXPECT_FALSE(mount.exec);
  EXPECT_TRUE(mount.create);
  EXPECT_THAT(mount.deny, ElementsAre("**/.env", ".git/hooks"));
  EXPECT_THAT(mount.read_only, ElementsAre("*.lock"));
  EXPECT_THAT(mount.hide, ElementsAre("secrets/**", "*.pem"));
  EXPECT_EQ(mount.symlinks, SymlinkRule::kNone);
  EXPECT_EQ(mount.hardlinks, HardlinkRule::kSingle);
  EXPECT_TRUE(mount.cross_device);
  EXPECT_EQ(mount.where.source, "p.toml");
  EXPECT_EQ(mount.where.line, 4);
  EXPECT_EQ(policy.mounts[1].mode, MountMode::kReadWrite);
  EXPECT_TRUE(policy.mounts[1].exec);
  EXPECT_THAT(policy.filesystem.read, ElementsAre("/etc/hosts"));
  EXPECT_THAT(policy.filesystem.exec, ElementsAre("/usr"));
  EXPECT_THAT(policy.filesystem.devices, ElementsAre("/dev/null"));
  EXPECT_EQ(policy.scope, MediationScope::kAll);
  EXPECT_EQ(policy.process.working_directory, "/srv/shared");
  EXPECT_THAT(policy.process.allow_groups, ElementsAre("debug"));
  EXPECT_THAT(policy.process.deny_groups, ElementsAre("memfd_exec"));
  EXPECT_THAT(policy.process.keep_fds, ElementsAre(3, 7));
  EXPECT_EQ(policy.process.user, "www");
  EXPECT_EQ(policy.process.group, "1234");
  EXPECT_THAT(policy.process.groups, ElementsAre("a", "b"));
  EXPECT_THAT(policy.process.capabilities, ElementsAre("chown", "setuid"));
  EXPECT_EQ(policy.process.umask, "027");
  EXPECT_EQ(policy.process.nice, 5);
  EXPECT_EQ(policy.process.oom_score_adj, 300);
  EXPECT_THAT(policy.environment.pass, ElementsAre("TERM", "LC_*"));
  EXPECT_EQ(policy.environment.set.at("PATH"), "/usr/bin");
  EXPECT_EQ(policy.environment.set.at("EMPTY"), "");
  EXPECT_EQ(policy.audit, AuditLevel::kAll);
  EXPECT_EQ(policy.kernel.min_landlock_abi, 6);
  EXPECT_TRUE(policy.kernel.best_effort);
}

TEST(PolicyParser, EmptyFileIsTheDefaultPolicy) {
  const SessionPolicy policy = Parse("");
  EXPECT_TRUE(policy.mounts.empty());
  EXPECT_EQ(policy.scope, MediationScope::kAuto);
  EXPECT_EQ(policy.audit, AuditLevel::kDenials);
}

TEST(PolicyParser, UnknownKeyIsAnErrorWithItsPlace) {
  EXPECT_THAT(Error("version = 1\nnmae = \"x\"\n"),
              AllOf(StartsWith("p.toml:2:1: nmae: unknown key"), HasSubstr("filesystem")));
  EXPECT_THAT(Error("[[mount]]\nhost = \"/a\"\n  hots = 1\n"),
              StartsWith("p.toml:3:3: mount.hots: unknown key"));
  EXPECT_THAT(Error("[kernel]\nbest = true\n"), StartsWith("p.toml:2:1: kernel.best: unknown key"));
  EXPECT_THAT(Error("[kernal]\n"), StartsWith("p.toml:1:2: kernal: unknown key"));
  EXPECT_THAT(Error("[filesystem.read]\nx = 1\n"), HasSubstr("filesystem.read: expected a list"));
}

TEST(PolicyParser, EmptyKeyIsUnknown) {
  EXPECT_THAT(Error("\"\" = 1\n"), StartsWith("p.toml:1:1: \"\": unknown key"));
  EXPECT_THAT(Error("[audit]\n\"\" = 1\n"), StartsWith("p.toml:2:1: audit.\"\": unknown key"));
  EXPECT_THAT(Error("[environment]\nset = { \"\" = \"x\" }\n"), HasSubstr("is empty"));
}

TEST(PolicyParser, DuplicateKeyIsAnErrorWithItsPlace) {
  EXPECT_THAT(Error("version = 1\nversion = 1\n"),
              AllOf(StartsWith("p.toml:2:"), HasSubstr("version")));
  EXPECT_THAT(Error("[audit]\nlevel = \"off\"\n[audit]\nlevel = \"all\"\n"),
              AllOf(StartsWith("p.toml:3:"), HasSubstr("audit")));
  EXPECT_THAT(Error("[[mount]]\nhost = \"/a\"\nhost = \"/b\"\n"), StartsWith("p.toml:3:"));
}

TEST(PolicyParser, WrongTypeNamesBoth) {
  EXPECT_THAT(Error("version = \"1\"\n"),
              StartsWith("p.toml:1:11: version: expected an integer, found a string"));
  EXPECT_THAT(Error("[[mount]]\nhost = 3\n"),
              StartsWith("p.toml:2:8: mount.host: expected a string, found an integer"));
  EXPECT_THAT(Error("[[mount]]\nhost = \"/a\"\ndeny = \"x\"\n"),
              HasSubstr("mount.deny: expected a list of strings, found a string"));
  EXPECT_THAT(Error("[filesystem]\nread = [\"/a\", 1]\n"),
              StartsWith("p.toml:2:15: filesystem.read: expected a string, found an integer"));
  EXPECT_THAT(Error("[kernel]\nbest_effort = 1\n"), HasSubstr("expected a boolean"));
  EXPECT_THAT(Error("[process]\nkeep_fds = [3.0]\n"), HasSubstr("found a float"));
  EXPECT_THAT(Error("[environment]\nset = [\"A=1\"]\n"), HasSubstr("expected a table of strings"));
  EXPECT_THAT(Error("[environment.set]\nA = 1\n"),
              HasSubstr("environment.set.A: expected a string"));
  EXPECT_THAT(Error("mount = 1\n"), HasSubstr("expected a list of tables"));
  EXPECT_THAT(Error("[mount]\nhost = \"/a\"\n"), HasSubstr("written [[mount]]"));
  EXPECT_THAT(Error("mount = [1]\n"), HasSubstr("written [[mount]]"));
  EXPECT_THAT(Error("audit = \"all\"\n"), HasSubstr("written [audit]"));
  EXPECT_THAT(Error("name = 2020-01-01\n"), HasSubstr("found a date or time"));
}

TEST(PolicyParser, CapabilityThatCannotBeKeptIsAnErrorWithItsPlace) {
  EXPECT_THAT(
      Error("[process]\ncapabilities = [\"chown\", \"sys_ptrace\"]\n"),
      HasSubstr("p.toml:2:26: process.capabilities: \"sys_ptrace\": cannot be kept: it takes "
                "over processes"));
  EXPECT_THAT(Error("[process]\ncapabilities = [\"CAP_CHOWN\"]\n"),
              HasSubstr("p.toml:2:17: process.capabilities: \"CAP_CHOWN\": no such capability"));
}

TEST(PolicyParser, ValueOutOfRangeIsAnError) {
  EXPECT_THAT(Error("version = 2\n"), HasSubstr("version: 2 is not between 1 and 1"));
  EXPECT_THAT(Error("[process]\nkeep_fds = [2]\n"), HasSubstr("process.keep_fds: 2 is not"));
  EXPECT_THAT(Error("[process]\nnice = -1\n"), HasSubstr("-1 is not between 0 and 19"));
  for (const char* umask : {"", "8", "1000", "-1", "022 ", "0o22"}) {
    EXPECT_THAT(Error(std::string("[process]\numask = \"") + umask + "\"\n"),
                HasSubstr("is no umask"));
  }
  EXPECT_THAT(Error("[kernel]\nmin_landlock_abi = -1\n"), HasSubstr("-1 is not between"));
  EXPECT_THAT(Error("[[mount]]\nhost = \"/a\"\nmode = \"wr\"\n"),
              HasSubstr("mount.mode: \"wr\" is not one of ro, rw"));
  EXPECT_THAT(Error("[mediation]\nscope = \"\"\n"), HasSubstr("is not one of auto, writes, all"));
  EXPECT_THAT(Error("[process]\nallow_groups = [\"everything\"]\n"), HasSubstr("io_uring"));
  EXPECT_THAT(Error("[[mount]]\nhost = \"a/b\"\n"), HasSubstr("is not an absolute path"));
  EXPECT_THAT(Error("[[mount]]\nhost = \"\"\n"), HasSubstr("is not an absolute path"));
  EXPECT_THAT(Error("[[mount]]\nmode = \"ro\"\n"), HasSubstr("mount.host: is missing"));
  EXPECT_THAT(Error("[[mount]]\nhost = \"/a\"\ndeny = [\"x\", \"../y\"]\n"),
              AllOf(StartsWith("p.toml:3:14: mount.deny: "), HasSubstr("..")));
  EXPECT_THAT(Error("[environment]\npass = [\"A=B\"]\n"), HasSubstr("has an ="));
}

TEST(PolicyParser, NulBytesAreRefused) {
  EXPECT_THAT(Error("[[mount]]\nhost = \"/a\\u0000b\"\n"), HasSubstr("NUL"));
  EXPECT_THAT(Error("[environment.set]\n\"A\\u0000\" = \"x\"\n"), HasSubstr("NUL"));
  EXPECT_THAT(Error("[environment.set]\nA = \"x\\u0000\"\n"), HasSubstr("NUL"));
  EXPECT_THAT(Error(std::string("version = 1\0\n", 13)), StartsWith("p.toml:1:"));
}

TEST(PolicyParser, GarbageIsAnErrorAndNothingWorse) {
  for (const char* text : {"\xff\xfe", "]]]]", "a = ", "[[mount", "\"", "x = {a = {b = {", "= 1"}) {
    EXPECT_THAT(Error(text), StartsWith("p.toml:"));
  }
  std::mt19937 random(7);
  const std::string full = kFull;
  for (int round = 0; round < 2000; ++round) {
    std::string text = full;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      text[random() % text.size()] = static_cast<char>(random() % 256);
    }
    const absl::StatusOr<SessionPolicy> policy = ParsePolicy(text, "p.toml");
    if (policy.ok()) continue;
    EXPECT_THAT(std::string(policy.status().message()), StartsWith("p.toml:"));
  }
}

TEST(PolicyParser, DeepNestingIsAnError) {
  EXPECT_THAT(Error("name = " + std::string(100000, '[')), StartsWith("p.toml:"));
}

TEST(PolicyParser, MoreThanOneMebibyteIsAnError) {
  EXPECT_THAT(Error("#" + std::string(1 << 20, 'x') + "\n"), HasSubstr("1 MiB"));
  EXPECT_TRUE(ParsePolicy("#" + std::string((1 << 20) - 2, 'x') + "\n", "p.toml").ok());
}

TEST(PolicyParser, TenThousandRulesAreRead) {
  std::string text = "[[mount]]\nhost = \"/a\"\ndeny = [\n";
  for (int i = 0; i < 10000; ++i) absl::StrAppend(&text, "  \"d", i % 50, "/**/secret", i, "\",\n");
  EXPECT_EQ(Parse(text + "]\n").mounts[0].deny.size(), 10000U);
}

TEST(PolicyParser, ProfilesAllParse) {
  EXPECT_THAT(ProfileNames(), ElementsAre("default", "git", "minimal", "node", "python", "shell"));
  for (const std::string& name : ProfileNames()) {
    const absl::StatusOr<SessionPolicy> profile = LoadProfile(name);
    ASSERT_TRUE(profile.ok()) << profile.status();
    EXPECT_TRUE(profile->mounts.empty()) << name;
    EXPECT_THAT(profile->filesystem.devices, Contains("/dev/null"));
    for (const char* secret : {"/etc/shadow", "/etc/sudoers", "/etc", "/root", "/home", "/"}) {
      EXPECT_THAT(profile->filesystem.read, Not(Contains(secret))) << name;
      EXPECT_THAT(profile->filesystem.exec, Not(Contains(secret))) << name;
    }
  }
}

TEST(PolicyParser, UnknownProfileNamesTheOnesThereAre) {
  const absl::Status status = LoadProfile("pyhton").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("python"));
  const absl::Status extended = ParsePolicy("\nextends = [\"pyhton\"]\n", "p.toml").status();
  EXPECT_EQ(extended.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(extended.message()), StartsWith("p.toml:2:12: extends: no profile"));
}

TEST(PolicyParser, ExtendedListsGrowAndScalarsAreReplaced) {
  const SessionPolicy policy = Parse(
      "extends = [\"shell\"]\n[filesystem]\nread = [\"/srv/data\", \"/proc\"]\n"
      "[environment]\npass = [\"MINE\"]\n");
  const SessionPolicy shell = *LoadProfile("shell");
  EXPECT_EQ(policy.filesystem.read.size(), shell.filesystem.read.size() + 1);
  EXPECT_EQ(policy.filesystem.read.back(), "/srv/data");
  EXPECT_EQ(policy.environment.pass.back(), "MINE");
  EXPECT_THAT(policy.extends, ElementsAre("shell"));
}

TEST_F(PolicyFiles, ExtendedFilesAreRelativeToTheirFile) {
  std::filesystem::create_directory(directory_ + "/sub");
  Write("base.toml",
        "[kernel]\nbest_effort = true\nmin_landlock_abi = 3\n[[mount]]\nhost = \"/a\"\n"
        "deny = [\"x\"]\n[audit]\nlevel = \"all\"\n");
  Write("sub/middle.toml", "extends = [\"../base.toml\"]\n[process]\ndeny_groups = [\"bpf\"]\n");
  const std::string top = Write("top.toml",
                                "extends = [\"./sub/middle.toml\", \"base.toml\"]\n"
                                "[kernel]\nbest_effort = false\n[[mount]]\nhost = \"/b\"\n");
  const absl::StatusOr<SessionPolicy> policy = LoadPolicyFile(top);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_FALSE(policy->kernel.best_effort);
  EXPECT_EQ(policy->kernel.min_landlock_abi, 3);
  EXPECT_EQ(policy->audit, AuditLevel::kAll);
  EXPECT_THAT(policy->process.deny_groups, ElementsAre("bpf"));
  EXPECT_THAT(policy->mounts.front().deny, ElementsAre("x"));
  EXPECT_EQ(policy->mounts.back().host, "/b");
}

TEST_F(PolicyFiles, CycleIsAnError) {
  const std::string a = Write("a.toml", "extends = [\"b.toml\"]\n");
  Write("b.toml", "\n  extends = [\"a.toml\"]\n");
  const absl::Status status = LoadPolicyFile(a).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("b.toml:2:14: extends: a cycle")));
}

TEST_F(PolicyFiles, ChainDeeperThanSixteenIsAnError) {
  for (int i = 0; i < 40; ++i) {
    Write(absl::StrCat("f", i, ".toml"), absl::StrCat("extends = [\"f", i + 1, ".toml\"]\n"));
  }
  Write("f40.toml", "");
  EXPECT_THAT(std::string(LoadPolicyFile(directory_ + "/f0.toml").status().message()),
              HasSubstr("more than 16 levels"));
  EXPECT_TRUE(LoadPolicyFile(directory_ + "/f24.toml").ok());
}

TEST_F(PolicyFiles, FileThatIsNoFileIsAnError) {
  EXPECT_EQ(LoadPolicyFile(directory_ + "/none.toml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadPolicyFile(directory_).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(LoadPolicyFile(directory_ + "/fifo").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(LoadPolicyFile("/dev/zero").status().code(), absl::StatusCode::kInvalidArgument);
  const std::string large = Write("large.toml", "#" + std::string(1 << 20, 'x'));
  EXPECT_THAT(std::string(LoadPolicyFile(large).status().message()), HasSubstr("1 MiB"));
}

void ExpectSame(const SessionPolicy& a, const SessionPolicy& b) {
  // The writer walks every key, so equal text is equal values; the parser test covers the reading.
  EXPECT_EQ(PolicyToToml(a), PolicyToToml(b));
  EXPECT_EQ(a.mounts.size(), b.mounts.size());
  EXPECT_EQ(a.environment.set, b.environment.set);
  EXPECT_EQ(a.filesystem.read, b.filesystem.read);
}

TEST(PolicyToToml, RoundTrips) {
  const SessionPolicy policy = Parse(kFull);
  const SessionPolicy again = Parse(PolicyToToml(policy));
  ExpectSame(policy, again);
  EXPECT_EQ(again.mounts[0].deny, policy.mounts[0].deny);
  EXPECT_EQ(again.mounts[0].hide, policy.mounts[0].hide);
  EXPECT_EQ(again.process.keep_fds, policy.process.keep_fds);
  EXPECT_EQ(again.process.user, policy.process.user);
  EXPECT_EQ(again.process.groups, policy.process.groups);
  EXPECT_EQ(again.process.capabilities, policy.process.capabilities);
  EXPECT_EQ(again.process.umask, policy.process.umask);
  EXPECT_EQ(again.process.nice, policy.process.nice);
  EXPECT_EQ(again.process.working_directory, policy.process.working_directory);
  EXPECT_EQ(again.kernel.best_effort, policy.kernel.best_effort);
  for (const std::string& name : ProfileNames()) {
    ExpectSame(*LoadProfile(name), Parse(PolicyToToml(*LoadProfile(name))));
  }
}

TEST(PolicyToToml, HostileStringsRoundTrip) {
  SessionPolicy policy;
  policy.name = "quote\" backslash\\ newline\n tab\t del\x7f bell\a ünïcode \xf0\x9f\x98\x80";
  policy.environment.set["a b.c\"d"] = "]\n[kernel]\nbest_effort = true\n";
  Mount mount;
  mount.host = "/a\"\n[[mount]]\nhost=\"/";
  policy.mounts.push_back(mount);
  const SessionPolicy again = Parse(PolicyToToml(policy));
  EXPECT_EQ(again.name, policy.name);
  EXPECT_EQ(again.environment.set, policy.environment.set);
  ASSERT_EQ(again.mounts.size(), 1U);
  EXPECT_EQ(again.mounts[0].host, mount.host);
  EXPECT_FALSE(again.kernel.best_effort);
}

TEST(PolicyToToml, BytesThatAreNotUtf8AreReplaced) {
  SessionPolicy policy;
  policy.name = "a\xff\xc0\xaf\xed\xa0\x80z";
  EXPECT_EQ(Parse(PolicyToToml(policy)).name.front(), 'a');
  EXPECT_EQ(Parse(PolicyToToml(policy)).name.back(), 'z');
}

TEST(MergePolicies, ListsGrowAndWrittenScalarsWin) {
  SessionPolicy top = Parse(
      "[[mount]]\nhost = \"/b\"\n[audit]\nlevel = \"off\"\n[environment]\nset = { A = \"2\" }\n"
      "[process]\ndeny_groups = [\"bpf\", \"memfd_exec\"]\n");
  const SessionPolicy merged = MergePolicies(Parse(kFull), top);
  EXPECT_EQ(merged.mounts.size(), 3U);
  EXPECT_EQ(merged.audit, AuditLevel::kOff);
  EXPECT_EQ(merged.scope, MediationScope::kAll);
  EXPECT_EQ(merged.environment.set.at("A"), "2");
  EXPECT_EQ(merged.environment.set.at("PATH"), "/usr/bin");
  EXPECT_THAT(merged.process.deny_groups, ElementsAre("memfd_exec", "bpf"));
  EXPECT_EQ(merged.name, "build farm");
}

}  // namespace
}  // namespace sessionctl
