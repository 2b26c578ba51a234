// A hidden name is not there: testcases/hidden_names tries each way to find, reach or list one, in
// every view and mode, as root and as an ordinary user. The answers must be those of the same
// session in a tree that has no such name. Bare, and in a session that hides nothing, each way must
// notice that it is there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "tests/escape/attack.h"

namespace escape {
namespace {

using Answers = std::map<std::string, std::string>;

// What depends on the policy alone, not on what is there.
const Answers& RefusedMaking() {
  static const auto* const answers = [] {
    auto* all = new Answers();
    for (const char* way :
         {"create", "create-truncate", "create-exclusive", "create-openat2", "create-by-link",
          "create-absolute", "mkdir", "mkdir-over-file", "mknod", "mkfifo", "symlink", "link-to",
          "rename-to", "rename-no-replace", "rename-directory-to", "bind"}) {
      (*all)[way] = "EACCES";
    }
    return all;
  }();
  return *answers;
}

// Documented: what is learned all the same (docs/threat_model.md).
const Answers& Learned() {
  static const auto* const answers = new Answers{{"chdir", "OK"},
                                                 {"rmdir-around", "ENOTEMPTY"},
                                                 {"handle", "EOPNOTSUPP"},
                                                 {"openat2-beneath-link-through", "read #!"}};
  return *answers;
}

// Bare, to make a name that is there already may succeed as well.
bool MayLookTheSame(const std::string& way) {
  return RefusedMaking().contains(way) || way.starts_with("rename") || way.starts_with("exchange");
}

struct Place {
  std::string name;
  std::string mount;  // behind --mount DIR
  std::string seen;   // where the session sees it; "": where it is
};

const Place kPlaces[] = {{"HostReadWrite", "", ""},
                         {"HostReadOnly", ":ro", ""},
                         {"PrivateReadWrite", ":/mnt/data", "/mnt/data"},
                         {"PrivateReadOnly", ":/mnt/data:ro", "/mnt/data"},
                         {"PrivateOverlay", ":/mnt/data:overlay", "/mnt/data"}};

class HiddenNameBare : public ::testing::Test {
 protected:
  void SetUp() override { harness::CopyProgram(harness::TestcasePath("hidden_names"), Tool()); }
  std::string Tool() const { return scratch_ / "tool"; }

  // A fresh tree; its path.
  std::string Make(const std::string& name, const char* what) {
    const std::string path = scratch_ / name;
    harness::MakeDirectory(path);
    EXPECT_EQ(harness::Run({.argv = {Tool(), "make", path, what}}).exit_code, 0);
    if (user_) harness::GiveTree(path, *user_, *user_);
    return path;
  }

  // What is said of the tree that is seen at `where`.
  Answers Try(const std::string& where, const std::optional<harness::SessionFlags>& flags) {
    std::vector<std::string> argv = {Tool(), "try", where};
    if (flags) {
      argv = harness::SessionArgv(*flags, argv);
      argv.insert(argv.begin(), {"env", "SESSIONCTL_STATE_DIR=" + (scratch_ / "state")});
    }
    const harness::Outcome outcome =
        harness::Run({.argv = argv, .directory = "/", .as_user = user_});
    Answers answers;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) {
      const size_t tab = line.find('\t');
      if (tab != std::string::npos) answers[line.substr(0, tab)] = line.substr(tab + 1);
    }
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_GT(answers.size(), 130U) << outcome.out << outcome.err;
    return answers;
  }

