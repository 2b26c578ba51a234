#include "supervisor/mediator/call_context.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "sandbox/walls.h"
#include "supervisor/mediator/room_limit.h"

namespace sessionctl {
namespace {

bool IsDevice(const struct stat& info) { return S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode); }

// Was it unlinked where the host has it (/etc/resolv.conf, replaced by rename), and stands in the
// session's view all the same? It is mounted there, which only who made the view can have done.
bool IsInItsPlaceStill(int fd, std::string_view path) {
  if (!path.ends_with(kDeletedSuffix)) return false;
  struct statx info = {};
  return statx(fd, "", AT_EMPTY_PATH, 0, &info) == 0 &&
         (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// How many of a process's descriptors (`fd` is its /proc/PID/fd) have numbers below `limit`; there
// may be higher ones from before a limit was lowered.
size_t CountBelow(OwnedFd fd, rlim_t limit) {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd.get()), closedir);
  if (directory == nullptr) return 0;
  fd.Release();
  size_t count = 0;
  while (const dirent* entry = readdir(directory.get())) {
    const bool is_number = entry->d_name[0] != '.';
    if (is_number && strtoul(entry->d_name, nullptr, 10) < limit) ++count;
  }
  return count;
}

// Do the file's own mode and ACL let this worker, which acts with the caller's rights, do `mode` to
// it?
bool Permitted(int fd, int mode) {
  return syscall(SYS_faccessat2, fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) == 0 || errno != EACCES;
}

// A system tree is read-only to a session only: who may not write there bare either gets the bare
// answer. `error` is the verdict on an object outside every mount.
int ErrorAsBare(int error, Operation operation, const PinnedObject& object) {
  if (error != EROFS) return error;
  if (operation == Operation::kMetadata) {
    return object.info.st_uid == CurrentFileUser() ? error : EPERM;
  }
  const int mode = operation == Operation::kCreate ? W_OK | X_OK : W_OK;
  return Permitted(object.fd.get(), mode) ? error : EACCES;
}

}  // namespace

int CallContext::Decide(const AccessRequest& request) {
  return Take(CheckAccess(session_.policy(), request));
}

int CallContext::Take(const Verdict& verdict) {
  return verdict.allowed() ? 0 : refusal_.Note(verdict.error, verdict.rule).value;
}

int CallContext::AnswerInstead(int error, int answer) {
  return answer == error ? error : refusal_.Note(answer, refusal_.RuleBehind(error)).value;
}

int CallContext::CheckObject(Operation operation, const PinnedObject& object) {
  AccessRequest request;
  request.operation = operation;
  return CheckObject(request, object);
}

int CallContext::CheckCopy(const PinnedObject& object) {
  AccessRequest request;
  request.operation = Operation::kRead;
  request.is_copy = true;
  return CheckObject(request, object);
}

int CallContext::CheckObject(AccessRequest request, const PinnedObject& object) {
  const Operation operation = request.operation;
  request.mount = object.mount != nullptr ? object.mount->rules : nullptr;
  request.is_regular = S_ISREG(object.info.st_mode);
  request.is_device = IsDevice(object.info);
  request.link_count = object.info.st_nlink;
  // Landlock stops neither metadata changes nor connecting to a socket file: those are always
  // decided by where the object really is.
  bool by_path = operation == Operation::kMetadata || operation == Operation::kConnect ||
                 DecidesByPath(object.mount);
  if (operation == Operation::kLookUp) by_path = object.mount != nullptr && object.mount->hides();
  std::string path = by_path ? object.place : std::string();
  if (by_path && path.empty()) {
    SysResult<std::string> real = resolver_.PathForRules(object.fd.get(), object.mount);
    if (!real.ok()) {
      return refusal_.Note(real.error(), "the object is not where it was resolved").value;
    }
    path = std::move(*real);
  }
  request.path = path;
  if (object.mount == nullptr && IsInItsPlaceStill(object.fd.get(), path)) {
    request.path.remove_suffix(kDeletedSuffix.size());
  }
  const int error = DecideByLastName(request);
  if (error == 0) return AdmitObject(operation, object);
  return object.mount == nullptr ? AnswerInstead(error, ErrorAsBare(error, operation, object))
                                 : error;
}

