#include "tests/escape/race.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/harness/watched_tree.h"

namespace escape {
namespace {

using harness::Child;
using harness::Command;
using harness::Outcome;
using harness::SessionFlags;
using testcases::PathOperation;
using Clock = std::chrono::steady_clock;

constexpr long kEnoughBareEscapes = 3;
constexpr double kBareLimit =
    30;  // seconds: an unprotected half that has not lost by then fails the test
constexpr double kSessionLimit = 240;  // seconds
constexpr int kSessionTurns = 10;

double RaceSeconds() {
  const char* seconds = getenv("SESSIONCTL_RACE_SECONDS");
  return seconds != nullptr ? atof(seconds) : 0.7;
}

const char* AttackerName(Attacker attacker) {
  switch (attacker) {
    case Attacker::kLeafExchanged: return "leaf-exchanged";
    case Attacker::kParentExchanged: return "parent-exchanged";
    case Attacker::kLinkLoop: return "link-loop";
    case Attacker::kMovedOut: return "moved-out";
  }
  return "";
}

// Where everything lies, for one attacker:
//   mount/shared/       what the victim works in        outer/vault/   the watched tree
//   mount/away/here/    the victim's cwd (moved-out)    outer/away/    where it is moved to
//   tools/              the programs
class RaceScene {
 public:
  explicit RaceScene(const Race& race) : race_(race), vault_(VaultPath(), race.as_user) {
    harness::MakeDirectory(mount_ + "/scratch");
    harness::MakeDirectory(mount_ + "/away/here");
    harness::MakeDirectory(root_ / "outer/away");
    harness::MakeDirectory(root_ / "tools");
    harness::PopulateScene(shared_, "legitimate\n");
    harness::WriteFile(mount_ + "/scratch/source", "source\n");
    for (const char* name : {"path_victim", "swap_attacker"}) {
      harness::CopyProgram(harness::TestcasePath(name), Tool(name));
    }
    PlaceLinks();
    if (race.as_user.has_value()) {
      harness::GiveTree(root_.path(), *race.as_user, *race.as_user);
    }
    vault_.Remember();
  }

  harness::WatchedTree& vault() { return vault_; }
  const std::string& shared() const { return shared_; }
  std::string Leaf() const { return shared_ + "/" + race_.operation->leaf; }

  Command AttackerCommand() const {
    std::vector<std::string> argv = {Tool("swap_attacker")};
    switch (race_.attacker) {
      case Attacker::kLeafExchanged:
        argv.insert(argv.end(), {"exchange", Leaf(), shared_ + "/link"});
        break;
      case Attacker::kParentExchanged:
        argv.insert(argv.end(), {"exchange", shared_, mount_ + "/link"});
        break;
      case Attacker::kLinkLoop:
        argv.insert(argv.end(), {"link-loop", Leaf(), vault_.path() + "/" + race_.operation->leaf});
        break;
      case Attacker::kMovedOut:
        argv.insert(argv.end(), {"move-out", mount_ + "/away/here", root_ / "outer/away/here"});
        break;
    }
    return {.argv = argv, .as_user = race_.as_user, .time_limit = 600};
  }

  Command VictimCommand(const std::vector<std::string>& how_long) const {
    std::vector<std::string> argv = {Tool("path_victim"), "--op", race_.operation->name, "--mount",
                                     mount_};
    if (race_.attacker == Attacker::kMovedOut) {
      argv.insert(argv.end(), {"--cwd", mount_ + "/away/here", "--dir", "../../shared"});
    } else {
      argv.insert(argv.end(), {"--dir", shared_});
    }
    if (race_.attacker == Attacker::kLinkLoop) {
      // The loop has to take the file away and put its link there, both after the check.
      argv.insert(argv.end(), {"--make-leaf", "--think", "300"});
    }
    argv.insert(argv.end(), how_long.begin(), how_long.end());
    return {.argv = argv, .as_user = race_.as_user, .time_limit = 600};
  }

  SessionFlags Flags() const {
    SessionFlags flags;
    flags.mounts = {mount_};
    if (race_.links_to_second_mount) flags.mounts.push_back(vault_.path());
    flags.read_exec = {root_ / "tools"};
    flags.scope = race_.scope;
    return flags;
  }

 private:
  std::string Tool(const char* name) const { return root_ / ("tools/" + std::string(name)); }

  // Moved out of the mount, "../../shared" must lead to the vault.
  std::string VaultPath() const {
    return root_ / (race_.attacker == Attacker::kMovedOut ? "outer/shared" : "outer/vault");
  }

