// open, creat, openat, openat2.
//
// An existing object is pinned with O_PATH, looked at, decided on, and only then reopened through
// /proc/self/fd, so that no FIFO blocks and no O_TRUNC acts before the decision (trap 27). A new
// one is made with one openat2(BENEATH, O_CREAT|O_EXCL) in its pinned directory, so that no link is
// ever followed by the creation itself (trap 26).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/open_flags.h"
#include "supervisor/mediator/path_parts.h"
#include "supervisor/mediator/path_walker.h"

namespace sessionctl {
namespace {

constexpr int kMaxCreationRaces = 128;  // a name that comes and goes under our hands
class OpenCall {
 public:
  OpenCall(CallContext& context, const CallerPath& path, const OpenHow& how, bool is_openat2)
      : context_(context), path_(path), how_(how), is_openat2_(is_openat2) {}

  Reply Run() {
    if (path_.error != 0) return Reply::Error(path_.error);
    if (path_.path.empty()) return Reply::Error(ENOENT);
    Reply reply = RunOnPath();
    // The kernel takes the number first of all, before it looks at the path.
    if (reply.error() != 0 && reply.error() != EMFILE && context_.DescriptorTableIsFull()) {
      return Reply::Error(EMFILE);
    }
    return reply;
  }

 private:
  Reply RunOnPath() {
    // openat2(2): then retry without.
    if ((how_.resolve & kResolveCached) != 0) return Reply::Error(EAGAIN);
    if (Has(O_PATH)) return OpenPathOnly();
    if (Has(kTmpfileBit)) return OpenTemporary();
    if (Has(O_CREAT)) return OpenOrCreate();
    SysResult<PinnedObject> object =
        context_.resolver().Object(path_, !Has(O_NOFOLLOW), how_.resolve);
    if (!object.ok()) return Reply::Error(object.error());
    return OpenExisting(*object);
  }

  bool Has(uint64_t flag) const { return (how_.flags & flag) != 0; }
  bool Writes() const { return (how_.flags & O_ACCMODE) != O_RDONLY || Has(O_TRUNC); }
  bool Reads() const { return (how_.flags & O_ACCMODE) != O_WRONLY; }

  Reply Deliver(OwnedFd fd) const { return Reply::Descriptor(std::move(fd), Has(O_CLOEXEC)); }

  Reply OpenExisting(const PinnedObject& object) {
    mode_t mode = object.info.st_mode;
    if (Has(O_DIRECTORY) && !S_ISDIR(mode)) return Reply::Error(ENOTDIR);
    if (S_ISLNK(mode)) return Reply::Error(ELOOP);
    if (S_ISDIR(mode) && (Writes() || Has(O_CREAT))) return Reply::Error(EISDIR);
    if (object.mount == nullptr && Terminals::IsTerminal(object.info)) {
      SysResult<OwnedFd> own = context_.terminals().Find(object.info.st_rdev, object.info.st_dev);
      if (own.ok()) return OpenOwnTerminal(*own);
    }
    if (!Writes() && TellsHostPaths(object)) return OpenCopy(object);
    if (int error = Decide(object); error != 0) {
      return object.through_descriptor ? Share(object, error) : Reply::Error(error);
    }
    if (object.mount == nullptr && S_ISCHR(mode) && object.info.st_rdev == makedev(5, 0)) {
      return OpenTerminal();
    }
    if (Has(O_TRUNC) && context_.DescriptorTableIsFull()) return Reply::Error(EMFILE);
    // Opening for reading does nothing to a file or directory, whoever takes the descriptor.
    const bool acts = Writes() || !(S_ISREG(mode) || S_ISDIR(mode));
    if (!context_.MayAct(acts)) return Reply::CallerGone();
    return OpenAnew(object);
  }

  int Decide(const PinnedObject& object) {
    if (object.through_descriptor && object.mount == nullptr && IsAnonymous(object)) return 0;
    int error = Reads() ? context_.CheckObject(Operation::kRead, object) : 0;
    if (error == 0 && Writes()) error = context_.CheckObject(Operation::kWrite, object);
    return error;
  }

