// `sessionctl logs`: what a session has written.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "cli/command.h"
#include "cli/store_access.h"
#include "sandbox/base/syscalls.h"
#include "supervisor/session_log.h"

namespace sessionctl {
namespace {

constexpr std::chrono::milliseconds kPollInterval(50);
constexpr size_t kPiece = 65536;

struct LogsFlags {
  std::string reference;
  bool follow = false;
  bool audit = false;
};

// The next bytes that are there already; empty: none.
using Source = std::function<SysResult<std::string>()>;

SysStatus CopyRest(const Source& next) {
  for (;;) {
    SysResult<std::string> data = next();
    if (!data.ok()) return Errno(data.error());
    if (data->empty()) return Done{};
    SysStatus written = WriteAll(STDOUT_FILENO, data->data(), data->size());
    if (!written.ok()) return written;
  }
}

SysStatus Follow(const SessionDirectory& session, const Source& next) {
  for (;;) {
    // Asked before the copy: what was written before the end is then copied for sure.
    const bool alive = session.IsLocked();
    SysStatus copied = CopyRest(next);
    if (!copied.ok() || !alive) return copied;
    std::this_thread::sleep_for(kPollInterval);
  }
}

SysResult<std::string> ReadMore(int fd) {
  std::string data(kPiece, '\0');
  ssize_t count;
  do {
    count = read(fd, data.data(), data.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return LastErrno();
  data.resize(static_cast<size_t>(count));
  return data;
}

int Logs(const SessionStore& store, const std::string& id, const LogsFlags& flags) {
  absl::StatusOr<SessionDirectory> session = store.Find(id);
  if (!session.ok()) return Fail(kExitNotFound, session.status());
  SessionLogReader log(session->fd());
  SysResult<OwnedFd> audit = Errno(ENOENT);
  Source next = [&log] { return log.Read(kPiece); };
  if (flags.audit) {
    audit = OpenFileBeneath(session->fd(), kSessionAuditFile);
    if (!audit.ok()) {
      return Fail(kExitOwnFailure, absl::ErrnoToStatus(audit.error(), "logs of " + id));
    }
    next = [&audit] { return ReadMore(audit->get()); };
  }
  SysStatus done = flags.follow ? Follow(*session, next) : CopyRest(next);
  if (done.ok() || done.error() == EPIPE) return 0;
  return Fail(kExitOwnFailure, absl::ErrnoToStatus(done.error(), "logs of " + id));
}

}  // namespace

Command AddLogsCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("logs", "Print the output of a session");
  const auto flags = std::make_shared<LogsFlags>();
  app->add_flag("-f,--follow", flags->follow, "Go on until the session ends");
  app->add_flag("--audit", flags->audit, "The audit events instead of the output");
  app->add_option("ID", flags->reference, "Id, beginning of an id, or name")->required();
  return {app, [flags] {
            return WithSessions({flags->reference},
                                [flags](const SessionStore& store, const auto& ids) {
                                  return Logs(store, ids[0], *flags);
                                });
          }};
}

}  // namespace sessionctl