  void PlaceLinks() {
    if (race_.attacker == Attacker::kLeafExchanged) {
      if (!harness::Exists(Leaf())) harness::WriteFile(Leaf(), "legitimate\n");
      harness::MakeLink(vault_.path() + "/" + race_.operation->leaf, shared_ + "/link");
    } else if (race_.attacker == Attacker::kParentExchanged) {
      harness::MakeLink(vault_.path(), mount_ + "/link");
    }
  }

  const Race race_;
  harness::ScratchDirectory root_;
  const std::string mount_ = root_ / "mount";
  const std::string shared_ = root_ / "mount/shared";
  harness::WatchedTree vault_;
};

struct Half {
  long attempts = 0;
  long ok = 0;
  long denied = 0;
  long escapes = 0;
  long swaps = 0;
  std::string errors;  // the errnos the victim saw, as JSON
  std::string difference;
};

// The unprotected half may end: it has lost a few times, or once after a while.
bool Enough(long escapes, Clock::time_point start) {
  return escapes >= kEnoughBareEscapes ||
         (escapes > 0 && Clock::now() - start > std::chrono::seconds(2));
}

// One half: starts both, watches the vault until the victim ends, or has been led astray often
// enough.
Half RunHalf(const Race& race, bool in_session, const std::vector<std::string>& how_long) {
  RaceScene scene(race);
  Child attacker(scene.AttackerCommand());
  Command command = scene.VictimCommand(how_long);
  if (in_session) command.argv = harness::SessionArgv(scene.Flags(), command.argv);
  const Clock::time_point start = Clock::now();
  Child victim(command);
  while (victim.Running()) {
    scene.vault().CheckAndReset();
    if (!in_session && Enough(scene.vault().escapes(), start)) victim.Signal(SIGTERM);
    poll(nullptr, 0, in_session ? 20 : 1);
  }
  const Outcome ended = victim.Wait();
  attacker.Signal(SIGTERM);
  const Outcome attacked = attacker.Wait();
  scene.vault().CheckAndReset();

  Half half;
  const nlohmann::json report = nlohmann::json::parse(ended.out, nullptr, false);
  if (ended.exit_code != 0 || report.is_discarded()) {
    ADD_FAILURE() << "the victim ended with " << ended.exit_code << "\n" << ended.out << ended.err;
    return half;
  }
  half.attempts = report["attempts"];
  half.ok = report["ok"];
  half.denied = report["denied"];
  half.errors = report["errors"].dump();
  half.escapes = scene.vault().escapes() + report["canary"].get<long>();
  half.swaps = atol(attacked.out.c_str());
  half.difference = scene.vault().first_difference();
  return half;
}

void PrintRace(const Race& race, const Half& bare, const Half& session) {
  const std::string name = std::string(AttackerName(race.attacker)) +
                           (race.links_to_second_mount ? "+second-mount" : "") +
                           (race.scope == "all" ? "+scope-all" : "") +
                           (race.as_user.has_value() ? "+ordinary-user" : "");
  printf(
      "  %s %s: bare %ld escapes in %ld attempts; session %ld in %ld (ok %ld, denied %ld %s, %ld "
      "swaps)\n",
      name.c_str(), race.operation->name, bare.escapes, bare.attempts, session.escapes,
      session.attempts, session.ok, session.denied, session.errors.c_str(), session.swaps);
  const char* report = getenv("SESSIONCTL_RACE_REPORT");
  if (report == nullptr) return;
  std::ofstream(report, std::ios::app) << nlohmann::json{{"attacker", name},
                                                         {"operation", race.operation->name},
                                                         {"bare_attempts", bare.attempts},
                                                         {"bare_escapes", bare.escapes},
                                                         {"attempts", session.attempts},
                                                         {"ok", session.ok},
                                                         {"denied", session.denied},
                                                         {"swaps", session.swaps},
                                                         {"escapes", session.escapes}}
                                              .dump()
                                       << "\n";
}

// "open-write" → "OpenWrite".
std::string CamelCase(const std::string& name) {
  std::string camel;
  bool upper = true;
  for (const char c : name) {
    if (c == '-') {
      upper = true;
      continue;
    }
    camel += upper ? static_cast<char>(toupper(c)) : c;
    upper = false;
  }
  return camel;
}

class RaceTest : public ::testing::Test {
 public:
  explicit RaceTest(Race race) : race_(std::move(race)) {}
  void TestBody() override {
    if (race_.as_user.has_value() && !harness::RunningAsRoot()) {
      GTEST_SKIP() << "needs root, to become another user";
    }
    RunRace(race_);
  }

