// Sessions with an overlay, whose layer the test can reach and the session cannot.
#ifndef TESTS_ESCAPE_OVERLAY_SCENE_H_
#define TESTS_ESCAPE_OVERLAY_SCENE_H_

#include <string>
#include <vector>

#include "tests/harness/child.h"
#include "tests/harness/scratch.h"
#include "tests/harness/session.h"

namespace escape {

inline constexpr char kOverlayGuest[] = "/mnt/data";

// A lower directory and a state directory of its own, for the lifetime of the object.
class OverlayScene {
 public:
  // Below these; "": in the scene's scratch directory.
  explicit OverlayScene(const std::string& lower = "", const std::string& state = "");
  ~OverlayScene();
  OverlayScene(const OverlayScene&) = delete;
  OverlayScene& operator=(const OverlayScene&) = delete;

  const std::string& lower() const { return lower_; }
  const std::string& state() const { return state_; }
  std::string Path(const std::string& name) const { return root_ / name; }

  // `sessionctl run` with the overlay at kOverlayGuest, where it starts.
  std::vector<std::string> SessionArgv(std::vector<std::string> argv,
                                       const std::vector<std::string>& flags = {}) const;
  harness::Outcome Run(const std::vector<std::string>& argv,
                       const std::vector<std::string>& flags = {}) const;
  // Of the session that ran last.
  std::string Id() const;
  std::string Upper() const { return state_ + "/" + Id() + "/overlay/0/upper"; }
  harness::Outcome Cli(std::vector<std::string> args) const;

 private:
  harness::ScratchDirectory root_;
  const std::string lower_, state_;
};

}  // namespace escape

#endif  // TESTS_ESCAPE_OVERLAY_SCENE_H_
