// Makes what a commit is going to move into place, in a directory where nobody else works.
#ifndef SUPERVISOR_OVERLAY_COMMIT_STAGE_H_
#define SUPERVISOR_OVERLAY_COMMIT_STAGE_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "supervisor/overlay/commit_plan.h"

namespace sessionctl {

class Stage {
 public:
  // All held open by the caller. `stop`: give up (kCancelled). `before_step` is called before each
  // object.
  Stage(const OverlayLayers& layers, int staging, KeepPrivileges privileges,
        std::function<bool()> stop, std::function<void()> before_step);

  // Copies everything that the steps need, and sets their inodes. Errors, with the path.
  absl::Status Make(CommitPlan* plan);

 private:
  absl::Status MakeTree(PlannedStep* planned);
  absl::Status MakeOne(const OverlayChange& change, const std::string& staged);
  // A second name of a file that is staged already, or that the lower layer has unchanged. An
  // invalid descriptor: there is none to link to.
  SysResult<OwnedFd> LinkTo(const OverlayChange& change, int directory, const std::string& name);
  absl::Status Finish(const OverlayChange& change, const std::string& staged, bool sealed_later);

  const OverlayLayers& layers_;
  const int staging_;
  const KeepPrivileges privileges_;
  const std::function<bool()> stop_;
  const std::function<void()> before_step_;
  std::map<std::string, std::string> staged_;  // path: in the staging directory
};

}  // namespace sessionctl

#endif  // SUPERVISOR_OVERLAY_COMMIT_STAGE_H_
