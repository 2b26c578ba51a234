#include "tests/escape/attack.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace escape {
namespace {

using harness::Command;
using harness::Outcome;
using harness::SessionFlags;

constexpr char kCanaryWord[] = "CANARY-OUTSIDE";

void MakeSetup(AttackScene& scene, const std::string& setup) {
  if (setup.empty()) return;
  const Steps steps = scene.RunBare(setup);
  for (const StepResult& result : steps.results) {
    ASSERT_EQ(result.error, "OK") << "setup: " << result.step << "\n" << steps.raw;
  }
  ASSERT_EQ(steps.exit_code, 0) << steps.raw;
  scene.vault().Remember();
}

bool Escaped(AttackScene& scene, const Steps& steps, const AttackOptions& options) {
  const bool touched = scene.vault().CheckAndReset();
  return touched || (options.reading_is_escape && steps.Saw(kCanaryWord));
}

void ExpectHeld(AttackScene& scene, const Steps& steps, const AttackOptions& options) {
  EXPECT_FALSE(Escaped(scene, steps, options)) << "escaped from the session\n"
                                               << steps.raw << scene.vault().first_difference();
  EXPECT_EQ(steps.exit_code, 0) << "the session did not run to its end\n" << steps.raw;
  ASSERT_FALSE(steps.results.empty()) << "no step was made\n" << steps.raw;
  if (options.last_step_fails) {
    EXPECT_NE(steps.LastError(), "OK") << "allowed, though it had no effect\n" << steps.raw;
  }
}

}  // namespace

std::string Steps::LastError() const { return results.empty() ? "none" : results.back().error; }

bool Steps::Saw(const std::string& text) const {
  for (const StepResult& result : results) {
    if (result.text.find(text) != std::string::npos) return true;
  }
  return false;
}

AttackScene::AttackScene(std::optional<uid_t> as_user)
    : as_user_(as_user), vault_(root_ / "vault", as_user) {
  harness::PopulateScene(mount(), "legitimate\n");
  harness::MakeDirectory(mount() + "/sub");
  harness::MakeDirectory(root_ / "tools");
  for (const char* name : {"one_call", "lockfile_victim", "kernel_surface"}) {
    harness::CopyProgram(harness::TestcasePath(name), Tool(name));
  }
  if (as_user.has_value()) harness::GiveTree(root_.path(), *as_user, *as_user);
  vault_.Remember();
}

std::string AttackScene::Expand(std::string text) const {
  for (const char* name : {"mount", "vault", "tools", "root"}) {
    const std::string mark = "{" + std::string(name) + "}";
    const std::string path = name == std::string("root") ? root_.path() : root_ / name;
    for (size_t at; (at = text.find(mark)) != std::string::npos;)
      text.replace(at, mark.size(), path);
  }
  return text;
}

SessionFlags AttackScene::Flags() const {
  SessionFlags flags;
  flags.mounts = {mount()};
  flags.read_exec = {root_ / "tools"};
  return flags;
}

Command AttackScene::StepsCommand(const std::string& steps) const {
  Command command = {.argv = {Tool("one_call")}, .directory = mount(), .as_user = as_user_};
  std::istringstream stream(Expand(steps));
  for (std::string word; stream >> word;) command.argv.push_back(word);
  return command;
}

Steps AttackScene::Parse(const Outcome& outcome) {
  Steps steps;
  steps.exit_code = outcome.exit_code;
  steps.raw = "exit " + std::to_string(outcome.exit_code) + "\n" + outcome.out + outcome.err;
  std::istringstream stream(outcome.out);
  for (std::string line; std::getline(stream, line);) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_discarded()) continue;
    steps.results.push_back({json["step"], json["errno"], json["text"]});
  }
  return steps;
}

Steps AttackScene::RunBare(const std::string& steps) const {
  return Parse(harness::Run(StepsCommand(steps)));
}

Steps AttackScene::RunInSession(const std::string& steps, const SessionFlags& flags) const {
  return Parse(harness::RunEither(flags, StepsCommand(steps)));
}

void ExpectEscapesBareOnly(const std::string& setup, const std::string& steps,
                           const AttackOptions& options) {
  SCOPED_TRACE(steps);
  {
    AttackScene scene(options.as_user);
    ASSERT_NO_FATAL_FAILURE(MakeSetup(scene, setup));
    const Steps bare = scene.RunBare(steps);
    ASSERT_TRUE(Escaped(scene, bare, {}))
        << "the bare control did not escape: the attack proves nothing\n"
        << bare.raw;
  }
  AttackScene scene(options.as_user);
  ASSERT_NO_FATAL_FAILURE(MakeSetup(scene, setup));
  SessionFlags flags = scene.Flags();
  for (const std::string& mount : options.mounts) flags.mounts.push_back(scene.Expand(mount));
  flags.deny = options.deny;
  flags.scope = options.scope;
  ExpectHeld(scene, scene.RunInSession(steps, flags), options);
}

void ExpectEscapesBareOnlyWhile(
    const std::string& setup, const std::string& steps,
    const std::function<void(AttackScene&)>& meanwhile,
    const std::function<void(AttackScene&, bool in_session)>& afterwards) {
  SCOPED_TRACE(steps);
  for (const bool in_session : {false, true}) {
    AttackScene scene;
    ASSERT_NO_FATAL_FAILURE(MakeSetup(scene, setup));
    Command command = scene.StepsCommand(steps);
    if (in_session) command.argv = harness::SessionArgv(scene.Flags(), command.argv);
    harness::Child child(command);
    while (!harness::Exists(scene.mount() + "/started") && child.Running()) poll(nullptr, 0, 1);
    meanwhile(scene);
    const Steps made = AttackScene::Parse(child.Wait());
    if (in_session) {
      ExpectHeld(scene, made, {.last_step_fails = false});
    } else {
      ASSERT_TRUE(Escaped(scene, made, {})) << "the bare control did not escape\n" << made.raw;
    }
    afterwards(scene, in_session);
  }
}

}  // namespace escape