// An object that was unlinked (a denied file that somebody replaces by rename) is known by its last
// name and " (deleted)": the rules on that name still hold for it, and so do those on a name that
// really ends so.
int CallContext::DecideByLastName(AccessRequest request) {
  int error = Decide(request);
  if (error != 0 || !request.path.ends_with(kDeletedSuffix)) return error;
  request.path.remove_suffix(kDeletedSuffix.size());
  return Decide(request);
}

bool CallContext::DecidesByPath(const MountView* mount) const {
  return mount == nullptr || mount->has_path_rules() || mount->overlay != nullptr ||
         session_.HasNestedMounts(*mount);
}

SysResult<std::string> CallContext::NameOf(const PinnedParent& parent) const {
  if (parent.is_mount_root) return std::string();
  if (!DecidesByPath(parent.mount)) return parent.leaf;
  if (!kWalls.beneath) return parent.leaf;  // part of the same wall: where is what was opened?
  SysResult<std::string> directory = resolver_.PathForRules(parent.fd.get(), parent.mount);
  if (!directory.ok()) return directory;
  if (directory->empty()) return parent.leaf;
  return *directory + "/" + parent.leaf;
}

int CallContext::CheckName(Operation operation, const PinnedParent& parent,
                           const PinnedParent* other) {
  SysResult<std::string> name = NameOf(parent);
  SysResult<std::string> other_name = other != nullptr ? NameOf(*other) : std::string();
  if (!name.ok() || !other_name.ok()) {
    const int error = name.ok() ? other_name.error() : name.error();
    return refusal_.Note(error, "the directory is not where it was resolved").value;
  }
  AccessRequest request;
  request.operation = operation;
  request.mount = parent.mount != nullptr ? parent.mount->rules : nullptr;
  request.path = *name;
  request.other_path = *other_name;
  const int error = Decide(request);
  if (error == 0) return AdmitName(operation, parent, *name);
  const bool outside = error == EROFS && parent.mount == nullptr;
  const bool permitted = !outside || Permitted(parent.fd.get(), W_OK | X_OK);
  return permitted ? error : AnswerInstead(error, EACCES);
}

int CallContext::CheckLinkSource(const PinnedObject& source, const PinnedParent& to) {
  SysResult<std::string> name = resolver_.PathForRules(source.fd.get(), source.mount);
  SysResult<std::string> new_name = NameOf(to);
  if (!name.ok() || !new_name.ok()) {
    const int error = name.ok() ? new_name.error() : name.error();
    return refusal_.Note(error, "the object is not where it was resolved").value;
  }
  AccessRequest request;
  request.operation = Operation::kLinkFrom;
  request.mount = source.mount != nullptr ? source.mount->rules : nullptr;
  request.path = *name;
  request.other_path = *new_name;
  request.is_regular = S_ISREG(source.info.st_mode);
  request.link_count = source.info.st_nlink;
  const int error = DecideByLastName(request);
  return error != 0 ? error : AdmitObject(Operation::kLinkFrom, source);
}

int CallContext::TakeRoom(int error) {
  if (error == 0) return 0;
  return refusal_.Note(error, "mount: overlay_size or overlay_inodes").value;
}

int CallContext::AdmitObject(Operation operation, const PinnedObject& object) {
  const bool changes = operation == Operation::kWrite || operation == Operation::kMetadata ||
                       operation == Operation::kLinkFrom;
  if (!changes || object.mount == nullptr || object.mount->overlay == nullptr) return 0;
  SysResult<std::string> path = resolver_.PathForRules(object.fd.get(), object.mount);
  if (!path.ok()) return path.error();
  return TakeRoom(object.mount->overlay->Admit(*path, BytesOf(object.info)));
}