  bool TellsHostPaths(const PinnedObject& object) const {
    const CompiledPolicy& policy = context_.session().policy();
    // What was pinned at once lies in no proc (PathResolver::OpenOutside).
    if (object.mount != nullptr || !policy.view.moves_mounts || !object.place.empty() ||
        !OnProcfs(object.fd.get())) {
      return false;
    }
    SysResult<std::string> path = PathOfDescriptor(object.fd.get());
    return path.ok() && sessionctl::TellsHostPaths(policy, *path);
  }

  Reply OpenCopy(const PinnedObject& object) {
    if (int error = context_.CheckCopy(object); error != 0) return Reply::Error(error);
    SysResult<OwnedFd> copy =
        context_.mount_table().Open(object.fd.get(), static_cast<int>(ReopenFlags()));
    if (!copy.ok()) return Reply::Error(copy.error());
    return Deliver(std::move(*copy));
  }

  // A pipe or socket of the session's own, reached through its descriptor.
  static bool IsAnonymous(const PinnedObject& object) {
    SysResult<std::string> path = PathOfDescriptor(object.fd.get());
    return path.ok() && !path->empty() && path->front() != '/';
  }

  // /dev/stdout where standard output is a file outside every grant: the session was given that
  // descriptor, and gets another number for the same open file, never a wider one.
  Reply Share(const PinnedObject& object, int error) {
    if (object.descriptor < 0) return Reply::Error(error);
    SysResult<OwnedFd> same = context_.task().Descriptor(object.descriptor);
    if (!same.ok()) return Reply::Error(error);
    SysResult<struct stat> info = Fstat(same->get());
    int flags = fcntl(same->get(), F_GETFL);
    bool is_same =
        info.ok() && info->st_dev == object.info.st_dev && info->st_ino == object.info.st_ino;
    if (!is_same || flags < 0 || (flags & O_PATH) != 0) return Reply::Error(error);
    const int have = flags & O_ACCMODE;
    const int wanted = static_cast<int>(how_.flags & O_ACCMODE);
    if (have != O_RDWR && have != wanted) return Reply::Error(error);
    // Emptying is writing, whatever the new descriptor is for.
    if (Has(O_TRUNC) && have == O_RDONLY) return Reply::Error(error);
    if (context_.session().IsUnnamedMemory(*info)) return ReopenMemory(*same);
    return Deliver(std::move(*same));
  }

  // The session's own memory may be opened anew: with an offset and flags of its own.
  Reply ReopenMemory(const OwnedFd& same) {
    if (Has(O_TRUNC) && context_.DescriptorTableIsFull()) return Reply::Error(EMFILE);
    if (!context_.StillWaiting()) return Reply::CallerGone();
    SysResult<OwnedFd> anew = Reopen(same.get(), static_cast<int>(ReopenFlags()));
    if (!anew.ok()) return Reply::Error(anew.error());
    return Deliver(std::move(*anew));
  }

  // Two of the session's terminals may have one number, in the host's devpts and in its own.
  // Whoever has one as its controlling terminal most likely talks through it.
  std::optional<dev_t> DevptsOf(dev_t terminal) const {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
      SysResult<OwnedFd> open = context_.task().Descriptor(stream);
      SysResult<struct stat> info = open.ok() ? Fstat(open->get()) : Errno(open.error());
      if (info.ok() && Terminals::IsTerminal(*info) && info->st_rdev == terminal) {
        return info->st_dev;
      }
    }
    return std::nullopt;
  }

  // /dev/tty is the caller's controlling terminal, not the broker's (trap 28).
  Reply OpenTerminal() {
    SysResult<dev_t> theirs = context_.task().ControllingTerminal();
    if (!theirs.ok() || *theirs == 0) return Reply::Error(ENXIO);
    SysResult<OwnedFd> own = context_.terminals().Find(*theirs, DevptsOf(*theirs));
    if (own.ok()) return OpenOwnTerminal(*own);
    SysResult<dev_t> ours = RemoteTask(context_.session().proc(), getpid()).ControllingTerminal();
    if (!ours.ok() || *ours != *theirs) return Reply::Error(EACCES);
    if (!context_.StillWaiting()) return Reply::CallerGone();
    SysResult<OwnedFd> opened = OpenAt(AT_FDCWD, "/dev/tty", static_cast<int>(ReopenFlags()));
    if (!opened.ok()) return Reply::Error(opened.error());
    return Deliver(std::move(*opened));
  }

