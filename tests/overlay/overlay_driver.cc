// Drives the layers of one overlay without a session around it.
//   overlay_driver LOWER LAYER session SCRIPT   mounts and runs the script in it
//   overlay_driver LOWER LAYER changes          what FindChanges says, as JSON
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "sandbox/base/syscalls.h"
#include "sandbox/namespaces.h"
#include "supervisor/overlay/change_json.h"
#include "supervisor/overlay/changes.h"

namespace {

using sessionctl::OwnedFd;

int Fail(const std::string& what) {
  std::cerr << "overlay_driver: " << what << "\n";
  return 1;
}

// When the session first saw the lower directory: the change time of a file made just before.
std::string BaselineFile(const std::string& layer) { return layer + "/baseline"; }

int Session(const std::string& lower, const std::string& layer, const std::string& script) {
  for (const char* name : {"/upper", "/work", "/merged"}) mkdir((layer + name).c_str(), 0755);
  // Renewed as long as the layer is empty only.
  if (rmdir((layer + "/upper").c_str()) == 0) {
    mkdir((layer + "/upper").c_str(), 0755);
    unlink(BaselineFile(layer).c_str());
    close(open(BaselineFile(layer).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  const int flags = CLONE_NEWNS;
  const auto entered = sessionctl::MayMakeNamespaces() ? sessionctl::EnterNamespaces(flags)
                                                       : sessionctl::EnterNamespacesAsUser(flags);
  if (!entered.ok()) return Fail(std::string("namespaces: ") + strerror(entered.error()));
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Fail("private");
  const std::string options =
      "userxattr,lowerdir=" + lower + ",upperdir=" + layer + "/upper,workdir=" + layer + "/work";
  const std::string merged = layer + "/merged";
  if (mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) {
    return Fail(std::string("mount: ") + strerror(errno));
  }
  if (chdir(merged.c_str()) != 0) return Fail("chdir");
  execl("/bin/bash", "bash", "-ec", script.c_str(), nullptr);
  return Fail("bash");
}

struct Opened {
  OwnedFd upper, lower;
  sessionctl::OverlayLayers layers;
};

bool Open(const std::string& lower, const std::string& layer, Opened* opened) {
  auto upper_fd = sessionctl::OpenAt(AT_FDCWD, (layer + "/upper").c_str(), O_PATH | O_DIRECTORY);
  auto lower_fd = sessionctl::OpenAt(AT_FDCWD, lower.c_str(), O_PATH | O_DIRECTORY);
  struct stat baseline;
  if (!upper_fd.ok() || !lower_fd.ok() || stat(BaselineFile(layer).c_str(), &baseline) != 0) {
    return false;
  }
  opened->upper = std::move(*upper_fd);
  opened->lower = std::move(*lower_fd);
  opened->layers = {opened->upper.get(), opened->lower.get(), baseline.st_ctim};
  return true;
}

int Changes(const Opened& opened) {
  auto changes = sessionctl::FindChanges(opened.layers);
  if (!changes.ok()) return Fail(std::string(changes.status().message()));
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& change : *changes) {
    nlohmann::ordered_json json = sessionctl::ChangeToJson(change, "");
    json["path"] = json["path"].get<std::string>().substr(1);
    list.push_back(std::move(json));
  }
  std::cout << list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) return Fail("usage");
  if (words[2] == "session" && words.size() == 4) return Session(words[0], words[1], words[3]);
  Opened opened;
  if (!Open(words[0], words[1], &opened)) return Fail("cannot open the layers");
  if (words[2] == "changes") return Changes(opened);
  return Fail("unknown verb");
}
