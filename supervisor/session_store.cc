#include "supervisor/session_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string_view>
#include <tuple>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr char kStateFile[] = "state.json";
constexpr char kUnfinishedPrefix[] = ".new-";
constexpr size_t kMaxStateSize = 16 << 20;  // a command line may be megabytes
constexpr int kAbandonedAfterSeconds = 60;

absl::Status ToStatus(int error, const std::string& what) {
  return absl::ErrnoToStatus(error, what);
}

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

std::string HomeDirectory() {
  std::string home = Environment("HOME");
  if (!home.empty() && home[0] == '/') return home;
  const passwd* entry = getpwuid(geteuid());
  return entry == nullptr || entry->pw_dir == nullptr ? "" : entry->pw_dir;
}

bool IsOurDirectory(const std::string& path) {
  struct stat st;
  return !path.empty() && path[0] == '/' && lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) &&
         st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

struct DirectoryCloser {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

absl::StatusOr<SessionRecord> SessionDirectory::ReadRecord() const {
  SysResult<std::string> text = ReadFileBeneath(fd_.get(), kStateFile, kMaxStateSize);
  if (!text.ok()) return ToStatus(text.error(), id_ + "/" + kStateFile);
  return RecordFromJson(*text);
}

absl::Status SessionDirectory::WriteRecord(const SessionRecord& record,
                                           Durability durability) const {
  SysStatus written =
      WriteFileAtomically(fd_.get(), kStateFile, RecordToJson(record), 0600, durability);
  return written.ok() ? absl::OkStatus() : ToStatus(written.error(), id_ + "/" + kStateFile);
}

absl::Status SessionDirectory::WriteFirstRecord(const SessionRecord& record) const {
  SysStatus written = CreateFileBeneath(fd_.get(), kStateFile, RecordToJson(record), 0600);
  return written.ok() ? absl::OkStatus() : ToStatus(written.error(), id_ + "/" + kStateFile);
}

absl::Status SessionDirectory::WriteLastRecord(const SessionRecord& record,
                                               const std::string& reserve) const {
  SysStatus written = ReplaceByReserve(fd_.get(), kStateFile, reserve, RecordToJson(record));
  return written.ok() ? absl::OkStatus() : ToStatus(written.error(), id_ + "/" + kStateFile);
}

bool SessionDirectory::IsLocked() const {
  SysResult<bool> held = LockFile::IsHeld(fd_.get(), kSessionLockFile);
  return held.ok() && *held;
}

absl::StatusOr<SessionRecord> SessionDirectory::CurrentRecord() const {
  absl::StatusOr<SessionRecord> record = ReadRecord();
  if (!record.ok() || record->ended_already() || IsLocked()) return record;
  // The monitor may have written the end between our two looks.
  record = ReadRecord();
  if (!record.ok() || record->ended_already()) return record;
  record->state = SessionState::kLost;
  record->exit = SessionExit{.code = {}, .signal = {}, .reason = "monitor lost"};
  return record;
}

absl::StatusOr<std::string> SessionStore::DefaultPath() {
  const std::string chosen = Environment("SESSIONCTL_STATE_DIR");
  if (!chosen.empty()) {
    if (chosen[0] == '/') return chosen;
    return absl::FailedPreconditionError("SESSIONCTL_STATE_DIR must be an absolute path: " +
                                         chosen);
  }
  if (geteuid() == 0) return std::string("/run/sessionctl");
  const std::string runtime = Environment("XDG_RUNTIME_DIR");
  if (IsOurDirectory(runtime)) return runtime + "/sessionctl";
  const std::string state = Environment("XDG_STATE_HOME");
  if (!state.empty() && state[0] == '/') return state + "/sessionctl";
  const std::string home = HomeDirectory();
  if (!home.empty() && home[0] == '/') return home + "/.local/state/sessionctl";
  return absl::FailedPreconditionError(
      "no place for the state of sessions: set SESSIONCTL_STATE_DIR, XDG_RUNTIME_DIR or HOME");
}

absl::StatusOr<SessionStore> SessionStore::Open(const std::string& path) {
  SysResult<OwnedFd> fd = OpenPrivateDirectory(path);
  if (fd.ok()) return SessionStore(path, std::move(*fd));
  if (fd.error() == EPERM) {
    return absl::PermissionDeniedError("state directory " + path +
                                       " belongs to another user or is writable by others");
  }
  if (fd.error() == ELOOP) {
    return absl::PermissionDeniedError("state directory " + path + " is a symbolic link");
  }
  return ToStatus(fd.error(), "state directory " + path);
}

absl::StatusOr<SessionStore> SessionStore::OpenDefault() {
  absl::StatusOr<std::string> path = DefaultPath();
  if (!path.ok()) return path.status();
  return Open(*path);
}

bool SessionStore::IsInPlace() const {
  struct stat named;
  SysResult<struct stat> held = Fstat(fd_.get());
  return held.ok() && stat(path_.c_str(), &named) == 0 && named.st_dev == held->st_dev &&
         named.st_ino == held->st_ino;
}

absl::Status SessionStore::Reopen() {
  absl::StatusOr<SessionStore> again = Open(path_);
  if (!again.ok()) return again.status();
  // As one step: another thread may be using it.
  if (dup3(again->fd(), fd_.get(), O_CLOEXEC) < 0) return ToStatus(errno, "dup3");
  return absl::OkStatus();
}

absl::StatusOr<SessionDirectory> SessionStore::Create(const std::string& id) const {
  const std::string name = kUnfinishedPrefix + id;
  SysResult<OwnedFd> fd = MakeDirectoryBeneath(fd_.get(), name, 0700);
  if (!fd.ok()) return ToStatus(fd.error(), path_ + "/" + name);
  return SessionDirectory(id, std::move(*fd));
}

absl::Status SessionStore::Publish(const SessionDirectory& session) const {
  const std::string from = kUnfinishedPrefix + session.id();
  if (renameat2(fd_.get(), from.c_str(), fd_.get(), session.id().c_str(), RENAME_NOREPLACE) != 0) {
    return ToStatus(errno, path_ + "/" + session.id());
  }
  return absl::OkStatus();
}

void SessionStore::Discard(const SessionDirectory& session) const {
  // What stays behind goes with RemoveAbandonedStarts.
  if (!RemoveTreeBeneath(fd_.get(), kUnfinishedPrefix + session.id()).ok()) return;
}

absl::StatusOr<SessionDirectory> SessionStore::Find(const std::string& id) const {
  if (!IsSessionId(id)) return absl::NotFoundError("no session " + id);
  SysResult<OwnedFd> fd = OpenDirectoryBeneath(fd_.get(), id);
  if (!fd.ok() && fd.error() == ENOENT) return absl::NotFoundError("no session " + id);
  if (!fd.ok()) return ToStatus(fd.error(), path_ + "/" + id);
  return SessionDirectory(id, std::move(*fd));
}

std::vector<std::string> SessionStore::EntryNames() const {
  std::vector<std::string> names;
  SysResult<OwnedFd> fd = OpenDirectoryBeneath(fd_.get(), ".");
  if (!fd.ok()) return names;
  const std::unique_ptr<DIR, DirectoryCloser> directory(fdopendir(fd->get()));
  if (directory == nullptr) return names;
  fd->Release();  // now the stream's
  while (const dirent* entry = readdir(directory.get())) names.emplace_back(entry->d_name);
  return names;
}

std::vector<std::string> SessionStore::Ids() const {
  std::vector<std::string> ids = EntryNames();
  std::erase_if(ids, [](const std::string& name) { return !IsSessionId(name); });
  return ids;
}

std::vector<SessionRecord> SessionStore::List() const {
  std::vector<SessionRecord> records;
  for (const std::string& name : Ids()) {
    absl::StatusOr<SessionDirectory> session = Find(name);
    if (!session.ok()) continue;
    absl::StatusOr<SessionRecord> record = session->CurrentRecord();
    if (record.ok()) records.push_back(*std::move(record));
  }
  std::sort(records.begin(), records.end(), [](const SessionRecord& a, const SessionRecord& b) {
    return std::tie(a.created, a.id) < std::tie(b.created, b.id);
  });
  return records;
}

absl::StatusOr<std::string> SessionStore::Resolve(const std::string& reference) const {
  if (Find(reference).ok()) return reference;
  std::vector<std::string> named;
  std::vector<std::string> beginning;
  for (const SessionRecord& record : List()) {
    if (!record.name.empty() && record.name == reference) named.push_back(record.id);
    if (!reference.empty() && record.id.compare(0, reference.size(), reference) == 0) {
      beginning.push_back(record.id);
    }
  }
  const std::vector<std::string>& found = named.empty() ? beginning : named;
  if (found.empty()) return absl::NotFoundError("no session \"" + reference + "\"");
  if (found.size() == 1) return found[0];
  std::string message =
      "\"" + reference + "\" means " + std::to_string(found.size()) + " sessions:";
  for (const std::string& id : found) message += " " + id;
  return absl::InvalidArgumentError(message);
}

absl::Status SessionStore::Remove(const std::string& id) const {
  absl::StatusOr<SessionDirectory> session = Find(id);
  if (!session.ok()) return session.status();
  // Whoever holds the lock lives. Without a readable lock there is no monitor either.
  SysResult<LockFile> lock = LockFile::Acquire(session->fd(), kSessionLockFile, LockWait::kTry);
  if (!lock.ok() && lock.error() == EWOULDBLOCK) {
    return absl::FailedPreconditionError("session " + id + " is running");
  }
  SysStatus removed = RemoveTreeBeneath(fd_.get(), id);
  return removed.ok() ? absl::OkStatus() : ToStatus(removed.error(), path_ + "/" + id);
}

void SessionStore::RemoveAbandonedStarts() const {
  const std::string_view prefix = kUnfinishedPrefix;
  for (const std::string& name : EntryNames()) {
    if (std::string_view(name).substr(0, prefix.size()) != prefix) continue;
    SysResult<OwnedFd> fd = OpenDirectoryBeneath(fd_.get(), name);
    if (!fd.ok()) continue;
    SysResult<struct stat> st = Fstat(fd->get());
    if (!st.ok() || st->st_mtime + kAbandonedAfterSeconds > time(nullptr)) continue;
    SysResult<LockFile> lock = LockFile::Acquire(fd->get(), kSessionLockFile, LockWait::kTry);
    if (!lock.ok() && lock.error() == EWOULDBLOCK) continue;
    if (!RemoveTreeBeneath(fd_.get(), name).ok()) continue;  // the next prune tries again
  }
}

}  // namespace sessionctl
