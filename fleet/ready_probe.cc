#include "fleet/ready_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "policy/path_text.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/raw_log.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/safe_file.h"

namespace sessionctl {
namespace {

constexpr size_t kMostOutput = 1 << 20;

// The deepest mount that holds `path`.
std::string MountOf(const SessionRecord& record, const std::string& path) {
  std::string best;
  for (const SessionMount& mount : record.mounts) {
    if (IsAtOrBelow(path, mount.host) && mount.host.size() > best.size()) best = mount.host;
  }
  return best;
}

bool FileIsThere(const SessionRecord& record, const std::string& file) {
  const std::string path = NormalizeLexically(file);
  const std::string mount = MountOf(record, path);
  if (mount.empty() || path == mount) return false;
  // The mount itself is what the policy names, links resolved; what lies below is the session's.
  const SysResult<OwnedFd> root =
      OpenAt2(AT_FDCWD, mount.c_str(),
              {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  if (!root.ok()) return false;
  const std::string name = path.substr(mount == "/" ? 1 : mount.size() + 1);
  return OpenAt2(root->get(), name.c_str(),
                 {.flags = O_PATH | O_CLOEXEC,
                  .resolve = kResolveBeneath | kResolveNoSymlinks | kResolveNoXdev})
      .ok();
}

bool HasFile(const SessionDirectory& directory, const char* name) {
  return faccessat(directory.fd(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

// A whole line: what is half written is not there yet.
bool OutputHas(const SessionDirectory& directory, const std::string& text) {
  for (const std::string& file :
       {std::string(kSessionOutputFile), std::string(kSessionOutputFile) + ".1"}) {
    const SysResult<OwnedFd> log = OpenFileBeneath(directory.fd(), file);
    if (!log.ok()) continue;
    std::string output(kMostOutput, '\0');
    const ssize_t size = pread(log->get(), output.data(), output.size(), 0);
    output.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
    const size_t found = output.find(text);
    if (found != std::string::npos && output.find('\n', found) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

bool IsReady(const ReadyProbe& probe, const SessionRecord& record,
             const SessionDirectory& directory) {
  if (!probe.file.empty()) return FileIsThere(record, probe.file);
  return probe.output.empty() || OutputHas(directory, probe.output);
}

bool WasReady(const SessionDirectory& directory) { return HasFile(directory, kSessionReadyFile); }

void RememberReady(const SessionDirectory& directory) {
  const SysStatus written =
      WriteFileAtomically(directory.fd(), kSessionReadyFile, "", 0600, Durability::kFast);
  // Forgotten on a full disk: then it is looked for again.
  if (!written.ok()) RawLog("a session's readiness cannot be written");
}

}  // namespace sessionctl
