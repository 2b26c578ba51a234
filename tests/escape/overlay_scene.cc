#include "tests/escape/overlay_scene.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace escape {

namespace fs = std::filesystem;

OverlayScene::OverlayScene(const std::string& lower, const std::string& state)
    : lower_(lower.empty() ? root_ / "lower" : lower),
      state_(state.empty() ? root_ / "state" : state) {
  for (const std::string& directory : {lower_, state_}) harness::MakeDirectory(directory);
  chmod(state_.c_str(), 0700);
  setenv("SESSIONCTL_STATE_DIR", state_.c_str(), 1);
}

OverlayScene::~OverlayScene() {
  Cli({"prune"});
  unsetenv("SESSIONCTL_STATE_DIR");
  for (const std::string& directory : {lower_, state_}) harness::RemoveTree(directory);
}

std::vector<std::string> OverlayScene::SessionArgv(std::vector<std::string> argv,
                                                   const std::vector<std::string>& flags) const {
  harness::SessionFlags all;
  all.mounts = {lower_ + ":" + kOverlayGuest + ":overlay"};
  all.extra = {"--workdir", kOverlayGuest};
  all.extra.insert(all.extra.end(), flags.begin(), flags.end());
  return harness::SessionArgv(all, argv);
}

harness::Outcome OverlayScene::Run(const std::vector<std::string>& argv,
                                   const std::vector<std::string>& flags) const {
  return harness::Run({.argv = SessionArgv(argv, flags), .directory = "/"});
}

std::string OverlayScene::Id() const {
  fs::path last;
  fs::file_time_type when = fs::file_time_type::min();
  for (const auto& entry : fs::directory_iterator(state_)) {
    if (!fs::exists(entry.path() / "overlay") || entry.last_write_time() < when) continue;
    last = entry.path();
    when = entry.last_write_time();
  }
  return last.filename();
}

harness::Outcome OverlayScene::Cli(std::vector<std::string> args) const {
  args.insert(args.begin(), harness::SessionctlPath());
  return harness::Run({.argv = args, .directory = "/"});
}

}  // namespace escape
