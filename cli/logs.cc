// `sessionctl logs`: what a session has written.
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "cli/command.h"
#include "cli/store_access.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr std::chrono::milliseconds kPollInterval(50);

struct LogsFlags {
  std::string reference;
  bool follow = false;
  bool audit = false;
};

// Copies what there is beyond the file's position.
SysStatus CopyRest(int fd) {
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return LastErrno();
    if (count == 0) return Done{};
    SysStatus written = WriteAll(STDOUT_FILENO, buffer.data(), static_cast<size_t>(count));
    if (!written.ok()) return written;
  }
}

SysStatus Follow(const SessionDirectory& session, int fd) {
  for (;;) {
    // Asked before the copy: what was written before the end is then copied for sure.
    const bool alive = session.IsLocked();
    SysStatus copied = CopyRest(fd);
    if (!copied.ok() || !alive) return copied;
    std::this_thread::sleep_for(kPollInterval);
  }
}

int Logs(const SessionStore& store, const std::string& id, const LogsFlags& flags) {
  absl::StatusOr<SessionDirectory> session = store.Find(id);
  if (!session.ok()) return Fail(kExitNotFound, session.status());
  SysResult<OwnedFd> file =
      OpenFileBeneath(session->fd(), flags.audit ? kSessionAuditFile : kSessionOutputFile);
  if (!file.ok()) return Fail(kExitOwnFailure, absl::ErrnoToStatus(file.error(), "logs of " + id));
  SysStatus done = flags.follow ? Follow(*session, file->get()) : CopyRest(file->get());
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
