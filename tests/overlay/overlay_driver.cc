// Drives the layers of one overlay without a session around it.
//   overlay_driver LOWER LAYER session SCRIPT   mounts and runs the script in it
//   overlay_driver LOWER LAYER changes          what FindChanges says, as JSON
//   overlay_driver LOWER LAYER diff patch|stat|names
//   overlay_driver LOWER LAYER commit [--dry-run] [--force] [--keep-privileges] [--kill-at N]
//   [PATH…] overlay_driver LOWER LAYER recover [--kill-at N] overlay_driver LOWER LAYER discard
// --kill-at: it kills itself before its Nth step.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "sandbox/base/syscalls.h"
#include "sandbox/namespaces.h"
#include "supervisor/overlay/change_json.h"
#include "supervisor/overlay/changes.h"
#include "supervisor/overlay/commit.h"
#include "supervisor/overlay/diff_text.h"

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
  OwnedFd upper, lower, directory;
  sessionctl::OverlayLayers layers;
};

bool Open(const std::string& lower, const std::string& layer, Opened* opened) {
  auto upper_fd = sessionctl::OpenAt(AT_FDCWD, (layer + "/upper").c_str(), O_PATH | O_DIRECTORY);
  auto lower_fd = sessionctl::OpenAt(AT_FDCWD, lower.c_str(), O_PATH | O_DIRECTORY);
  struct stat baseline;
  auto layer_fd = sessionctl::OpenAt(AT_FDCWD, layer.c_str(), O_RDONLY | O_DIRECTORY);
  if (!layer_fd.ok() || !upper_fd.ok() || !lower_fd.ok() ||
      stat(BaselineFile(layer).c_str(), &baseline) != 0) {
    return false;
  }
  opened->upper = std::move(*upper_fd);
  opened->lower = std::move(*lower_fd);
  opened->directory = std::move(*layer_fd);
  opened->layers = {opened->upper.get(), opened->lower.get(), baseline.st_ctim};
  return true;
}

std::function<void()> KillAt(const std::string& number) {
  return [left = std::make_shared<int>(std::stoi(number))] {
    if (--*left == 0) kill(getpid(), SIGKILL);
  };
}

nlohmann::json NotesToJson(const std::vector<sessionctl::CommitNote>& notes) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& note : notes) list.push_back({{"path", note.path}, {"text", note.text}});
  return list;
}

int Commit(const Opened& opened, const std::vector<std::string>& words) {
  sessionctl::CommitOptions options;
  for (size_t index = 3; index < words.size(); ++index) {
    const std::string& word = words[index];
    if (word == "--dry-run")
      options.dry_run = true;
    else if (word == "--force")
      options.force = true;
    else if (word == "--keep-privileges")
      options.privileges = sessionctl::KeepPrivileges::kYes;
    else if (word == "--kill-at")
      options.before_step = KillAt(words[++index]);
    else
      options.paths.push_back(word);
  }
  auto report = sessionctl::CommitChanges(opened.layers, opened.directory.get(), options);
  if (!report.ok()) return Fail(std::string(report.status().message()));
  const nlohmann::json json = {{"committed", report->committed},
                               {"changes", report->changes.size()},
                               {"conflicts", NotesToJson(report->conflicts)},
                               {"notes", NotesToJson(report->notes)}};
  std::cout << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return 0;
}

// The lower directory is swapped about meanwhile: its change times say nothing here, so that the
// commit has to rely on what it does rather than on what it saw.
int CommitLoop(Opened opened, const std::string& layer, const std::vector<std::string>& words) {
  opened.layers.baseline = {std::numeric_limits<time_t>::max(), 0};
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(std::stod(words.at(3)));
  const std::vector<std::string> names(words.begin() + 4, words.end());
  for (const std::string& name : names) {
    // A commit makes a file anew, so the next one would find that it is not the original any more.
    removexattr((layer + "/upper/" + name).c_str(), "user.overlay.origin");
  }
  long attempts = 0, committed = 0, decided = 0, acted = 0, failed = 0;
  std::string last_failure;
  for (; std::chrono::steady_clock::now() < end; ++attempts) {
    for (const std::string& name : names) {
      std::ofstream(layer + "/upper/" + name) << "committed " << attempts << "\n";
    }
    sessionctl::CommitOptions options;
    options.paths = names;
    auto report = sessionctl::CommitChanges(opened.layers, opened.directory.get(), options);
    if (!report.ok()) {
      ++failed;
      last_failure = std::string(report.status().message());
    } else if (report->committed) {
      ++committed;
    } else {
      // One without a path was found while acting.
      ++(report->conflicts.back().path.empty() ? acted : decided);
    }
  }
  std::cout << nlohmann::json{{"attempts", attempts},      {"committed", committed},
                              {"refused_before", decided}, {"taken_back", acted},
                              {"failed", failed},          {"last_failure", last_failure}}
            << "\n";
  return 0;
}

int Recover(const Opened& opened, const std::vector<std::string>& words) {
  const std::function<void()> step = words.size() > 4 ? KillAt(words[4]) : std::function<void()>();
  const auto done = sessionctl::RecoverCommit(opened.layers, opened.directory.get(), step);
  if (!done.ok()) return Fail(std::string(done.status().message()));
  const char* const names[] = {"nothing", "finished", "undone"};
  std::cout << names[static_cast<int>(*done)] << "\n";
  return 0;
}

int Changes(const Opened& opened) {
  auto changes = sessionctl::FindChanges(opened.layers);
  if (!changes.ok()) return Fail(std::string(changes.status().message()));
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& change : *changes) {
    nlohmann::ordered_json json = sessionctl::ChangeToJson(change, "");
    if (json["path"].is_string()) json["path"] = json["path"].get<std::string>().substr(1);
    list.push_back(std::move(json));
  }
  std::cout << list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return 0;
}

int Diff(const Opened& opened, const std::string& form) {
  auto changes = sessionctl::FindChanges(opened.layers);
  if (!changes.ok()) return Fail(std::string(changes.status().message()));
  auto text = sessionctl::DiffText(opened.layers, *changes,
                                   form == "patch"  ? sessionctl::DiffForm::kPatch
                                   : form == "stat" ? sessionctl::DiffForm::kStat
                                                    : sessionctl::DiffForm::kNames);
  if (!text.ok()) return Fail(std::string(text.status().message()));
  std::cout << *text;
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
  if (words[2] == "diff") return Diff(opened, words.at(3));
  if (words[2] == "commit") return Commit(opened, words);
  if (words[2] == "commit-loop") return CommitLoop(std::move(opened), words[1], words);
  if (words[2] == "recover") return Recover(opened, words);
  if (words[2] == "discard") {
    const auto done = sessionctl::DiscardChanges(opened.layers, opened.directory.get());
    return done.ok() ? 0 : Fail(std::string(done.message()));
  }
  return Fail("unknown verb");
}
