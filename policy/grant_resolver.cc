#include "policy/grant_resolver.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/path_text.h"
#include "policy/walked_directories.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

absl::Status MountError(const Mount& mount, absl::StatusCode code, const std::string& what) {
  return absl::Status(
      code, absl::StrCat(LocationText(mount.where), ": mount.host: ", mount.host, ": ", what));
}

absl::Status InvalidMount(const Mount& mount, const std::string& what) {
  return MountError(mount, absl::StatusCode::kInvalidArgument, what);
}

// What a person should read about `error`.
absl::Status MountErrno(const Mount& mount, int error) {
  switch (error) {
    case ENOENT:
      return MountError(mount, absl::StatusCode::kNotFound,
                        "no such directory (create = true would make it)");
    case EACCES:
    case EPERM: return MountError(mount, absl::StatusCode::kPermissionDenied, "permission denied");
    case ENOTDIR: return InvalidMount(mount, "not a directory");
    default: return InvalidMount(mount, strerrordesc_np(error));
  }
}

// With errno where there is none. Most are canonical as they are written, or nowhere without a link
// on the way, which one call tells.
std::optional<std::string> RealPath(const std::string& path) {
  if (!path.empty() && path[0] == '/' && NormalizeLexically(path) == path) {
    const SysResult<OwnedFd> found = OpenAt2(
        AT_FDCWD, path.c_str(), {.flags = O_PATH | O_CLOEXEC, .resolve = kResolveNoSymlinks});
    if (found.ok()) return path;
    if (found.error() == ENOENT) {
      errno = ENOENT;
      return std::nullopt;
    }
  }
  char buffer[PATH_MAX];
  if (realpath(path.c_str(), buffer) == nullptr) return std::nullopt;
  return std::string(buffer);
}

// The canonical path that `path` has or, once it is made, will have: links of what exists are
// resolved.
std::string RealPathOfMissing(const std::string& path) {
  const std::optional<std::string> real = RealPath(path);
  if (real.has_value() || path == "/") return real.value_or(path);
  const size_t slash = path.rfind('/');
  const std::string parent = RealPathOfMissing(slash == 0 ? "/" : path.substr(0, slash));
  return (parent == "/" ? "" : parent) + path.substr(slash);
}

// A glob for exactly `path` ("/a/b", anchored): what has a meaning in globs stands for itself.
std::string AnchoredGlob(const std::string& path) {
  std::string glob;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') glob += '\\';
    glob += c;
  }
  return glob;
}

// An error when the way of `path` to `canonical` goes through one of the `writable` mounts and out
// of it again: only a session, earlier under the same policy, need have made the link that does
// that (CVE-2024-42472). What is canonical by now is opened without following links.
absl::Status CheckLinks(const std::string& path, const std::string& canonical,
                        const std::vector<std::string>& writable) {
  if (path == canonical) return absl::OkStatus();  // no link on the way
  const std::vector<std::string> walked = WalkedDirectories(path);
  for (const std::string& mount : writable) {
    const bool enters =
        std::any_of(walked.begin(), walked.end(),
                    [&](const std::string& directory) { return IsAtOrBelow(directory, mount); });
    if (!enters || IsAtOrBelow(canonical, mount)) continue;
    return absl::InvalidArgumentError(absl::StrCat("a link in mount ", mount,
                                                   ", where sessions may write, leads to ",
                                                   canonical, "; write that path if it is meant"));
  }
  return absl::OkStatus();
}

bool IsEmptyDirectory(int fd) {
  const OwnedFd copy(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  char entries[1024];
  ssize_t size;
  while ((size = getdents64(copy.get(), entries, sizeof(entries))) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
      if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) return false;
      at += entry->d_reclen;
    }
  }
  return size == 0;
}

