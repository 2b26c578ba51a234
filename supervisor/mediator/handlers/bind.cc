// bind(2). A socket file is made in the pinned directory and nowhere else, and keeps the name by
// which the caller asked for it (getsockname(2), and the sender's address of its datagrams). Where
// that cannot be given to the kernel, getsockname alone tells it.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "policy/network_check.h"
#include "sandbox/base/own_descriptors.h"
#include "sandbox/base/syscalls.h"
#include "sandbox/base/thread.h"
#include "sandbox/landlock.h"
#include "supervisor/mediator/handlers/handlers.h"
#include "supervisor/mediator/handlers/names.h"
#include "supervisor/mediator/handlers/sockets.h"

namespace sessionctl {
namespace {

int BindTo(int socket, const std::string& bytes) {
  const int bound = bind(socket, reinterpret_cast<const sockaddr*>(bytes.data()),
                         static_cast<socklen_t>(bytes.size()));
  return bound == 0 ? 0 : errno;
}

// A thread's work: the kernel walks the caller's own path, in a Landlock domain in which sockets
// can be made below one directory only.
struct ConfinedBind {
  int socket;
  const std::string* bytes;
  const LandlockRuleset* domain;
  int error;
};

void* ConfinedBindMain(void* argument) {
  auto* work = static_cast<ConfinedBind*>(argument);
  SysStatus confined = work->domain->RestrictSelf();
  work->error = confined.ok() ? BindTo(work->socket, *work->bytes) : confined.error();
  return nullptr;
}

// The thread shares the worker's umask and working directory (CLONE_FS), and goes with its domain.
int BindByWholePath(int socket, const std::string& bytes, const PinnedParent& parent) {
  absl::StatusOr<LandlockRuleset> domain = LandlockRuleset::Create(landlock::kFsMakeSock, 0, 0);
  if (!domain.ok() || !domain->Allow(parent.fd.get(), landlock::kFsMakeSock).ok()) return EACCES;
  ConfinedBind work = {socket, &bytes, &*domain, EACCES};
  return RunOnThread(&ConfinedBindMain, &work) ? work.error : EAGAIN;
}

// May the kernel walk the path itself? Below the pinned directory nothing else may have to be kept
// apart.
bool MayWalk(const CallContext& context, const PinnedParent& parent) {
  return context.session().policy().broker_domain.handled_fs != 0 &&
         !parent.mount->has_path_rules() && !context.session().HasNestedMounts(*parent.mount);
}

// From the working directory of this thread, does `path` lead into the pinned directory? Not by way
// of /proc, where "self" would be the broker.
bool LeadsInto(const PinnedParent& parent, const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  const size_t slash = end == std::string::npos ? end : path.rfind('/', end);
  if (slash == std::string::npos) return false;
  OpenHow how;
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = kResolveNoMagiclinks;
  SysResult<OwnedFd> directory = OpenAt2(AT_FDCWD, path.substr(0, slash + 1).c_str(), how);
  if (!directory.ok()) return false;
  SysResult<struct stat> found = Fstat(directory->get());
  SysResult<struct stat> pinned = Fstat(parent.fd.get());
  return found.ok() && pinned.ok() && found->st_dev == pinned->st_dev &&
         found->st_ino == pinned->st_ino;
}

class SocketFile {
 public:
  SocketFile(CallContext& context, int socket, const std::string& bytes, const std::string& path)
      : context_(context), socket_(socket), bytes_(bytes), path_(path) {}

  Reply Make() {
    SysResult<PinnedParent> parent =
        context_.resolver().Parent(CallerPath{AT_FDCWD, path_, path_.empty() ? ENOENT : 0});
    if (!parent.ok()) return Reply::Error(parent.error());
    int error = ErrorOfNewName(*parent, false);
    if (error == 0) error = context_.CheckName(Operation::kCreate, *parent);
    if (error == 0 && parent->mount == nullptr) error = EACCES;
    if (error != 0) return Reply::Error(error == EEXIST ? EADDRINUSE : error);
    if (SysStatus adopted = context_.AdoptUmask(); !adopted.ok()) return Reply::CallerGone();
    Reply reply = MakeWithinQuota(context_, *parent, true, [&] {
      errno = Bind(*parent);
      return errno == 0 ? 0 : -1;
    });
    // No worker holds a directory of the session's.
    if (!LeaveDirectory()) return Reply::Error(errno);
    return reply.error() == EEXIST ? Reply::Error(EADDRINUSE) : std::move(reply);
  }

