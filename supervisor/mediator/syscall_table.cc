#include "supervisor/mediator/syscall_table.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "supervisor/mediator/handler_calls.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

constexpr ArgSpec In(ArgRole role, int reg) { return {role, reg, 0}; }
constexpr ArgSpec Const(ArgRole role, uint64_t value) { return {role, -1, value}; }

constexpr ArgSpec DirFd(int reg) { return In(ArgRole::kDirFd, reg); }
constexpr ArgSpec Path(int reg) { return In(ArgRole::kPath, reg); }
constexpr ArgSpec OptionalPath(int reg) { return In(ArgRole::kOptionalPath, reg); }
constexpr ArgSpec Fd(int reg) { return In(ArgRole::kFd, reg); }
constexpr ArgSpec OpenFlags(int reg) { return In(ArgRole::kOpenFlags, reg); }
constexpr ArgSpec Mode(int reg) { return In(ArgRole::kMode, reg); }
constexpr ArgSpec Dev(int reg) { return In(ArgRole::kDev, reg); }
constexpr ArgSpec AtFlags(int reg, unsigned known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) {
  return {ArgRole::kAtFlags, static_cast<int8_t>(reg), known};
}
constexpr ArgSpec Target(int reg) { return In(ArgRole::kTarget, reg); }
constexpr ArgSpec Uid(int reg) { return In(ArgRole::kUid, reg); }
constexpr ArgSpec Gid(int reg) { return In(ArgRole::kGid, reg); }
constexpr ArgSpec XattrName(int reg) { return In(ArgRole::kXattrName, reg); }
constexpr ArgSpec XattrValue(int reg) { return In(ArgRole::kXattrValue, reg); }
constexpr ArgSpec XattrFlags(int reg) { return In(ArgRole::kXattrFlags, reg); }
constexpr ArgSpec SocketAddress(int reg) { return In(ArgRole::kSocketAddress, reg); }
constexpr ArgSpec SendFlags(int reg) { return In(ArgRole::kSendFlags, reg); }
constexpr ArgSpec NoFollow() { return Const(ArgRole::kAtFlags, AT_SYMLINK_NOFOLLOW); }

constexpr ArgSpec Mask(int reg) { return In(ArgRole::kMask, reg); }
constexpr ArgSpec Result(int reg) { return In(ArgRole::kResult, reg); }
constexpr ArgSpec ResultRoom(int reg) { return In(ArgRole::kResultRoom, reg); }
constexpr unsigned kStatFlags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | 0x6000;

constexpr ArgSpec Task(int reg) { return In(ArgRole::kTask, reg); }
constexpr ArgSpec Which(int reg) { return In(ArgRole::kWhich, reg); }
constexpr ArgSpec Input(int reg, uint64_t size) {
  return {ArgRole::kIn, static_cast<int8_t>(reg), size};
}
constexpr ArgSpec Output(int reg, uint64_t size) {
  return {ArgRole::kOut, static_cast<int8_t>(reg), size};
}

constexpr auto kUnlessRead = MediatedCall::When::kUnlessRead;
constexpr auto kUnlessNative = MediatedCall::When::kUnlessNative;
constexpr auto kAlways = MediatedCall::When::kAlways;
constexpr auto kNoMemfdExec = MediatedCall::Under::kNoMemfdExec;
constexpr auto kMediatedSends = MediatedCall::Under::kMediatedSends;
constexpr auto kMediatedListens = MediatedCall::Under::kMediatedListens;
constexpr auto kShortenedNames = MediatedCall::Under::kShortenedNames;

constexpr auto kHiddenNames = MediatedCall::Under::kHiddenNames;

constexpr char kLooks[] = "looks a name up, which may be hidden";
constexpr char kByDescriptor[] = "looks a name up, which may be hidden; native without a path";
constexpr char kLists[] = "lists names, hidden ones among them";
constexpr char kOfAnother[] = "for another task than the caller itself";
constexpr char kOfOthers[] = "for others than the calling thread";
constexpr uint64_t kSchedParamSize = 4;  // struct sched_param of the kernel
constexpr uint64_t kRlimit64Size = 16;