// Gives a directory that was just made to the session's user. One that somebody put in its place
// meanwhile is taken only if nothing is in it.
absl::Status GiveDirectory(const Mount& mount, int fd, const SessionIdentity& identity) {
  if (!identity.changes) return absl::OkStatus();
  if (!IsEmptyDirectory(fd)) return InvalidMount(mount, "create = true, but it is not empty");
  if (fchown(fd, identity.uid, identity.gid) != 0) return MountErrno(mount, errno);
  return absl::OkStatus();
}

// Makes the last component, mode 0700, unless it is there; a link in its place, or a directory that
// belongs to neither the caller nor the session's user (who made it first, in a directory that both
// may write), is refused.
absl::Status CreateDirectory(const Mount& mount, const std::string& path,
                             const SessionIdentity& identity,
                             const std::vector<std::string>& writable) {
  const size_t slash = path.rfind('/');
  const std::string spelled = slash == 0 ? "/" : path.substr(0, slash);
  const std::string leaf = path.substr(slash + 1);
  const std::optional<std::string> parent = RealPath(spelled);
  if (!parent.has_value()) return MountErrno(mount, errno);
  if (absl::Status links = CheckLinks(spelled, *parent, writable); !links.ok()) {
    return InvalidMount(mount, std::string(links.message()));
  }
  SysResult<OwnedFd> opened =
      OpenAt2(AT_FDCWD, parent->c_str(),
              {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = kResolveNoSymlinks});
  if (!opened.ok()) return MountErrno(mount, opened.error());
  const OwnedFd parent_fd = std::move(*opened);
  const bool made = mkdirat(parent_fd.get(), leaf.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return MountErrno(mount, errno);
  struct stat status;
  if (fstatat(parent_fd.get(), leaf.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return MountErrno(mount, errno);
  }
  if (S_ISLNK(status.st_mode)) return InvalidMount(mount, "create = true on a symbolic link");
  if (!S_ISDIR(status.st_mode)) return InvalidMount(mount, "not a directory");
  if (status.st_uid == identity.uid) return absl::OkStatus();
  const OwnedFd fd(
      openat(parent_fd.get(), leaf.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid() || fstat(fd.get(), &status) != 0) return MountErrno(mount, errno);
  if (made && status.st_uid == geteuid()) return GiveDirectory(mount, fd.get(), identity);
  return MountError(
      mount, absl::StatusCode::kPermissionDenied,
      absl::StrCat("create = true, but it is there already and belongs to uid ", status.st_uid));
}

absl::Status CheckDirectory(const Mount& mount, const std::string& canonical) {
  if (canonical == "/") return InvalidMount(mount, "the root directory cannot be a mount");
  const OwnedFd directory(open(canonical.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.valid()) return MountErrno(mount, errno);
  struct statfs file_system;
  if (fstatfs(directory.get(), &file_system) != 0) return MountErrno(mount, errno);
  if (file_system.f_type == PROC_SUPER_MAGIC) {
    return InvalidMount(mount, "proc cannot be a mount: its files mean whoever opens them");
  }
  return absl::OkStatus();
}

// `inner` was written beneath `outer` on purpose when its own spelling says so.
bool IsNestedOnPurpose(const Mount& outer, const Mount& inner) {
  const std::string rest = inner.host.substr(outer.host.size());
  return inner.alias == inner.host || inner.alias == outer.alias + rest;
}

absl::Status CheckPair(const Mount& outer, const Mount& inner) {
  if (!IsAtOrBelow(inner.host, outer.host)) return absl::OkStatus();
  if (inner.host == outer.host) {
    return InvalidMount(inner, absl::StrCat("the same directory is a mount already (",
                                            LocationText(outer.where), ")"));
  }
  if (IsNestedOnPurpose(outer, inner)) return absl::OkStatus();
  return InvalidMount(inner, absl::StrCat(inner.alias, " leads into mount ", outer.host,
                                          "; write the path beneath it if that is meant"));
}

absl::Status SystemError(const char* key, const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("policy: ", key, ": ", path, ": ", what));
}

// The canonical path; nullopt when there is nothing to grant.
absl::StatusOr<std::optional<std::string>> ResolveSystemPath(const char* key,
                                                             const std::string& path) {
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) {
    return SystemError(key, path, "not an absolute path");
  }
  const std::string spelled = NormalizeLexically(path);
  for (const char* own : {"/proc/self", "/proc/thread-self", "/dev/fd"}) {
    if (IsAtOrBelow(spelled, own)) {
      return SystemError(key, path, "means whoever looks; it cannot be granted by path");
    }
  }
  return RealPath(path);
}

absl::Status CheckDevice(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && S_ISCHR(status.st_mode)) return absl::OkStatus();
  return SystemError("filesystem.devices", path, "not a character device");
}

// Leaves out what a tree around it grants already.
bool IsSubsumed(const SystemGrant& grant, const std::map<std::string, SystemGrant>& grants) {
  if (grant.device) return false;
  for (std::string around = grant.path; around != "/";) {
    const size_t slash = around.rfind('/');
    around.resize(std::max<size_t>(slash, 1));
    const auto outer = grants.find(around);
    if (outer == grants.end() || outer->second.device) continue;
    if (outer->second.exec || !grant.exec) return true;
  }
  return false;
}

}  // namespace