  // One that the session made itself (pts(4)).
  Reply OpenOwnTerminal(const OwnedFd& terminal) {
    if (!context_.StillWaiting()) return Reply::CallerGone();
    SysResult<OwnedFd> opened = Reopen(terminal.get(), static_cast<int>(ReopenFlags()));
    if (!opened.ok()) return Reply::Error(opened.error());
    return Deliver(std::move(*opened));
  }

  uint64_t ReopenFlags() const {
    return (how_.flags & ~static_cast<uint64_t>(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_NOCTTY;
  }

  Reply OpenAnew(const PinnedObject& object) {
    if (Has(O_NOFOLLOW) && S_ISDIR(object.info.st_mode)) {
      // By its own ".", where nothing can come between, a directory's descriptor shows O_NOFOLLOW,
      // as a magic link cannot. A file has no such name, and its own might be a device by now.
      SysResult<OwnedFd> opened =
          OpenAt(object.fd.get(), ".", static_cast<int>(ReopenFlags()) | O_NOFOLLOW);
      if (opened.ok()) return Deliver(std::move(*opened));  // else: it may be read, not searched
    }
    MountQuota::Pin pin;
    if (int error = AdmitWriting(object, &pin); error != 0) return Reply::Error(error);
    int flags = static_cast<int>(ReopenFlags());
    bool may_block =
        S_ISFIFO(object.info.st_mode) && !Has(O_NONBLOCK) && (how_.flags & O_ACCMODE) != O_RDWR;
    const auto open = [&] { return Reopen(object.fd.get(), flags); };
    SysResult<OwnedFd> opened = may_block ? context_.MayBlock(open) : open();
    if (opened.ok() && Terminals::IsMultiplexer(object.info)) {
      context_.terminals().Remember(opened->get());
    }
    // Nobody locks what no session can write to; a moment more of a lock on it is all there can be.
    if (opened.ok() && object.only_read && S_ISREG(object.info.st_mode) && !Writes()) {
      return Reply::SharedDescriptor(std::move(*opened), Has(O_CLOEXEC));
    }
    if (opened.ok()) return Deliver(std::move(*opened)).Keeping(std::move(pin));
    return opened.error() == ESRCH ? Reply::CallerGone() : Reply::Error(opened.error());
  }

  int AdmitWriting(const PinnedObject& object, MountQuota::Pin* pin) {
    if (!Writes() || object.mount == nullptr || object.mount->quota == nullptr) return 0;
    if (!S_ISREG(object.info.st_mode)) return 0;
    return context_.CheckQuota(
        object.mount->quota->AdmitWriting(object.fd.get(), object.info, pin));
  }

  // O_PATH: such a descriptor cannot be injected (trap 10), so a readable one stands in for it.
  // Where that has side effects or is refused, the caller of openat2 falls back to openat(O_PATH),
  // which is native. Where names are hidden that comes here as well, and is refused.
  Reply OpenPathOnly() {
    SysResult<PinnedObject> object =
        context_.resolver().Object(path_, !Has(O_NOFOLLOW), how_.resolve);
    if (!object.ok()) return Reply::Error(object.error());
    mode_t mode = object->info.st_mode;
    if (Has(O_DIRECTORY) && !S_ISDIR(mode)) return Reply::Error(ENOTDIR);
    const auto refuse = [this](int error) { return Reply::Error(is_openat2_ ? ENOSYS : error); };
    if (S_ISLNK(mode)) return refuse(ELOOP);
    if (!S_ISDIR(mode) && !S_ISREG(mode)) return refuse(EACCES);
    if (int error = context_.CheckObject(Operation::kRead, *object); error != 0) {
      return refuse(error);
    }
    SysResult<OwnedFd> opened = Reopen(object->fd.get(), O_RDONLY);
    if (!opened.ok()) return refuse(opened.error());
    return Deliver(std::move(*opened));
  }

  // An unnamed file in a directory (O_TMPFILE).
  Reply OpenTemporary() {
    SysResult<PinnedObject> directory =
        context_.resolver().Object(path_, !Has(O_NOFOLLOW), how_.resolve);
    if (!directory.ok()) return Reply::Error(directory.error());
    if (!S_ISDIR(directory->info.st_mode)) return Reply::Error(ENOTDIR);
    if (int error = context_.CheckObject(Operation::kCreate, *directory); error != 0) {
      return Reply::Error(error);
    }
    if (directory->mount == nullptr) return Reply::Error(EACCES);
    return Create(*directory->mount, directory->fd.get(), ".", how_.flags);
  }

  Reply OpenOrCreate() {
    CallerPath path = path_;  // with each link that is followed, what it stands for
    SysResult<PinnedParent> parent = context_.resolver().Parent(path, how_.resolve);
    int links = 0;
    for (int race = 0; race < kMaxCreationRaces; ++race) {
      if (!parent.ok()) return Reply::Error(parent.error());
      if (parent->leaf == "." || parent->leaf == "..") {
        // The flags of openat2 hold for this step as well.
        const int refused =
            how_.resolve == 0 ? 0 : context_.resolver().Object(path, true, how_.resolve).error();
        if (refused != 0) return Reply::Error(refused);
        return Reply::Error(Has(O_EXCL) ? EEXIST : EISDIR);
      }
      if (parent->trailing_slash) return Reply::Error(EISDIR);
      if (Has(O_EXCL) && how_.resolve == 0) return CreateNew(*parent);
      SysResult<PinnedObject> object = Look(*parent);
      if (!object.ok() && object.error() != ENOENT) return Reply::Error(object.error());
      if (!object.ok()) {
        Reply created = CreateIn(*parent);
        if (created.error() == EEXIST && !Has(O_EXCL)) continue;  // somebody was faster: look again
        return created;
      }
      if (Has(O_EXCL)) return Reply::Error(EEXIST);
      if (!S_ISLNK(object->info.st_mode)) return OpenFound(*parent, *object);
      if (Has(O_NOFOLLOW) || (how_.resolve & kResolveNoSymlinks) != 0 || ++links > kMaxLinks ||
          (parent->mount != nullptr && parent->mount->root.rules().no_symlinks)) {
        return Reply::Error(ELOOP);  // as on a nosymfollow mount
      }
      if (!context_.session().MayFollowLink(parent->fd.get(), object->info)) {
        return Reply::Error(EACCES);
      }
      SysResult<std::string> target = ReadLinkAt(object->fd.get(), "");
      if (!target.ok()) return Reply::Error(target.error());
      // The links on the way count, too: the kernel knows how many there are. It goes no further
      // than to a name that cannot be made.
      if (links == 1 && !EndsWithSlash(*target) &&
          context_.resolver().Object(path_, true, how_.resolve).error() == ELOOP) {
        return Reply::Error(ELOOP);
      }
      if (parent->mount == nullptr && OnProcfs(parent->fd.get())) {
        return how_.resolve != 0 ? Reply::Error(ELOOP) : OpenMagicLink(*parent);
      }
      parent = context_.resolver().ParentOfLink(*parent, *target, how_.resolve, &path);
    }
    return Reply::Error(EAGAIN);
  }

  // What stands under the last component now, links not followed.
  SysResult<PinnedObject> Look(const PinnedParent& parent) const {
    if (parent.hidden) return Errno(ENOENT);  // to make it is refused, whatever stands there
    OpenHow how;
    how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = how_.resolve & kResolveNoXdev;
    SysResult<OwnedFd> fd =
        parent.mount != nullptr
            ? parent.mount->root.OpenBeneath(parent.fd.get(), parent.leaf.c_str(), how.flags, 0,
                                             how.resolve)
            : OpenAt2(parent.fd.get(), parent.leaf.c_str(), how);
    if (!fd.ok()) return Errno(fd.error());
    SysResult<struct stat> info = Fstat(fd->get());
    if (!info.ok()) return Errno(info.error());
    PinnedObject object;
    object.mount = parent.mount;
    object.fd = std::move(*fd);
    object.info = *info;
    return object;
  }

  // /dev/stdout and the like: O_CREAT changes nothing about what a magic link means.
  Reply OpenMagicLink(const PinnedParent& parent) {
    SysResult<std::string> directory = PathOfDescriptor(parent.fd.get());
    if (!directory.ok()) return Reply::Error(directory.error());
    CallerPath link = {AT_FDCWD, *directory + "/" + parent.leaf};
    SysResult<PinnedObject> object = context_.resolver().Object(link, true);
    if (!object.ok()) return Reply::Error(object.error());
    return OpenExisting(*object);
  }

  Reply OpenFound(const PinnedParent& parent, const PinnedObject& object) {
    SysResult<struct stat> directory = Fstat(parent.fd.get());
    if (!directory.ok()) return Reply::Error(directory.error());
    if (ProtectedInSticky(*directory, object.info)) return Reply::Error(EACCES);
    return OpenExisting(object);
  }

  // fs.protected_regular and fs.protected_fifos, which apply to O_CREAT on what exists
  // (may_create_in_sticky, proc_sys_fs(5)). Anything else but a directory is always protected.
  bool ProtectedInSticky(const struct stat& directory, const struct stat& file) const {
    if ((directory.st_mode & S_ISVTX) == 0 || S_ISDIR(file.st_mode)) return false;
    int level = 1;
    if (S_ISREG(file.st_mode)) level = context_.session().protected_regular();
    if (S_ISFIFO(file.st_mode)) level = context_.session().protected_fifos();
    if (level == 0 || context_.session().HaveOneOwner(file, directory) ||
        file.st_uid == CurrentFileUser()) {
      return false;
    }
    return (directory.st_mode & S_IWOTH) != 0 || ((directory.st_mode & S_IWGRP) != 0 && level >= 2);
  }

  // That a name is there comes before all else that is wrong with making it, but for a full table.
  Reply CreateNew(const PinnedParent& parent) {
    Reply created = CreateIn(parent);
    const int error = created.error();
    if (error == 0 || error == EEXIST || error == EMFILE) return created;
    SysResult<PinnedObject> object = Look(parent);
    if (object.error() == ENOENT) return created;
    return Reply::Error(object.ok() ? EEXIST : object.error());
  }

  Reply CreateIn(const PinnedParent& parent) {
    if (int error = context_.CheckName(Operation::kCreate, parent); error != 0) {
      // In proc nothing can be made, so what is not there is not there (lookup_open, fs/namei.c).
      return Reply::Error(OnProcfs(parent.fd.get()) ? ENOENT : error);
    }
    if (parent.mount == nullptr) return Reply::Error(EACCES);
    return Create(*parent.mount, parent.fd.get(), parent.leaf.c_str(),
                  how_.flags | O_CREAT | O_EXCL);
  }

  Reply Create(const MountView& mount, int directory, const char* leaf, uint64_t flags) {
    if (SysStatus adopted = context_.AdoptUmask(); !adopted.ok()) return Reply::CallerGone();
    if (context_.DescriptorTableIsFull()) return Reply::Error(EMFILE);
    MountQuota* const quota = mount.quota.get();
    if (quota != nullptr) {
      if (int error = context_.CheckQuota(quota->ReserveFile()); error != 0) {
        return Reply::Error(error);
      }
    }
    if (!context_.MayAct()) {
      if (quota != nullptr) quota->ReturnName();
      return Reply::CallerGone();
    }
    SysResult<OwnedFd> created =
        mount.root.OpenBeneath(directory, leaf, flags, static_cast<mode_t>(how_.mode));
    if (!created.ok()) {
      if (quota != nullptr) quota->ReturnName();
      return Reply::Error(created.error());
    }
    MountQuota::Pin pin;
    if (quota != nullptr) {
      const int error = quota->AddFile(created->get(), (flags & kTmpfileBit) != 0, &pin);
      if (error != 0) return Reply::Error(context_.CheckQuota(error));
    }
    return Deliver(std::move(*created)).Keeping(std::move(pin));
  }

  CallContext& context_;
  const CallerPath& path_;
  const OpenHow how_;
  const bool is_openat2_;
};

}  // namespace

Reply HandleOpen(CallContext& context, const SyscallRequest& request) {
  const OpenHow how = Sanitize(request);
  if (const int error = FlagsError(request, how); error != 0) return Reply::Error(error);
  return OpenCall(context, request.paths[0], how, request.is_openat2).Run();
}

}  // namespace sessionctl
