// Runs the cases of conformance.h: an area at a time, bare and in a session, as root and as an
// ordinary user, for each mediation scope. The bare answers must be those that the cases state, so
// that a wrong case or a changed kernel shows; and so must the session's.
//
// In a private view (tests/harness/user_and_view.h) an ordinary user's session is in a user
// namespace that knows no ids but his own. Its answers are then compared with those of a bare run
// in such a namespace: nothing else may differ.
//
// Each run has a file system of its own: a fresh tmpfs in a mount namespace of the test's. "OnDisk"
// runs are in a scratch directory; there a session must answer as bare, whatever that file system
// has to say.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "sandbox/capabilities.h"
#include "tests/conformance/special_mount.h"
#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/harness/user_and_view.h"

namespace conformance {
namespace {

// Who runs the cases. Root without capabilities is what the cases are written for; what root with
// capabilities gets is compared with what it gets bare, but in the areas that are about it.
struct Caller {
  std::string name;
  uid_t uid;
  std::vector<std::string> capabilities = {};

  bool keeps() const { return !capabilities.empty(); }
  bool in_user_namespace() const { return uid != 0 && harness::InPrivateView(); }
};

const std::vector<Caller>& Callers() {
  static const auto& callers =
      *new std::vector<Caller>{{"Root", 0},
                               {"OrdinaryUser", 1000},
                               {"RootWithCapabilities",
                                0,
                                {"chown", "dac_override", "dac_read_search", "fowner", "fsetid",
                                 "setuid", "setgid", "mknod"}}};
  return callers;
}

std::string Mask(const std::vector<std::string>& capabilities) {
  uint64_t mask = 0;
  for (const std::string& name : capabilities) {
    mask |= sessionctl::CapabilityBit(sessionctl::CapabilityNumber(name));
  }
  std::ostringstream text;
  text << std::hex << mask;
  return text.str();
}

constexpr gid_t kSecondGroup = 2000;     // as in conformance.h
constexpr char kAsBare[] = "(as bare)";  // the same

struct Check {
  std::string name;  // case, line and expression
  std::string expected;
  std::string answer;

  bool as_expected() const { return answer == expected; }
};

struct AreaRun {
  std::vector<Check> checks;
  std::string raw;
  int exit_code = -1;
};

std::vector<Check> Parse(const std::string& text) {
  std::vector<Check> checks;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> fields;
    std::istringstream stream(line);
    for (std::string field; std::getline(stream, field, '\t');) fields.push_back(field);
    fields.resize(5);
    checks.push_back({fields[0] + ":" + fields[1] + " " + fields[2], fields[3], fields[4]});
  }
  return checks;
}

class Runner {
 public:
  Runner(Area area, Caller caller) : area_(std::move(area)), caller_(std::move(caller)) {
    harness::MakeDirectory(scratch_ / "tools");
    harness::CopyProgram(harness::TestcasePath("conformance_cases"), Tool());
  }

  AreaRun RunArea(const std::string& scope) {
    const std::string mount = scratch_ / (scope.empty() ? "bare" : "session");
    harness::MakeDirectory(mount);
    SpecialMount special(area_, mount);
    if (area_.among_mounts) harness::MakeDirectory(mount + "/" + kAmong);
    AreaRun run;
    if (!special.error().empty()) {
      run.raw = special.error();
      return run;
    }
    const std::string user = std::to_string(caller_.uid);
    const harness::Outcome prepared =
        harness::Run({.argv = {Tool(), "prepare", area_.name, mount, user, user}});
    run.raw = prepared.out + prepared.err;
    if (prepared.exit_code != 0) return run;
    for (const Check& check : Parse(prepared.out)) {
      if (check.answer != check.expected) return run;
    }
    if (!special.Seal()) {
      run.raw = std::string("sealing the mount: ") + strerror(errno);
      return run;
    }
    std::optional<harness::SessionFlags> flags;
    if (!scope.empty()) flags = Flags(mount, scope);
    std::vector<std::string> argv = {Tool(), scope.empty() ? "bare" : "inside", area_.name, mount,
                                     Mask(caller_.capabilities)};
    if (scope.empty() && caller_.in_user_namespace()) {
      argv.insert(argv.begin(), {"unshare", "--map-current-user"});
    }
    const harness::Outcome outcome = harness::RunEither(flags, {.argv = argv,
                                                                .directory = mount,
                                                                .as_user = caller_.uid,
                                                                .groups = {kSecondGroup},
                                                                .time_limit = 500});
    run.exit_code = outcome.exit_code;
    run.raw = outcome.err;
    run.checks = Parse(outcome.out);
    return run;
  }

 private:
  std::string Tool() const { return scratch_ / "tools/conformance_cases"; }