std::string LocationText(const SourceLocation& where) {
  if (where.line == 0) return where.source.empty() ? "policy" : where.source;
  return absl::StrCat(where.source, ":", where.line, ":", where.column);
}

absl::StatusOr<std::string> ExpandVariables(const std::string& path,
                                            const PolicyVariables& variables) {
  std::string result;
  for (size_t i = 0; i < path.size();) {
    const size_t close = path[i] == '{' ? path.find('}', i) : std::string::npos;
    const std::string name = close == std::string::npos ? "" : path.substr(i + 1, close - i - 1);
    if (name.empty() ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) {
      result += path[i++];
      continue;
    }
    if (name != "session" && name != "user") {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown variable {", name, "}; there are {session} and {user}"));
    }
    const std::string& value = name == "session" ? variables.session : variables.user;
    if (value.empty() || value == "." || value == ".." ||
        value.find_first_of(std::string("/\0", 2)) != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("{", name, "} has no value fit for a path"));
    }
    result += value;
    i = close + 1;
  }
  return result;
}

std::vector<std::string> WritableMounts(const std::vector<Mount>& mounts,
                                        const PolicyVariables& variables) {
  std::vector<std::string> writable;
  for (const Mount& mount : mounts) {
    if (!mount.is_writable()) continue;
    const absl::StatusOr<std::string> expanded = ExpandVariables(mount.host, variables);
    if (!expanded.ok()) continue;  // an error in a moment
    const std::optional<std::string> real = RealPath(*expanded);
    writable.push_back(real ? *real : RealPathOfMissing(NormalizeLexically(*expanded)));
  }
  return writable;
}

absl::StatusOr<Mount> ResolveMount(const Mount& mount, const PolicyVariables& variables,
                                   const SessionIdentity& identity,
                                   const std::vector<std::string>& writable) {
  absl::StatusOr<std::string> expanded = ExpandVariables(mount.host, variables);
  if (!expanded.ok()) return InvalidMount(mount, std::string(expanded.status().message()));
  if (expanded->empty() || (*expanded)[0] != '/' || expanded->find('\0') != std::string::npos) {
    return InvalidMount(mount, "not an absolute path");
  }
  Mount resolved = mount;
  resolved.alias = NormalizeLexically(*expanded);
  if (mount.create && resolved.alias != "/") {
    if (absl::Status status = CreateDirectory(mount, resolved.alias, identity, writable);
        !status.ok()) {
      return status;
    }
  }
  const std::optional<std::string> canonical = RealPath(*expanded);
  if (!canonical.has_value()) return MountErrno(mount, errno);
  if (absl::Status links = CheckLinks(*expanded, *canonical, writable); !links.ok()) {
    return InvalidMount(mount, std::string(links.message()));
  }
  if (absl::Status status = CheckDirectory(mount, *canonical); !status.ok()) return status;
  resolved.host = *canonical;
  absl::StatusOr<std::string> guest = ExpandVariables(mount.guest, variables);
  if (!guest.ok()) return InvalidMount(mount, std::string(guest.status().message()));
  if (!guest->empty() && ((*guest)[0] != '/' || guest->find('\0') != std::string::npos)) {
    return InvalidMount(mount,
                        absl::StrCat("cannot be shown at ", *guest, ": not an absolute path"));
  }
  resolved.guest = guest->empty() ? "" : NormalizeLexically(*guest);
  resolved.create = false;
  return resolved;
}

