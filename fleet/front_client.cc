#include "fleet/front_client.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "fleet/control_client.h"
#include "fleet/hand_over.h"
#include "fleet/http_server.h"
#include "fleet/message_socket.h"
#include "fleet/parting.h"
#include "fleet/problem.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/session_store.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxHead = 4096;
constexpr int kMaxGroups = 65536;

struct User {
  std::string name, home, shell;  // "": it has no entry
  std::vector<gid_t> groups;
};

// Of a user without an entry: the group that the kernel says, and no others.
User LookUp(const ucred& credentials, gid_t& gid) {
  User user;
  const passwd* entry = getpwuid(credentials.uid);
  if (entry == nullptr) return user;
  user = {.name = entry->pw_name, .home = entry->pw_dir, .shell = entry->pw_shell, .groups = {}};
  gid = entry->pw_gid;
  int count = 64;
  for (;;) {
    user.groups.resize(static_cast<size_t>(count));
    if (getgrouplist(user.name.c_str(), gid, user.groups.data(), &count) >= 0) break;
    if (count > kMaxGroups) count = 0;
    if (count == 0) break;
  }
  user.groups.resize(static_cast<size_t>(count));
  return user;
}

bool IsOwnDirectory(const std::string& path, uid_t uid) {
  struct stat st;
  return lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid;
}

void SetEnvironment(const User& user, uid_t uid, const std::string& state) {
  const char* idle = getenv("SESSIONCTL_IDLE_EXIT");
  const std::string idle_exit = idle == nullptr ? "" : idle;
  clearenv();
  setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
  if (!user.name.empty()) {
    setenv("USER", user.name.c_str(), 1);
    setenv("LOGNAME", user.name.c_str(), 1);
    setenv("HOME", user.home.c_str(), 1);
    setenv("SHELL", user.shell.c_str(), 1);
  }
  const std::string runtime = "/run/user/" + std::to_string(uid);
  if (IsOwnDirectory(runtime, uid)) setenv("XDG_RUNTIME_DIR", runtime.c_str(), 1);
  if (!state.empty()) setenv("SESSIONCTL_STATE_DIR", state.c_str(), 1);
  if (!idle_exit.empty()) setenv("SESSIONCTL_IDLE_EXIT", idle_exit.c_str(), 1);
}

// BASE/UID, the user's alone. BASE is root's, so that nobody plants anything in it.
absl::Status MakeState(const std::string& base, uid_t uid, gid_t gid) {
  SysResult<OwnedFd> directory = OpenAt(AT_FDCWD, base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!directory.ok()) return absl::ErrnoToStatus(directory.error(), base);
  SysResult<struct stat> st = Fstat(directory->get());
  if (!st.ok() || st->st_uid != geteuid() || (st->st_mode & 022) != 0) {
    return absl::PermissionDeniedError(base + " can be changed by others than root");
  }
  const std::string name = std::to_string(uid);
  if (mkdirat(directory->get(), name.c_str(), 0700) != 0) {
    return errno == EEXIST ? absl::OkStatus() : absl::ErrnoToStatus(errno, base + "/" + name);
  }
  if (fchownat(directory->get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return absl::ErrnoToStatus(errno, base + "/" + name);
  }
  return absl::OkStatus();
}

// The head of the supervisor's answer, and what came with it.
std::string ReadHead(int supervisor) {
  std::string head;
  std::array<char, kMaxHead> piece;
  while (head.find("\r\n\r\n") == std::string::npos && head.size() < kMaxHead) {
    const ssize_t size = read(supervisor, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    head.append(piece.data(), static_cast<size_t>(size));
  }
  return head;
}

absl::Status HandOver(int client) {
  absl::StatusOr<SessionStore> store = SessionStore::OpenDefault();
  if (!store.ok()) return store.status();
  absl::StatusOr<OwnedFd> supervisor = ConnectOrStart(*store);
  if (!supervisor.ok()) return supervisor.status();
  const std::string request = kHandOverRequest;
  const bool sent = WriteAll(supervisor->get(), request.data(), request.size()).ok();
  const std::string head = ReadHead(supervisor->get());
  if (head.find("HTTP/1.1 101 ") != 0) {
    return absl::UnavailableError(sent && head.find("HTTP/1.1 503 ") == 0
                                      ? "the user's supervisor has too much to do"
                                      : "the user's supervisor does not take connections");
  }
  if (SysStatus passed = SendSocketMessage(supervisor->get(), kHandOverByte, {client});
      !passed.ok()) {
    return absl::UnavailableError("the user's supervisor has gone");
  }
  // Nothing is said to the client any more: it is the supervisor's now, or was.
  std::array<char, 1> taken;
  while (read(supervisor->get(), taken.data(), taken.size()) < 0 && errno == EINTR) {
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status BecomeUser(const ucred& credentials, const std::string& state_base) {
  const uid_t uid = credentials.uid;
  gid_t gid = credentials.gid;
  const User user = LookUp(credentials, gid);
  std::string state;
  if (!state_base.empty()) {
    if (absl::Status made = MakeState(state_base, uid, gid); !made.ok()) return made;
    state = state_base + "/" + std::to_string(uid);
  }
  if (uid != 0 && (setgroups(user.groups.size(), user.groups.data()) != 0 ||
                   setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)) {
    return absl::ErrnoToStatus(errno, "user " + std::to_string(uid));
  }
  if (uid != 0 && setuid(0) == 0) return absl::InternalError("root was not given up");
  SetEnvironment(user, uid, state);
  return chdir("/") == 0 ? absl::OkStatus() : absl::ErrnoToStatus(errno, "/");
}

void AnswerProblem(int client, int status, const std::string& code, const std::string& detail) {
  const std::string answer = WholeAnswer(Problem(status, code, detail));
  send(client, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Who finds its connection closed before it has sent anything does not look for an answer.
void AwaitRequest(int client) {
  pollfd source = {.fd = client, .events = POLLIN, .revents = 0};
  poll(&source, 1, static_cast<int>(kPartingTime.count()));
}

int HandOverToOwnSupervisor(OwnedFd client) {
  const absl::Status handed = HandOver(client.get());
  if (handed.ok()) return 0;
  AnswerProblem(client.get(), 503, "unavailable", std::string(handed.message()));
  AwaitRequest(client.get());
  return 1;
}

}  // namespace sessionctl