 private:
  int Bind(const PinnedParent& parent) {
    if (path_ != parent.leaf && MayWalk(context_, parent)) {
      const int error = WalkAndBind(parent);
      if (error == 0 || error == EADDRINUSE || error == EINVAL) return error;
    }
    if (fchdir(parent.fd.get()) != 0) return errno;
    const int error = BindTo(socket_, UnixAddress(parent.KernelLeaf()));
    if (error == 0 && path_ != parent.leaf) {
      context_.bound_names().Remember(socket_, UnixAddress(path_, /*ended=*/true));
    }
    return error;
  }

  int WalkAndBind(const PinnedParent& parent) {
    if (path_.front() != '/') {
      SysResult<OwnedFd> directory = context_.task().WorkingDirectory();
      if (!directory.ok()) return directory.error();
      if (fchdir(directory->get()) != 0) return errno;
    }
    if (!LeadsInto(parent, path_)) return EACCES;
    return BindByWholePath(socket_, bytes_, parent);
  }

  CallContext& context_;
  const int socket_;
  const std::string& bytes_;
  const std::string& path_;
};

Reply BindInet(CallContext& context, const CallerSocket& socket, const SocketAddress& address,
               const std::string& bytes) {
  const Verdict verdict = CheckLocalAddress(context.session().policy().network, address.ip,
                                            address.port, socket.transport());
  if (int error = context.Take(verdict); error != 0) return Reply::Error(error);
  if (!context.StillWaiting()) return Reply::CallerGone();
  const int error = BindTo(socket.fd.get(), bytes);
  return error == 0 ? Reply::Value(0) : Reply::Error(error);
}

Reply BindOther(CallContext& context, const CallerSocket& socket, int refused,
                const std::string& bytes) {
  if (refused != 0) return Reply::Error(refused);
  if (!context.StillWaiting()) return Reply::CallerGone();
  const int error = BindTo(socket.fd.get(), bytes);
  return error == 0 ? Reply::Value(0) : Reply::Error(error);
}

}  // namespace

Reply HandleBind(CallContext& context, const SyscallRequest& request) {
  SysResult<CallerSocket> socket = TakeSocket(context, request.fd);
  if (!socket.ok()) return Reply::Error(socket.error());
  if (request.address_error != 0) return Reply::Error(request.address_error);
  const std::string& bytes = request.address;
  const SocketAddress address = ReadSocketAddress(bytes);
  using Kind = SocketAddress::Kind;
  switch (address.kind) {
    case Kind::kMalformed: return Reply::Error(EINVAL);
    case Kind::kUnspecified:  // inet_bind() takes it for AF_INET
    case Kind::kInet:
      if (!socket->IsInet()) return Reply::Error(EINVAL);
      if (bytes.size() < sizeof(sockaddr_in)) return Reply::Error(EINVAL);
      return BindInet(context, *socket, address, bytes);
    case Kind::kUnixPath:
      if (socket->domain != AF_UNIX) return Reply::Error(EAFNOSUPPORT);
      return SocketFile(context, socket->fd.get(), bytes, address.path).Make();
    case Kind::kUnixAbstract:
    case Kind::kUnixUnnamed: return BindOther(context, *socket, DecideOnAbstract(context), bytes);
    case Kind::kOther: {
      if (socket->domain == AF_UNIX) return Reply::Error(EINVAL);
      if (socket->IsInet()) return Reply::Error(EAFNOSUPPORT);
      const Verdict verdict = CheckFamily(context.session().policy().network, address.family);
      return BindOther(context, *socket, context.Take(verdict), bytes);
    }
  }
  return Reply::Error(EINVAL);
}

}  // namespace sessionctl