absl::Status CheckMountsDoNotOverlap(const std::vector<Mount>& mounts) {
  for (size_t i = 0; i < mounts.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const bool earlier_is_outer = mounts[j].host.size() <= mounts[i].host.size();
      const Mount& outer = earlier_is_outer ? mounts[j] : mounts[i];
      const Mount& inner = earlier_is_outer ? mounts[i] : mounts[j];
      if (absl::Status status = CheckPair(outer, inner); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SystemGrant>> ResolveSystemGrants(const FilesystemPolicy& filesystem,
                                                             const std::vector<Mount>& mounts) {
  std::vector<std::string> writable;
  for (const Mount& mount : mounts) {
    if (mount.is_writable()) writable.push_back(mount.host);
  }
  std::map<std::string, SystemGrant> grants;
  const auto add = [&](const char* key, const std::vector<std::string>& paths, bool exec,
                       bool device) -> absl::Status {
    for (const std::string& path : paths) {
      absl::StatusOr<std::optional<std::string>> canonical = ResolveSystemPath(key, path);
      if (!canonical.ok()) return canonical.status();
      if (!canonical->has_value()) continue;
      if (absl::Status links = CheckLinks(path, **canonical, writable); !links.ok()) {
        return SystemError(key, path, std::string(links.message()));
      }
      if (device) {
        if (absl::Status status = CheckDevice(**canonical); !status.ok()) return status;
      }
      SystemGrant& grant = grants.try_emplace(**canonical, SystemGrant{**canonical}).first->second;
      grant.exec = grant.exec || exec;
      grant.device = grant.device || device;
    }
    return absl::OkStatus();
  };
  absl::Status status = add("filesystem.read", filesystem.read, false, false);
  if (status.ok()) status = add("filesystem.exec", filesystem.exec, true, false);
  if (status.ok()) status = add("filesystem.devices", filesystem.devices, false, true);
  if (!status.ok()) return status;
  std::vector<SystemGrant> result;
  for (const auto& [path, grant] : grants) {
    if (!IsSubsumed(grant, grants)) result.push_back(grant);
  }
  std::stable_sort(result.begin(), result.end(), [](const SystemGrant& a, const SystemGrant& b) {
    return a.path.size() > b.path.size();
  });
  return result;
}

absl::Status KeepStateDirectory(const std::string& state_directory, std::vector<Mount>* mounts) {
  if (state_directory.empty()) return absl::OkStatus();
  const std::string state = RealPathOfMissing(NormalizeLexically(state_directory));
  for (Mount& mount : *mounts) {
    if (IsAtOrBelow(mount.host, state)) {
      return InvalidMount(mount, "lies in the directory that holds the records of sessions");
    }
    if (IsAtOrBelow(state, mount.host)) {
      if (mount.mode == MountMode::kOverlay) {
        return InvalidMount(mount, absl::StrCat("the records of sessions lie below it (", state,
                                                "), and an overlay cannot keep its changes in the "
                                                "directory that it is over: name another state "
                                                "directory (SESSIONCTL_STATE_DIR)"));
      }
      mount.deny.push_back(AnchoredGlob(state.substr(mount.host.size())));
    }
  }
  return absl::OkStatus();
}

}  // namespace sessionctl
