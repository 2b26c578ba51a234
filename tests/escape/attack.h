// The deterministic attacks: steps that a program makes (testcases/one_call), once bare, where they
// must reach what lies outside, and once in a session, where they must not.
#ifndef TESTS_ESCAPE_ATTACK_H_
#define TESTS_ESCAPE_ATTACK_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/harness/watched_tree.h"

namespace escape {

struct StepResult {
  std::string step;
  std::string error;  // "OK" or the errno's name
  std::string text;
};

struct Steps {
  std::vector<StepResult> results;
  int exit_code = -1;
  std::string raw;  // for messages
  // The result of the last step; "none" when there was none.
  std::string LastError() const;
  bool Saw(const std::string& text) const;
};

// mount/ with the scene of the watched tree (legitimate contents), vault/ watched, tools/ with the
// programs.
class AttackScene {
 public:
  explicit AttackScene(std::optional<uid_t> as_user = std::nullopt);

  std::string mount() const { return root_ / "mount"; }
  harness::WatchedTree& vault() { return vault_; }
  std::string Tool(const std::string& name) const { return root_ / ("tools/" + name); }
  std::string Path(const std::string& name) const { return root_ / name; }

  // Replaces {mount}, {vault}, {tools} and {root}.
  std::string Expand(std::string text) const;

  // --mount {mount} --rox {tools}.
  harness::SessionFlags Flags() const;

  // The command that makes `steps` ("STEP ARGS , STEP ARGS"), working directory {mount}.
  harness::Command StepsCommand(const std::string& steps) const;
  Steps RunBare(const std::string& steps) const;
  Steps RunInSession(const std::string& steps, const harness::SessionFlags& flags) const;
  static Steps Parse(const harness::Outcome& outcome);

 private:
  harness::ScratchDirectory root_;
  std::optional<uid_t> as_user_;
  harness::WatchedTree vault_;
};

struct AttackOptions {
  std::vector<std::string> mounts = {};  // further --mount values; {…} is replaced
  std::vector<std::string> deny = {};
  std::string scope = "";
  bool reading_is_escape = true;  // false where the vault is granted for reading
  bool last_step_fails = true;    // the session's last step must report an error
  std::optional<uid_t> as_user = {};
};

// Setup is made bare. Then `steps`: bare, the vault is touched or its canary read; in a session,
// neither.
void ExpectEscapesBareOnly(const std::string& setup, const std::string& steps,
                           const AttackOptions& options = {});

// While `steps` run, from the moment they have made {mount}/started until they see the file `go`,
// `meanwhile` is done to the scene; it makes `go` itself. The same expectations.
void ExpectEscapesBareOnlyWhile(
    const std::string& setup, const std::string& steps,
    const std::function<void(AttackScene&)>& meanwhile,
    const std::function<void(AttackScene&, bool in_session)>& afterwards);

}  // namespace escape

#endif  // TESTS_ESCAPE_ATTACK_H_
