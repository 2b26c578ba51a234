#include "tests/overlay/overlay_case.h"

#include <unistd.h>

#include <chrono>
#include <sstream>
#include <thread>

namespace overlay {
namespace {

using nlohmann::json;

}  // namespace

// Everything that a commit has to preserve of an object, one line each. Hard links show as the
// first name of the same object.
const char kDescribe[] = R"(
import os, stat, hashlib, sys
seen = {}
def line(path):
    st = os.lstat(path)
    words = [os.fsencode(path).hex() if not path.isprintable() else path, oct(st.st_mode), str(st.st_uid), str(st.st_gid)]
    if stat.S_ISREG(st.st_mode):
        words += [str(st.st_size), hashlib.sha256(open(path, 'rb').read()).hexdigest()[:16], str(st.st_mtime_ns)]
        words.append('same as ' + seen.setdefault(st.st_ino, path))
    if stat.S_ISLNK(st.st_mode):
        words.append(os.readlink(path))
    else:
        words += [n + '=' + os.getxattr(path, n).hex() for n in sorted(os.listxattr(path))]
    print(' '.join(words))
def walk(directory):
    for name in sorted(os.listdir(directory)):
        path = directory + '/' + name
        line(path)
        if os.path.isdir(path) and not os.path.islink(path):
            walk(path)
walk('.')
)";

std::string WhoName(const testing::TestParamInfo<Who>& info) {
  return info.param == Who::kRoot ? "Root" : "OrdinaryUser";
}

OverlayCase::OverlayCase() : lower_(scratch_ / "lower"), layer_(scratch_ / "layer") {}

void OverlayCase::SetUp() {
  if (!harness::RunningAsRoot()) GTEST_SKIP() << "needs root";
  harness::MakeDirectory(lower_);
  harness::MakeDirectory(layer_);
  if (GetParam() == Who::kOrdinaryUser) {
    harness::GiveTree(lower_, kOrdinaryUser, kOrdinaryUser);
    harness::GiveTree(layer_, kOrdinaryUser, kOrdinaryUser);
  }
  // A machine on which it cannot be mounted cannot have such sessions either.
  const harness::Outcome probe = Driver({"session", "true"});
  if (probe.exit_code != 0) GTEST_SKIP() << "needs overlayfs with userxattr: " << probe.err;
}

harness::Outcome OverlayCase::RunAs(const std::vector<std::string>& argv,
                                    const std::string& directory) {
  harness::Command command = {.argv = argv, .directory = directory};
  if (GetParam() == Who::kOrdinaryUser) command.as_user = kOrdinaryUser;
  return harness::Run(command);
}

void OverlayCase::InLower(const std::string& script) {
  const harness::Outcome done = RunAs({"/bin/bash", "-ec", script}, lower_);
  ASSERT_EQ(done.exit_code, 0) << done.err;
}

void OverlayCase::InSession(const std::string& script) {
  const harness::Outcome done = Driver({"session", script});
  ASSERT_EQ(done.exit_code, 0) << done.out << done.err;
}

void OverlayCase::LetTimePass() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

harness::Outcome OverlayCase::Driver(std::vector<std::string> words) {
  std::vector<std::string> argv = {OVERLAY_DRIVER, lower_, layer_};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunAs(argv, "/");
}

json OverlayCase::DriverJson(const std::vector<std::string>& words) {
  const harness::Outcome done = Driver(words);
  EXPECT_EQ(done.exit_code, 0) << done.err;
  return json::parse(done.out, nullptr, false);
}

std::map<std::string, json> OverlayCase::Changes() {
  std::map<std::string, json> by_path;
  for (const json& change : DriverJson({"changes"})) by_path[change["path"]] = change;
  return by_path;
}

std::string OverlayCase::ChangeLines() {
  std::string lines;
  for (const json& change : DriverJson({"changes"})) {
    lines += change["change"].get<std::string>() + " " + change["path"].get<std::string>() + "\n";
  }
  return lines;
}

std::string OverlayCase::LowerTree() {
  // By root: who made a file may not be able to read it.
  const harness::Outcome done =
      harness::Run({.argv = {"/usr/bin/python3", "-c", kDescribe}, .directory = lower_});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  return done.out;
}

}  // namespace overlay