// Every spelling of trap 36, and the calls that name a socket's address. What an architecture does
// not have (aarch64: no open, mkdir, …) is left out of its table. One row a call:
// clang-format off
std::vector<SyscallRow> MakeTable() {
  return {
      {SYS_openat, "openat", {DirFd(0), Path(1), OpenFlags(2), Mode(3)}, HandleOpen, kUnlessRead},
      {kNrOpenat2, "openat2", {DirFd(0), Path(1), In(ArgRole::kOpenHow, 2)}, HandleOpen, kAlways, {},
       "keeps its flags in memory"},
      {SYS_renameat, "renameat", {DirFd(0), Path(1), DirFd(2), Path(3)}, HandleRename},
      {SYS_renameat2, "renameat2",
       {DirFd(0), Path(1), DirFd(2), Path(3), In(ArgRole::kRenameFlags, 4)}, HandleRename},
      {SYS_mkdirat, "mkdirat", {DirFd(0), Path(1), Mode(2)}, HandleMkdir},
      {SYS_unlinkat, "unlinkat", {DirFd(0), Path(1), AtFlags(2, AT_REMOVEDIR)}, HandleUnlink},
      {SYS_linkat, "linkat", {DirFd(0), Path(1), DirFd(2), Path(3), AtFlags(4, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)},
       HandleLink},
      {SYS_symlinkat, "symlinkat", {Target(0), DirFd(1), Path(2)}, HandleSymlink},
      {SYS_mknodat, "mknodat", {DirFd(0), Path(1), Mode(2), Dev(3)}, HandleMknod},
      {SYS_fchmod, "fchmod", {Fd(0), Mode(1)}, HandleFchmod},
      {SYS_fchmodat, "fchmodat", {DirFd(0), Path(1), Mode(2)}, HandleChmod},
      {kNrFchmodat2, "fchmodat2", {DirFd(0), Path(1), Mode(2), AtFlags(3)}, HandleChmod},
      {SYS_fchown, "fchown", {Fd(0), Uid(1), Gid(2)}, HandleFchown},
      {SYS_fchownat, "fchownat", {DirFd(0), Path(1), Uid(2), Gid(3), AtFlags(4)}, HandleChown},
      {SYS_utimensat, "utimensat",
       {DirFd(0), OptionalPath(1), In(ArgRole::kTimespecs, 2), AtFlags(3, ~0U)},
       HandleUtimens},
      {SYS_truncate, "truncate", {Path(0), In(ArgRole::kLength, 1)}, HandleTruncate},
      {SYS_setxattr, "setxattr", {XattrFlags(4), XattrName(1), XattrValue(2), Path(0)},
       HandleSetxattr},
      {SYS_lsetxattr, "lsetxattr",
       {XattrFlags(4), XattrName(1), XattrValue(2), Path(0), NoFollow()}, HandleSetxattr},
      {SYS_fsetxattr, "fsetxattr", {XattrFlags(4), XattrName(1), XattrValue(2), Fd(0)},
       HandleFsetxattr},
      {kNrSetxattrat, "setxattrat",
       {In(ArgRole::kXattrArgs, 4), AtFlags(2), XattrName(3), DirFd(0), OptionalPath(1)},
       HandleSetxattr},
      {SYS_removexattr, "removexattr", {XattrName(1), Path(0)}, HandleRemovexattr},
      {SYS_lremovexattr, "lremovexattr", {XattrName(1), Path(0), NoFollow()}, HandleRemovexattr},
      {SYS_fremovexattr, "fremovexattr", {XattrName(1), Fd(0)}, HandleFremovexattr},
      {kNrRemovexattrat, "removexattrat", {AtFlags(2), XattrName(3), DirFd(0), OptionalPath(1)},
       HandleRemovexattr},
      {kNrFileSetattr, "file_setattr",
       {AtFlags(4), In(ArgRole::kFileAttr, 2), DirFd(0), OptionalPath(1)}, HandleFileSetattr},
      {SYS_memfd_create, "memfd_create",
       {In(ArgRole::kMemoryFlags, 1), In(ArgRole::kMemoryName, 0)}, HandleMemfdCreate,
       kUnlessNative, {{{1, kMfdNoexecSeal, kMfdNoexecSeal}}}, "without MFD_NOEXEC_SEAL", kNoMemfdExec},
      {SYS_prlimit64, "prlimit64", {Task(0), Input(2, kRlimit64Size), Output(3, kRlimit64Size)},
       HandleTask, kUnlessNative, {{IntIs(0, 0)}}, kOfAnother},
      {SYS_sched_setaffinity, "sched_setaffinity", {Task(0), In(ArgRole::kCpuMask, 2)}, HandleTask,
       kUnlessNative, {{IntIs(0, 0)}}, kOfAnother},
      {SYS_sched_setattr, "sched_setattr", {Task(0), In(ArgRole::kSchedAttr, 1)}, HandleTask,
       kUnlessNative, {{IntIs(0, 0)}}, kOfAnother},
      {SYS_sched_setparam, "sched_setparam", {Task(0), Input(1, kSchedParamSize)}, HandleTask,
       kUnlessNative, {{IntIs(0, 0)}}, kOfAnother},
      {SYS_sched_setscheduler, "sched_setscheduler", {Task(0), Input(2, kSchedParamSize)}, HandleTask,
       kUnlessNative, {{IntIs(0, 0)}}, kOfAnother},
      {SYS_setpriority, "setpriority", {Which(0), Task(1)}, HandleSetpriority,
       kUnlessNative, {{IntIs(0, PRIO_PROCESS), IntIs(1, 0)}}, kOfOthers},
      {SYS_ioprio_set, "ioprio_set", {Which(0), Task(1)}, HandleIoprioSet,
       kUnlessNative, {{IntIs(0, kIoprioWhoProcess), IntIs(1, 0)}}, kOfOthers},
      {SYS_connect, "connect", {Fd(0), SocketAddress(1)}, HandleConnect, kAlways, {},
       "names its destination in memory"},
      {SYS_bind, "bind", {Fd(0), SocketAddress(1)}, HandleBind, kAlways, {},
       "names an address in memory, or makes a socket file"},
      {SYS_listen, "listen", {Fd(0), In(ArgRole::kBacklog, 1)}, HandleListen, kAlways, {},
       "chooses an address where the socket has none", kMediatedListens},
      {SYS_getsockname, "getsockname", {Fd(0), In(ArgRole::kAddressOut, 1)}, HandleGetsockname,
       kAlways, {}, "tells the name by which a socket was bound", kShortenedNames},
      {SYS_sendto, "sendto", {Fd(0), SocketAddress(4), In(ArgRole::kBuffer, 1), SendFlags(3)},
       HandleSendto, kUnlessNative, {{WordIs(4, 0)}}, "with a destination", kMediatedSends},
      {SYS_sendmsg, "sendmsg", {Fd(0), In(ArgRole::kMessage, 1), SendFlags(2)}, HandleSendmsg,
       kAlways, {}, "may name a destination", kMediatedSends},
      {SYS_sendmmsg, "sendmmsg", {Fd(0), In(ArgRole::kMessages, 1), SendFlags(3)}, HandleSendmmsg,
       kAlways, {}, "may name a destination", kMediatedSends},
      {SYS_newfstatat, "newfstatat", {AtFlags(3, kStatFlags), DirFd(0), Path(1), Result(2)}, HandleStat,
       kUnlessNative, {{WordIs(1, 0)}}, kByDescriptor, kHiddenNames},
      {SYS_statx, "statx", {AtFlags(2, kStatFlags), Mask(3), DirFd(0), Path(1), Result(4)}, HandleStatx,
       kUnlessNative, {{WordIs(1, 0)}}, kByDescriptor, kHiddenNames},
      {SYS_faccessat, "faccessat", {Mask(2), DirFd(0), Path(1)}, HandleAccess, kAlways, {}, kLooks, kHiddenNames},
      {SYS_faccessat2, "faccessat2",
       {Mask(2), AtFlags(3, AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH), DirFd(0), Path(1)}, HandleAccess,
       kAlways, {}, kLooks, kHiddenNames},
      {SYS_readlinkat, "readlinkat", {DirFd(0), Path(1), ResultRoom(2)}, HandleReadlink, kAlways, {}, kLooks,
       kHiddenNames},
      {SYS_statfs, "statfs", {Path(0), Result(1)}, HandleStatfs, kAlways, {}, kLooks, kHiddenNames},
      {SYS_getxattr, "getxattr", {XattrName(1), Path(0), ResultRoom(2)}, HandleGetxattr, kAlways, {}, kLooks,
       kHiddenNames},
      {SYS_lgetxattr, "lgetxattr", {XattrName(1), Path(0), ResultRoom(2), NoFollow()}, HandleGetxattr, kAlways, {},
       kLooks, kHiddenNames},
      {kNrGetxattrat, "getxattrat",
       {In(ArgRole::kXattrRoom, 4), AtFlags(2), XattrName(3), DirFd(0), OptionalPath(1)}, HandleGetxattr, kAlways,
       {}, kLooks, kHiddenNames},
      {SYS_listxattr, "listxattr", {Path(0), ResultRoom(1)}, HandleListxattr, kAlways, {}, kLooks, kHiddenNames},
      {SYS_llistxattr, "llistxattr", {Path(0), ResultRoom(1), NoFollow()}, HandleListxattr, kAlways, {}, kLooks,
       kHiddenNames},
      {kNrListxattrat, "listxattrat", {AtFlags(2), DirFd(0), OptionalPath(1), ResultRoom(3)}, HandleListxattr,
       kAlways, {}, kLooks, kHiddenNames},
      {kNrFileGetattr, "file_getattr", {AtFlags(4), DirFd(0), OptionalPath(1), ResultRoom(2)}, HandleFileGetattr,
       kAlways, {}, kLooks, kHiddenNames},
      {SYS_inotify_add_watch, "inotify_add_watch", {Fd(0), Mask(2), Path(1)}, HandleInotifyAddWatch, kAlways, {},
       kLooks, kHiddenNames},
      {SYS_getdents64, "getdents64", {Fd(0), ResultRoom(1)}, HandleGetdents64, kAlways, {}, kLists, kHiddenNames},
#ifdef SYS_open
      {SYS_stat, "stat", {Path(0), Result(1)}, HandleStat, kAlways, {}, kLooks, kHiddenNames},
      {SYS_lstat, "lstat", {Path(0), Result(1), NoFollow()}, HandleStat, kAlways, {}, kLooks, kHiddenNames},
      {SYS_access, "access", {Mask(1), Path(0)}, HandleAccess, kAlways, {}, kLooks, kHiddenNames},
      {SYS_readlink, "readlink", {Path(0), ResultRoom(1)}, HandleReadlink, kAlways, {}, kLooks, kHiddenNames},
      {SYS_getdents, "getdents", {Fd(0), ResultRoom(1)}, HandleGetdents, kAlways, {}, kLists, kHiddenNames},
      {SYS_open, "open", {Path(0), OpenFlags(1), Mode(2)}, HandleOpen, kUnlessRead},
      {SYS_creat, "creat",
       {Path(0), Const(ArgRole::kOpenFlags, O_CREAT | O_WRONLY | O_TRUNC), Mode(1)}, HandleOpen},
      {SYS_rename, "rename", {Path(0), Path(1)}, HandleRename},
      {SYS_mkdir, "mkdir", {Path(0), Mode(1)}, HandleMkdir},
      {SYS_rmdir, "rmdir", {Path(0), Const(ArgRole::kAtFlags, AT_REMOVEDIR)}, HandleUnlink},
      {SYS_unlink, "unlink", {Path(0)}, HandleUnlink},
      {SYS_link, "link", {Path(0), Path(1)}, HandleLink},
      {SYS_symlink, "symlink", {Target(0), Path(1)}, HandleSymlink},
      {SYS_mknod, "mknod", {Path(0), Mode(1), Dev(2)}, HandleMknod},
      {SYS_chmod, "chmod", {Path(0), Mode(1)}, HandleChmod},
      {SYS_chown, "chown", {Path(0), Uid(1), Gid(2)}, HandleChown},
      {SYS_lchown, "lchown", {Path(0), Uid(1), Gid(2), NoFollow()}, HandleChown},
      {SYS_utime, "utime", {Path(0), In(ArgRole::kUtimbuf, 1)}, HandleUtimens},
      {SYS_utimes, "utimes", {Path(0), In(ArgRole::kTimevals, 1)}, HandleUtimens},
      {SYS_futimesat, "futimesat", {DirFd(0), OptionalPath(1), In(ArgRole::kTimevals, 2)},
       HandleUtimens},
#endif
  };
}
// clang-format on