  harness::ScratchDirectory scratch_;
  std::optional<uid_t> user_;
};

class HiddenName : public HiddenNameBare,
                   public ::testing::WithParamInterface<std::tuple<Place, bool>> {
 protected:
  void SetUp() override {
    if (std::get<1>(GetParam())) {
      if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root, to become an ordinary user";
      user_ = 1000;
    }
    HiddenNameBare::SetUp();
    harness::MakeDirectory(scratch_ / "state");
    if (user_) harness::GiveTree(scratch_ / "state", *user_, *user_);
  }
  const Place& place() const { return std::get<0>(GetParam()); }

  Answers TryIn(const std::string& tree, bool hide) {
    return Try(place().seen.empty() ? tree : place().seen, Flags(tree, hide));
  }

  harness::SessionFlags Flags(const std::string& tree, bool hide) const {
    harness::SessionFlags flags;
    flags.mounts = {tree + place().mount};
    flags.read_exec = {Tool()};
    if (hide) flags.extra = {"--hide", ".env", "--hide", "secrets", "--hide", "secret.*"};
    return flags;
  }
};

INSTANTIATE_TEST_SUITE_P(Everywhere, HiddenName,
                         ::testing::Combine(::testing::ValuesIn(kPlaces), ::testing::Bool()),
                         [](const auto& info) {
                           return std::get<0>(info.param).name +
                                  (std::get<1>(info.param) ? "OrdinaryUser" : "Root");
                         });

TEST_P(HiddenName, IsNotThereWhateverIsTried) {
  const std::string open_tree = Make("open", "present");
  const Answers open = TryIn(open_tree, false);
  const std::string without_tree = Make("without", "absent");
  const Answers without = TryIn(without_tree, false);
  const std::string tree = Make("hidden", "present");
  const Answers hidden = TryIn(tree, true);
  const bool read_only = place().mount.ends_with(":ro");
  int noticed = 0;
  for (const auto& [way, answer] : hidden) {
    SCOPED_TRACE(way);
    noticed += open.at(way) != without.at(way) ? 1 : 0;
    if (way == "execute") continue;  // the shell does not find what the kernel has found
    const bool refused = RefusedMaking().contains(way) && !read_only;
    const bool learned = Learned().contains(way) && (way != "rmdir-around" || !read_only);
    const std::string& expected = refused   ? RefusedMaking().at(way)
                                  : learned ? Learned().at(way)
                                            : without.at(way);
    EXPECT_EQ(answer, expected) << "where nothing is hidden: " << open.at(way);
  }
  EXPECT_GT(noticed, read_only ? 100 : 120) << "in a session that hides nothing";
  EXPECT_EQ(harness::ReadFile(tree + "/create-truncate/.env"), "#!/bin/sh\nexit 0\n");
  printf("%zu ways, %d notice it where nothing is hidden\n", hidden.size(), noticed);
}

// The control of the ways themselves.
TEST_F(HiddenNameBare, IsNoticedByEachWay) {
  const Answers with = Try(Make("with", "present"), std::nullopt);
  const Answers without = Try(Make("without", "absent"), std::nullopt);
  for (const auto& [way, answer] : with) {
    if (MayLookTheSame(way)) continue;
    EXPECT_NE(answer, without.at(way)) << way;
  }
}

// While a door is exchanged with a link to the hidden directory: nothing is reached through it.
class HiddenNameRace : public HiddenNameBare {
 protected:
  struct Counts {
    long attempts = 0;
    long reached = 0;
    long swaps = 0;
  };

  Counts Run(const std::vector<std::string>& flags) {
    const std::string tree = scratch_ / (flags.empty() ? "bare" : "inside");
    for (const char* name : {"/door", "/secrets"}) {
      harness::MakeDirectory(tree + name);
      harness::WriteFile(tree + name + "/key", name[1] == 's' ? "#!secret" : "open");
    }
    harness::WriteFile(tree + "/secrets/only-secret", "secret");
    harness::MakeLink("secrets", tree + "/link");
    std::vector<std::string> argv = {Tool(), "race", tree, "3"};
    if (!flags.empty()) {
      harness::SessionFlags session;
      session.mounts = {tree};
      session.read_exec = {Tool()};
      session.extra = flags;
      argv = harness::SessionArgv(session, argv);
    }
    harness::Child child({.argv = argv, .directory = "/"});
    Counts counts;
    const std::string door = tree + "/door";
    const std::string link = tree + "/link";
    for (; child.Running(); ++counts.swaps) {
      renameat2(AT_FDCWD, door.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
    }
    const harness::Outcome outcome = child.Wait();
    std::istringstream(outcome.out) >> counts.attempts >> counts.reached;
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    printf("%s: %ld attempts of four ways, %ld swaps, %ld times reached\n",
           flags.empty() ? "bare" : "inside", counts.attempts, counts.swaps, counts.reached);
    return counts;
  }
};

TEST_F(HiddenNameRace, DoorExchangedForALinkToItLeadsNowhere) {
  const Counts bare = Run({});
  EXPECT_GT(bare.reached, 0) << "the bare control reaches nothing";
  const Counts inside = Run({"--hide", "secrets"});
  EXPECT_EQ(inside.reached, 0);
  EXPECT_GT(inside.attempts, 100);
}

}  // namespace
}  // namespace escape
