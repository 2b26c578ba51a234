// What testcases/hostile_session needs around it: a vault, bystanders outside and in a session of
// their own, and stand-ins for the broker and its parent where there are none. One scene is for one
// run: bare, or in a session.
#ifndef TESTS_ESCAPE_HOSTILE_SCENE_H_
#define TESTS_ESCAPE_HOSTILE_SCENE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"
#include "tests/harness/watched_tree.h"

namespace escape {

// One line of hostile_session.
struct HostileResult {
  std::string result;  // held, reached, absent, hung
  std::string family;
  std::string attempt;
  std::string target;
  std::string bare;  // always, root, depends
  std::string detail;
  std::string Name() const {
    return family + ": " + attempt + (target.empty() ? "" : ", " + target);
  }
};

class HostileScene {
 public:
  explicit HostileScene(std::optional<uid_t> as_user);
  ~HostileScene();

  // All attempts of `families` (none: of all). With `session` not set, bare. The terminal's are
  // made with a terminal as standard input.
  std::vector<HostileResult> Run(const std::vector<std::string>& families,
                                 const std::optional<harness::SessionFlags>& session);

  // What a session of this scene is granted: the mount and the program.
  harness::SessionFlags Flags() const;

  // Did anything happen to the process outside, or in the vault? "" for nothing.
  std::string Harm();

 private:
  struct Bystander {
    std::string name;
    std::string ready_file;
    bool shares_ipc;  // with the test: it is not in an IPC namespace of its own
    std::unique_ptr<harness::Child> child;
  };
  void Start(const std::string& name, const std::string& directory,
             const std::optional<harness::SessionFlags>& session);
  void AwaitReady();
  harness::Command AsUser(std::vector<std::string> argv) const;
  std::string Program() const { return root_ / "tools/hostile_session"; }
  std::vector<std::string> Values() const;

  std::optional<uid_t> as_user_;
  harness::ScratchDirectory root_;
  harness::WatchedTree vault_;
  std::string host_shm_;
  std::vector<Bystander> bystanders_;
  std::string outside_before_;
};

}  // namespace escape

#endif  // TESTS_ESCAPE_HOSTILE_SCENE_H_