const char* RoleName(ArgRole role) {
  switch (role) {
    case ArgRole::kNone: return "";
    case ArgRole::kDirFd: return "dirfd";
    case ArgRole::kPath: return "path";
    case ArgRole::kOptionalPath: return "path or NULL";
    case ArgRole::kFd: return "descriptor";
    case ArgRole::kOpenFlags: return "open flags";
    case ArgRole::kOpenHow: return "open_how";
    case ArgRole::kMode: return "mode";
    case ArgRole::kDev: return "device number";
    case ArgRole::kAtFlags: return "AT_ flags";
    case ArgRole::kRenameFlags: return "RENAME_ flags";
    case ArgRole::kTarget: return "link text";
    case ArgRole::kUid: return "uid";
    case ArgRole::kGid: return "gid";
    case ArgRole::kTimespecs: return "timespec[2]";
    case ArgRole::kTimevals: return "timeval[2]";
    case ArgRole::kUtimbuf: return "utimbuf";
    case ArgRole::kLength: return "length";
    case ArgRole::kXattrName: return "xattr name";
    case ArgRole::kXattrValue: return "xattr value";
    case ArgRole::kXattrFlags: return "xattr flags";
    case ArgRole::kXattrArgs: return "xattr_args";
    case ArgRole::kFileAttr: return "file_attr";
    case ArgRole::kMask: return "mask";
    case ArgRole::kResult: return "answer";
    case ArgRole::kResultRoom: return "room for the answer";
    case ArgRole::kXattrRoom: return "xattr_args";
    case ArgRole::kMemoryFlags: return "MFD_ flags";
    case ArgRole::kMemoryName: return "name";
    case ArgRole::kWhich: return "which";
    case ArgRole::kTask: return "task";
    case ArgRole::kIn: return "new value";
    case ArgRole::kCpuMask: return "CPU mask";
    case ArgRole::kSchedAttr: return "sched_attr";
    case ArgRole::kOut: return "old value";
    case ArgRole::kSocketAddress: return "socket address";
    case ArgRole::kAddressOut: return "room for a socket address";
    case ArgRole::kBacklog: return "backlog";
    case ArgRole::kSendFlags: return "MSG_ flags";
    case ArgRole::kBuffer: return "data";
    case ArgRole::kMessage: return "msghdr";
    case ArgRole::kMessages: return "mmsghdr[]";
  }
  return "";
}

}  // namespace