  harness::SessionFlags Flags(const std::string& mount, const std::string& scope) const {
    harness::SessionFlags flags;
    flags.mounts = {mount};
    if (area_.among_mounts) flags.mounts.push_back(mount + "/" + kAmong);
    flags.read_exec = {Tool()};  // a file: a directory would be a second mount
    flags.scope = scope;
    flags.extra = {"--allow-group", "leases"};  // refused unless allowed: Locks, Leases, Events
    for (const std::string& name : caller_.capabilities) {
      flags.extra.insert(flags.extra.end(), {"--capability", name});
    }
    return flags;
  }

  harness::ScratchDirectory scratch_;
  const Area area_;
  const Caller caller_;
};

class ConformanceTest : public ::testing::Test {
 public:
  ConformanceTest(Area area, Caller caller, std::string scope)
      : area_(std::move(area)), caller_(std::move(caller)), scope_(std::move(scope)) {}

  void TestBody() override {
    if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root: mounts, users, files of others";
    if (const std::string lack = WhatIsMissing(area_); !lack.empty()) GTEST_SKIP() << lack;
    ASSERT_TRUE(HaveOwnMountNamespace()) << strerror(errno);
    SysctlSetting settings(area_.sysctls);
    ASSERT_EQ(settings.error(), "");
    Runner runner(area_, caller_);
    const AreaRun bare = runner.RunArea("");
    ASSERT_EQ(bare.exit_code, 0) << bare.raw;
    ASSERT_FALSE(bare.checks.empty()) << "no such area";
    const AreaRun session = runner.RunArea(scope_);
    ASSERT_EQ(session.exit_code, 0) << session.raw;
    Compare(bare.checks, session.checks);
  }

  // Does the answer that stands in the case hold bare?
  bool ManualHolds(const Check& check) const {
    if (area_.on_scratch || caller_.in_user_namespace() || check.expected == kAsBare) return false;
    return !caller_.keeps() || area_.by_capabilities;
  }

  void Compare(const std::vector<Check>& bare, const std::vector<Check>& session) const {
    std::map<std::string, std::deque<Check>> answers;
    for (const Check& check : bare) {
      if (!check.as_expected() && ManualHolds(check)) {
        ADD_FAILURE() << check.name << "\n  by the manual " << check.expected << ", bare "
                      << check.answer;
      }
      answers[check.name].push_back(check);
    }
    for (const Check& check : session) {
      std::deque<Check>& same = answers[check.name];
      if (!IsRight(check, same.empty() ? nullptr : &same.front())) {
        ADD_FAILURE() << check.name << "\n  by the manual " << check.expected << ", bare "
                      << (same.empty() ? "not reached" : same.front().answer) << ", in the session "
                      << check.answer;
      }
      if (!same.empty()) same.pop_front();
    }
    EXPECT_EQ(session.size(), bare.size()) << "not the same checks were reached";
  }

  bool IsRight(const Check& check, const Check* bare) const {
    if (ManualHolds(check)) return check.as_expected();
    if (bare != nullptr && check.answer == bare->answer) return true;
    // What a case says of root is about one without capabilities; what it says of a session holds.
    const bool differs_by_design = bare != nullptr && bare->expected != check.expected;
    return check.as_expected() && (!caller_.keeps() || differs_by_design);
  }

 private:
  const Area area_;
  const Caller caller_;
  const std::string scope_;
};

void RegisterOne(const Area& area, const Caller& caller, const std::string& scope) {
  const std::string name = caller.name + (scope == "all" ? "All" : "Writes") +
                           (area.on_scratch ? "OnDisk" : "") +
                           (area.among_mounts ? "AmongMounts" : "");
  ::testing::RegisterTest(
      area.name.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
      [=]() -> ::testing::Test* { return new ConformanceTest(area, caller, scope); });
}

// Where a mount lies in another, a path may have to be walked name by name.
bool ToldByPaths(const std::string& area) {
  static const std::set<std::string> areas = {
      "OpenFlags",        "Openat2",    "Temporary", "Rename",      "RenameFlags",
      "HardLink",         "Symlink",    "Unlink",    "Directories", "Nodes",
      "WorkingDirectory", "MagicLinks", "Sweep",     "Events"};
  return areas.count(area) != 0;
}

bool RegisterAll() {
  for (Area area : Areas()) {
    for (const Caller& caller : Callers()) {
      if (area.by_capabilities && !caller.keeps()) continue;
      area.on_scratch = false;
      RegisterOne(area, caller, "all");
      if (caller.keeps()) continue;  // mknod: reads are mediated in any case
      RegisterOne(area, caller, "writes");
      area.on_scratch = true;
      if (!area.special()) RegisterOne(area, caller, "all");
      if (caller.uid == 0 || !ToldByPaths(area.name)) continue;
      area.on_scratch = false;
      area.among_mounts = true;
      RegisterOne(area, caller, "all");
      area.among_mounts = false;
    }
  }
  return true;
}

const bool registered = RegisterAll();

}  // namespace
}  // namespace conformance