// What is removed makes room, but for its mark, which is small.
int CallContext::AdmitName(Operation operation, const PinnedParent& parent,
                           const std::string& name) {
  const bool adds = operation == Operation::kCreate || operation == Operation::kCreateLink ||
                    operation == Operation::kRenameFrom || operation == Operation::kRenameTo;
  if (!adds || parent.mount == nullptr || parent.mount->overlay == nullptr) return 0;
  struct stat info = {};
  if (operation == Operation::kRenameFrom &&
      fstatat(parent.fd.get(), parent.leaf.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return 0;  // the call itself says why
  }
  return TakeRoom(parent.mount->overlay->Admit(name, BytesOf(info)));
}

int CallContext::CheckDescriptorMetadata(const PinnedObject& object) {
  SysResult<std::string> path = PathOfDescriptor(object.fd.get());
  const bool unnamed = !path.ok() && path.error() == ENAMETOOLONG;
  if (!path.ok() && !unnamed) return path.error();
  if (!unnamed && (path->empty() || path->front() != '/')) {
    return 0;  // a pipe, a socket: nobody else's
  }
  if (object.mount != nullptr) return CheckObject(Operation::kMetadata, object);
  // An unlinked file that the session can write to (memfd, a temporary) is its own.
  int flags = fcntl(object.fd.get(), F_GETFL);
  bool writable = flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
  if (object.info.st_nlink == 0 && writable) return 0;
  return CheckObject(Operation::kMetadata, object);
}

SysStatus CallContext::AdoptCredentials() {
  const SessionIdentity& identity = session_.policy().identity;
  if (identity.kept == 0) return Done{};
  SysResult<std::pair<RemoteTask::Status, FileCredentials>> callers =
      task_.ReadStatusAndCredentials();
  if (!callers.ok()) return Errno(ESRCH);
  // What was read may be another thread's that got the same id (trap 18).
  if (!StillWaiting()) return Errno(ESRCH);
  status_ = callers->first;
  callers->second.effective &= identity.kept;
  SysResult<AdoptedCredentials> adopted =
      AdoptedCredentials::Adopt(session_.own_credentials(), callers->second);
  if (!adopted.ok()) return Errno(adopted.error());
  credentials_.emplace(std::move(*adopted));
  return Done{};
}

SysStatus CallContext::AdoptUmask() {
  if (!status_) {
    SysResult<RemoteTask::Status> status = task_.ReadStatus();
    if (!status.ok()) return Errno(status.error() == ENOENT ? ESRCH : status.error());
    status_ = *status;
  }
  umask(status_->umask);
  return Done{};
}

bool CallContext::ExceedsFileSizeLimit(int64_t size) const {
  SysResult<uint64_t> limit = task_.Limit(RLIMIT_FSIZE);
  if (!limit.ok() || *limit == RLIM_INFINITY || static_cast<uint64_t>(size) <= *limit) return false;
  // The thread is held in its call, so its id is its own (trap 18); Landlock lets us signal our
  // session only.
  if (StillWaiting()) task_.Signal(SIGXFSZ);
  return true;
}

bool CallContext::DescriptorTableIsFull() const {
  SysResult<uint64_t> limit = task_.Limit(RLIMIT_NOFILE);
  if (!limit.ok()) return false;
  if (*limit == 0) return true;
  // The first number that the table has no place for is free; the kernel would make it larger.
  if (status_ && status_->table_size > 0 && status_->table_size < *limit) return false;
  // Descriptors are given lowest first: while the highest is free, there is room.
  if (!task_.HasDescriptor(static_cast<int>(*limit - 1))) return false;
  SysResult<OwnedFd> table = task_.DescriptorTable();
  return table.ok() && CountBelow(std::move(*table), *limit) >= *limit;
}

}  // namespace sessionctl