const std::vector<SyscallRow>& SyscallTable() {
  static const std::vector<SyscallRow>* const table = new std::vector<SyscallRow>(MakeTable());
  return *table;
}

const SyscallRow* FindSyscallRow(int nr) {
  static constexpr size_t kNumbers = 512;
  static const std::array<const SyscallRow*, kNumbers> index = [] {
    std::array<const SyscallRow*, kNumbers> rows = {};
    for (const SyscallRow& row : SyscallTable()) rows.at(static_cast<size_t>(row.nr)) = &row;
    return rows;
  }();
  if (nr < 0 || static_cast<size_t>(nr) >= kNumbers) return nullptr;
  return index[static_cast<size_t>(nr)];
}

std::vector<MediatedCall> MediatedCalls() {
  std::vector<MediatedCall> calls;
  for (const SyscallRow& row : SyscallTable()) {
    MediatedCall call = {row.nr,     row.name, row.when,  -1,
                         row.native, row.use,  row.under, CallsOfHandler(row.handler)};
    for (const ArgSpec& arg : row.args) {
      if (arg.role == ArgRole::kOpenFlags && row.when == kUnlessRead) call.flags_arg = arg.reg;
    }
    calls.push_back(call);
  }
  return calls;
}

std::string DescribeArguments(const SyscallRow& row) {
  std::string text;
  for (const ArgSpec& arg : row.args) {
    if (arg.role == ArgRole::kNone) continue;
    if (!text.empty()) text += ", ";
    text += RoleName(arg.role);
    if (arg.reg < 0) text += " (implied)";
  }
  return text;
}

}  // namespace sessionctl
