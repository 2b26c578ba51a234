// The switches that let a test take one userspace wall away in order to show that the other one
// holds. They are constants of the link, not of the run: production links sandbox/walls.cc, where
// every wall stands; a test-only broker links a definition of its own. Nothing at run time can
// change them.
#ifndef SANDBOX_WALLS_H_
#define SANDBOX_WALLS_H_

namespace sessionctl {

struct Walls {
  bool beneath;          // resolution with RESOLVE_BENEATH and the checks on what it opened
  bool broker_landlock;  // the broker's own Landlock domain is restricted to the grants
  bool broker_fence;     // the broker's own filter and limits
};

extern const Walls kWalls;

}  // namespace sessionctl

#endif  // SANDBOX_WALLS_H_
