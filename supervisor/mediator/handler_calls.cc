#include "supervisor/mediator/handler_calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <map>

#include "sandbox/base/syscalls.h"
#include "supervisor/mediator/handlers/handlers.h"

namespace sessionctl {
namespace {

constexpr FilterCondition FileType(mode_t type) { return {2, S_IFMT, type}; }

// With what tells whose a task is: signal 0, which asks only.
std::vector<BrokerCall> WithTaskCheck(std::vector<BrokerCall> calls) {
  calls.insert(calls.end(), {{"kill", {IntIs(1, 0)}}, {"tgkill", {IntIs(2, 0)}}, {"getpgid"}});
  return calls;
}

// With what is asked about every socket of a caller.
std::vector<BrokerCall> WithSocket(std::vector<BrokerCall> calls) {
  calls.push_back({"getsockopt"});
  return calls;
}

// A broken pipe's signal is the caller's.
std::vector<BrokerCall> Sending() {
  return WithSocket({{"sendmsg"}, {"rt_sigtimedwait"}, {"tkill", {IntIs(1, SIGPIPE)}}});
}

std::vector<BrokerCall> SendingMany() {
  std::vector<BrokerCall> calls = Sending();
  calls.push_back({"process_vm_writev"});  // msg_len
  return calls;
}

// The answer stands in the caller's memory.
std::vector<BrokerCall> Telling(std::vector<BrokerCall> calls = {}) {
  calls.push_back({"process_vm_writev"});
  return calls;
}

using CallsByHandler = std::map<SyscallHandler, std::vector<BrokerCall>>;

// By descriptor where there is such a form. By path only where the kernel has no other for what was
// pinned with O_PATH; the path is /proc/self/fd/N then.
CallsByHandler MakeCalls() {
  return {
      {HandleOpen, {{"ioctl", {IntIs(1, TIOCGPTN)}}}},
      {HandleRename, {{"renameat2", {BitClear(4, RENAME_WHITEOUT)}}}},
      {HandleMkdir, {{"mkdirat"}}},
      {HandleMknod,
       {{"mknodat", {FileType(0)}},
        {"mknodat", {FileType(S_IFREG)}},
        {"mknodat", {FileType(S_IFIFO)}},
        {"mknodat", {FileType(S_IFSOCK)}}}},
      {HandleSymlink, {{"symlinkat"}}},
      {HandleUnlink, {{"unlinkat"}}},
      {HandleLink, {{"linkat", {IntIs(4, AT_SYMLINK_FOLLOW)}}}},
      {HandleChmod, {{"fchmodat2", {IntIs(3, AT_EMPTY_PATH)}}, {"chmod"}, {"fchmodat"}}},
      {HandleFchmod, {{"fchmod"}}},
      {HandleChown, {{"fchownat", {IntIs(4, AT_EMPTY_PATH)}}}},
      {HandleFchown, {{"fchown"}}},
      {HandleUtimens, {{"utimensat", {IntIs(3, AT_EMPTY_PATH)}}}},
      {HandleFileSetattr, {{"file_setattr", {IntIs(4, 0)}}}},
      {HandleTruncate, {{"truncate"}, {"tkill", {IntIs(1, SIGXFSZ)}}}},
      {HandleSetxattr, {{"setxattr"}}},
      {HandleFsetxattr, {{"fsetxattr"}}},
      {HandleRemovexattr, {{"removexattr"}}},
      {HandleFremovexattr, {{"fremovexattr"}}},
      // NULL for a name asks what the kernel thinks of the flags, and makes nothing.
      {HandleMemfdCreate,
       {{"memfd_create", {BitSet(1, kMfdNoexecSeal)}},
        {"memfd_create", {WordIs(0, 0)}},
        {"memfd_create", {BitClear(1, kMfdExec)}, /*only_best_effort=*/true},
        {"fcntl", {IntIs(1, F_ADD_SEALS)}}}},
      {HandleTask, WithTaskCheck({{"prlimit64"},
                                  {"process_vm_writev"},
                                  {"sched_setaffinity"},
                                  {"sched_setattr"},
                                  {"sched_setparam"},
                                  {"sched_setscheduler"}})},
      {HandleSetpriority, WithTaskCheck({{"setpriority", {IntIs(0, PRIO_PROCESS)}}})},
      {HandleConnect, WithSocket({{"connect"}})},
      // By the whole path, on a thread in a domain of its own.
      {HandleBind, WithSocket({{"bind"},
                               {"fchdir"},
                               {"chdir"},
                               {"landlock_create_ruleset"},
                               {"landlock_add_rule"},
                               {"landlock_restrict_self"}})},
      {HandleListen, WithSocket({{"listen"}, {"getsockname"}, {"shutdown"}})},
      {HandleGetsockname, WithSocket({{"getsockname"}, {"process_vm_writev"}})},
      {HandleSendto, Sending()},
      {HandleSendmsg, Sending()},
      {HandleSendmmsg, SendingMany()},
      {HandleStat, Telling()},
      {HandleStatx, Telling()},
      {HandleAccess, {{"faccessat2"}}},
      {HandleReadlink, Telling()},
      {HandleStatfs, Telling()},
      {HandleGetxattr, Telling({{"getxattr"}})},
      {HandleListxattr, Telling({{"listxattr"}})},
      {HandleFileGetattr, Telling({{"file_getattr", {IntIs(4, 0)}}})},
      {HandleInotifyAddWatch, {{"inotify_add_watch"}}},
      {HandleGetdents64, Telling()},
      {HandleGetdents, Telling()},
      {HandleIoprioSet, WithTaskCheck({{"ioprio_set", {IntIs(0, kIoprioWhoProcess)}}})},
  };
}

}  // namespace

const std::vector<BrokerCall>& CallsOfHandler(SyscallHandler handler) {
  static const auto* const calls = new CallsByHandler(MakeCalls());
  const auto found = calls->find(handler);
  if (found == calls->end()) {
    fprintf(stderr, "sessionctl: a handler without a line in handler_calls.cc\n");
    abort();
  }
  return found->second;
}

}  // namespace sessionctl