 private:
  Race race_;
};

class HarmlessTest : public ::testing::Test {
 public:
  HarmlessTest(Attacker attacker, const PathOperation* operation)
      : attacker_(attacker), operation_(operation) {}
  void TestBody() override { ProveHarmless(attacker_, *operation_); }

 private:
  Attacker attacker_;
  const PathOperation* operation_;
};

}  // namespace

std::string WhyHarmless(Attacker attacker, const PathOperation& operation) {
  const bool leaf_only = attacker == Attacker::kLeafExchanged || attacker == Attacker::kLinkLoop;
  if (leaf_only && !operation.follows_leaf) {
    return "the kernel acts on a link at the last component, not through it";
  }
  return "";
}

// On a machine that others keep busy one turn may make a handful of attempts, and none of them
// while the path was as it should be: then it goes on.
static Half RunSessionHalf(const Race& race, const std::vector<std::string>& arguments) {
  Half all = RunHalf(race, true, arguments);
  for (int turn = 1; all.ok == 0 && all.escapes == 0 && turn < kSessionTurns; ++turn) {
    Half more = RunHalf(race, true, arguments);
    more.attempts += all.attempts;
    more.denied += all.denied;
    more.swaps += all.swaps;
    all = std::move(more);
  }
  return all;
}

void RunRace(const Race& race) {
  const Half bare = RunHalf(race, false,
                            {"--attempts", "1000000000", "--limit", std::to_string(kBareLimit),
                             "--until-canary", std::to_string(kEnoughBareEscapes)});
  ASSERT_GT(bare.escapes, 0) << "the unprotected half was not led astray: this race proves nothing";
  const Half session = RunSessionHalf(
      race, {"--attempts", std::to_string(bare.attempts), "--seconds",
             std::to_string(RaceSeconds()), "--limit", std::to_string(kSessionLimit)});
  PrintRace(race, bare, session);
  EXPECT_EQ(session.escapes, 0) << session.difference;
  EXPECT_GE(session.attempts, bare.attempts) << "fewer attempts than the unprotected half made";
  EXPECT_GT(session.ok, 0) << "no legitimate operation succeeded; errors " << session.errors;
  EXPECT_GT(session.swaps, 0) << "the attacker swapped nothing";
}

void ProveHarmless(Attacker attacker, const PathOperation& operation) {
  const Race race = {attacker, &operation};
  RaceScene scene(race);
  if (attacker == Attacker::kLeafExchanged) {
    rename((scene.shared() + "/link").c_str(), scene.Leaf().c_str());
  } else if (attacker == Attacker::kLinkLoop) {
    harness::RemoveTree(scene.Leaf());
    harness::MakeLink(scene.vault().path() + "/" + operation.leaf, scene.Leaf());
  }
  const Outcome outcome = harness::Run(scene.VictimCommand({"--attempts", "1"}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_FALSE(scene.vault().CheckAndReset())
      << "left out because " << WhyHarmless(attacker, operation) << ", yet:\n"
      << scene.vault().first_difference();
}

bool RegisterRaces(const char* suite, Race prototype, const std::vector<std::string>& only) {
  for (const PathOperation& operation : testcases::kPathOperations) {
    if (!only.empty() && std::find(only.begin(), only.end(), operation.name) == only.end())
      continue;
    // chdir is native: it enters the second mount by the link, and what follows begins there. Each
    // call keeps to the island of the directory that it begins in; docs/threat_model.md names this
    // limit.
    if (prototype.links_to_second_mount && prototype.attacker == Attacker::kParentExchanged &&
        operation.perform == testcases::CwdWrite) {
      continue;
    }
    Race race = prototype;
    race.operation = &operation;
    const std::string name = CamelCase(operation.name);
    if (WhyHarmless(race.attacker, operation).empty()) {
      ::testing::RegisterTest(suite, (name + "StaysInMount").c_str(), nullptr, nullptr, __FILE__,
                              __LINE__,
                              [race]() -> ::testing::Test* { return new RaceTest(race); });
    } else if (!race.links_to_second_mount && only.empty()) {
      ::testing::RegisterTest(
          suite, (name + "IsHarmlessBare").c_str(), nullptr, nullptr, __FILE__, __LINE__,
          [race]() -> ::testing::Test* { return new HarmlessTest(race.attacker, race.operation); });
    }
  }
  return true;
}

}  // namespace escape
