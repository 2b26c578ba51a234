// Callers whose memory, descriptors and registers are hostile: the answer is the kernel's own, and
// the broker lives.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/harness/watched_tree.h"

namespace escape {
namespace {

using harness::Command;
using harness::Outcome;

class HostileCaller : public ::testing::Test {
 protected:
  HostileCaller() {
    harness::MakeDirectory(root_ / "tools");
    harness::CopyProgram(harness::TestcasePath("hostile_caller"), root_ / "tools/hostile_caller");
    harness::MakeDirectory(mount_);
  }

  // In a fresh directory of the mount, so that both halves start alike.
  Outcome Run(bool in_session, std::vector<std::string> arguments, const std::string& scope = "") {
    const std::string directory = mount_ + (in_session ? "/session" : "/bare");
    harness::RemoveTree(directory);
    harness::MakeDirectory(directory);
    arguments.insert(arguments.begin(), root_ / "tools/hostile_caller");
    const Command command = {.argv = std::move(arguments), .directory = directory};
    if (!in_session) return harness::Run(command);
    harness::SessionFlags flags;
    flags.mounts = {mount_};
    flags.read_exec = {root_ / "tools"};
    flags.scope = scope;
    if (scope == "all") flags.extra = {"--unix-datagrams"};  // sends are mediated, too
    return harness::RunEither(flags, command);
  }

  harness::ScratchDirectory root_;
  const std::string mount_ = root_ / "mount";
};

// "call case" → errno.
std::map<std::string, std::string> Errnos(const Outcome& outcome) {
  std::map<std::string, std::string> errnos;
  std::istringstream stream(outcome.out);
  for (std::string line; std::getline(stream, line);) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded() || !json.contains("call")) continue;
    errnos[json["call"].get<std::string>() + " " + json["case"].get<std::string>()] = json["errno"];
  }
  return errnos;
}

void ExpectSameErrnos(const Outcome& bare, const Outcome& session) {
  EXPECT_EQ(bare.exit_code, 0) << bare.err;
  EXPECT_EQ(session.exit_code, 0) << session.err;
  const auto expected = Errnos(bare);
  const auto actual = Errnos(session);
  int different = 0;
  for (const auto& [call, error] : expected) {
    const auto it = actual.find(call);
    if (it != actual.end() && it->second == error) continue;
    ++different;
    ADD_FAILURE() << call << ": bare " << error << ", in the session "
                  << (it == actual.end() ? "no answer" : it->second);
  }
  EXPECT_EQ(actual.size(), expected.size());
  printf("  %zu calls compared, %d different\n", expected.size(), different);
}

TEST_F(HostileCaller, EveryBadArgumentIsAnsweredAsBare) {
  const Outcome bare = Run(false, {"errnos"});
  ASSERT_GT(Errnos(bare).size(), 1000u);
  ExpectSameErrnos(bare, Run(true, {"errnos"}));
}

TEST_F(HostileCaller, EveryBadArgumentIsAnsweredAsBareWithReadsAndSendsMediated) {
  ExpectSameErrnos(Run(false, {"errnos"}), Run(true, {"errnos"}, "all"));
}

// A path that changes while the call is made: whatever was read, it is judged and used as one.
TEST_F(HostileCaller, PathFlippedDuringTheCallTouchesNothingOutside) {
  const std::string inside = mount_ + "/aa";
  harness::WatchedTree outside(root_ / "outer/aa");
  ASSERT_EQ(inside.size(), outside.path().size());
  for (const bool in_session : {false, true}) {
    harness::RemoveTree(inside);
    harness::PopulateScene(inside, "legitimate\n");
    const Outcome outcome =
        Run(in_session, {"flip", inside, outside.path(), in_session ? "400" : "100"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    printf("  %s: %s", in_session ? "session" : "bare", outcome.out.c_str());
    const bool touched = outside.CheckAndReset();
    if (in_session) {
      EXPECT_FALSE(touched) << outside.first_difference();
      const nlohmann::json counts = nlohmann::json::parse(outcome.out);
      EXPECT_GT(counts["ok"].get<long>(), 1000);
    } else {
      EXPECT_TRUE(touched) << "the bare control never hit the outside path";
    }
  }
}

TEST_F(HostileCaller, SixtyFourThreadsAtOnceAllSucceed) {
  for (const bool in_session : {false, true}) {
    const Outcome outcome = Run(in_session, {"storm", "64", "40"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "{\"calls\":17920,\"errors\":0}\n") << outcome.err;
  }
}

TEST_F(HostileCaller, WithoutAFreeDescriptorTheAnswerIsEmfile) {
  const Outcome bare = Run(false, {"emfile"});
  EXPECT_EQ(Errnos(bare)["open no-descriptor-left"], "EMFILE") << bare.out;
  ExpectSameErrnos(bare, Run(true, {"emfile"}));
}

TEST_F(HostileCaller, KilledInTheMiddleOfCallsTheSessionGoesOn) {
  for (const bool in_session : {false, true}) {
    const Outcome outcome = Run(in_session, {"killed", "200"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("{\"killed\":200}"), std::string::npos) << outcome.out;
    EXPECT_EQ(Errnos(outcome)["mkdir afterwards"], "OK") << outcome.out;
  }
}

TEST_F(HostileCaller, SignalsDuringCallsNeitherRepeatNorFailThem) {
  for (const bool in_session : {false, true}) {
    const Outcome outcome = Run(in_session, {"signals", "3000"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "{\"rounds\":3000,\"errors\":0}\n") << outcome.err;
  }
}

}  // namespace
}  // namespace escape
