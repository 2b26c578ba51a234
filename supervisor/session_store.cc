#include "supervisor/session_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string_view>
#include <tuple>

#include "nlohmann/json.hpp"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

using nlohmann::ordered_json;

constexpr char kStateFile[] = "state.json";
constexpr char kUnfinishedPrefix[] = ".new-";
constexpr size_t kMaxStateSize = 16 << 20;  // a command line may be megabytes
constexpr int kAbandonedAfterSeconds = 60;

absl::Status ToStatus(int error, const std::string& what) {
  return absl::ErrnoToStatus(error, what);
}

ordered_json IdentityToJson(const ProcessIdentity& process) {
  if (process.pid == 0) return nullptr;
  return {{"pid", process.pid}, {"start_ticks", process.start_ticks}};
}

ordered_json ExitToJson(const std::optional<SessionExit>& exit) {
  if (!exit.has_value()) return nullptr;
  ordered_json result;
  result["code"] = exit->code.has_value() ? ordered_json(*exit->code) : ordered_json(nullptr);
  result["signal"] = exit->signal.has_value() ? ordered_json(*exit->signal) : ordered_json(nullptr);
  result["reason"] = exit->reason;
  return result;
}

// A whole number without a point, as most limits are.
ordered_json NumberToJson(double value) {
  const auto whole = static_cast<int64_t>(value);
  return static_cast<double>(whole) == value ? ordered_json(whole) : ordered_json(value);
}

ordered_json LimitsToJson(const std::vector<SessionLimit>& limits) {
  ordered_json result = ordered_json::object();
  for (const SessionLimit& limit : limits) {
    result[limit.name] = {{"limit", NumberToJson(limit.value)}, {"by", limit.by}};
  }
  return result;
}

ordered_json ToJson(const SessionRecord& record) {
  ordered_json mounts = ordered_json::array();
  for (const SessionMount& mount : record.mounts) {
    mounts.push_back({{"host", mount.host}, {"mode", mount.mode}});
    if (mount.max_bytes) mounts.back()["max_bytes"] = *mount.max_bytes;
    if (mount.max_files) mounts.back()["max_files"] = *mount.max_files;
  }
  ordered_json result;
  result["id"] = record.id;
  result["name"] = record.name;
  result["state"] = SessionStateName(record.state);
  result["command"] = record.command;
  result["mounts"] = mounts;
  result["monitor"] = IdentityToJson(record.monitor);
  result["broker"] = IdentityToJson(record.broker);
  result["process"] = IdentityToJson(record.process);
  result["created"] = record.created;
  result["started"] = record.started.empty() ? ordered_json(nullptr) : ordered_json(record.started);
  result["ended"] = record.ended.empty() ? ordered_json(nullptr) : ordered_json(record.ended);
  result["exit"] = ExitToJson(record.exit);
  result["mediated_calls"] = record.mediated_calls;
  result["denials"] = record.denials;
  result["missing_walls"] = record.missing_walls;
  result["user"] = record.user;
  result["capabilities"] = record.capabilities;
  result["warnings"] = record.warnings;
  result["limits"] = LimitsToJson(record.limits);
  return result;
}

std::string Dump(const ordered_json& value) {
  return value.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// Readers of single members: a missing or ill-typed member leaves the default, so that a later
// version's file can be read by an earlier one.
std::string StringMember(const ordered_json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::vector<std::string> StringsMember(const ordered_json& object, const char* key) {
  std::vector<std::string> result;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return result;
  for (const ordered_json& element : *it) {
    if (element.is_string()) result.push_back(element.get<std::string>());
  }
  return result;
}

template <typename T>
std::optional<T> NumberMember(const ordered_json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number_integer()) return std::nullopt;
  return it->get<T>();
}

ProcessIdentity IdentityMember(const ordered_json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_object()) return {};
  return {.pid = NumberMember<pid_t>(*it, "pid").value_or(0),
          .start_ticks = NumberMember<uint64_t>(*it, "start_ticks").value_or(0)};
}

std::optional<SessionExit> ExitMember(const ordered_json& object) {
  const auto it = object.find("exit");
  if (it == object.end() || !it->is_object()) return std::nullopt;
  return SessionExit{.code = NumberMember<int>(*it, "code"),
                     .signal = NumberMember<int>(*it, "signal"),
                     .reason = StringMember(*it, "reason")};
}

std::vector<SessionMount> MountsMember(const ordered_json& object) {
  std::vector<SessionMount> mounts;
  const auto it = object.find("mounts");
  if (it == object.end() || !it->is_array()) return mounts;
  for (const ordered_json& mount : *it) {
    if (!mount.is_object()) continue;
    mounts.push_back({.host = StringMember(mount, "host"),
                      .mode = StringMember(mount, "mode"),
                      .max_bytes = NumberMember<int64_t>(mount, "max_bytes"),
                      .max_files = NumberMember<int64_t>(mount, "max_files")});
  }
  return mounts;
}

std::vector<SessionLimit> LimitsMember(const ordered_json& object) {
  std::vector<SessionLimit> limits;
  const auto it = object.find("limits");
  if (it == object.end() || !it->is_object()) return limits;
  for (const auto& [name, limit] : it->items()) {
    if (!limit.is_object()) continue;
    const auto value = limit.find("limit");
    if (value == limit.end() || !value->is_number()) continue;
    limits.push_back(
        {.name = name, .value = value->get<double>(), .by = StringMember(limit, "by")});
  }
  return limits;
}

constexpr std::array<SessionState, 5> kStates = {SessionState::kStarting, SessionState::kRunning,
                                                 SessionState::kExited, SessionState::kFailed,
                                                 SessionState::kLost};

std::optional<SessionState> StateMember(const ordered_json& object) {
  const std::string name = StringMember(object, "state");
  for (SessionState state : kStates) {
    if (name == SessionStateName(state)) return state;
  }
  return std::nullopt;
}

bool IsSessionId(std::string_view name) {
  return name.size() == 12 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
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

absl::StatusOr<ProcessIdentity> IdentifyProcess(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  SysResult<std::string> stat = ReadSmallFile(AT_FDCWD, path.c_str(), 4096);
  if (!stat.ok()) return ToStatus(stat.error(), path);
  // The second field is the command's name in parentheses and may itself contain both; start time
  // is the 22nd.
  const size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return absl::NotFoundError(path + ": no such process");
  size_t at = name_end + 1;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = stat->find(' ', at + 1);
  if (at == std::string::npos) return absl::InternalError(path + ": too few fields");
  return ProcessIdentity{.pid = pid, .start_ticks = strtoull(stat->c_str() + at + 1, nullptr, 10)};
}

absl::Status SignalProcess(const ProcessIdentity& process, int signal) {
  const std::string what = "process " + std::to_string(process.pid);
  if (process.pid <= 0) return absl::NotFoundError("no process");
  SysResult<OwnedFd> pidfd = PidfdOpen(process.pid, 0);
  if (!pidfd.ok()) return absl::NotFoundError(what + " has gone");
  // The descriptor pins what it refers to; if the id now shows our start time, it is our process.
  absl::StatusOr<ProcessIdentity> current = IdentifyProcess(process.pid);
  if (!current.ok() || current->start_ticks != process.start_ticks) {
    return absl::NotFoundError(what + " has gone");
  }
  if (syscall(SYS_pidfd_send_signal, pidfd->get(), signal, nullptr, 0) != 0) {
    return errno == ESRCH ? absl::NotFoundError(what + " has gone") : ToStatus(errno, what);
  }
  return absl::OkStatus();
}

const char* SessionStateName(SessionState state) {
  switch (state) {
    case SessionState::kStarting: return "starting";
    case SessionState::kRunning: return "running";
    case SessionState::kExited: return "exited";
    case SessionState::kFailed: return "failed";
    case SessionState::kLost: return "lost";
  }
  return "lost";
}

int ShellExitCode(const SessionExit& exit) {
  if (exit.code.has_value()) return *exit.code;
  if (exit.signal.has_value()) return 128 + *exit.signal;
  return 125;
}

std::string RecordToJson(const SessionRecord& record) { return Dump(ToJson(record)); }

std::string RecordsToJson(const std::vector<SessionRecord>& records) {
  ordered_json result = ordered_json::array();
  for (const SessionRecord& record : records) result.push_back(ToJson(record));
  return Dump(result);
}

absl::StatusOr<SessionRecord> RecordFromJson(const std::string& text) {
  const ordered_json value = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || !value.is_object()) return absl::DataLossError("not a JSON object");
  const std::optional<SessionState> state = StateMember(value);
  if (!state.has_value()) return absl::DataLossError("no valid \"state\"");
  SessionRecord record;
  record.id = StringMember(value, "id");
  if (!IsSessionId(record.id)) return absl::DataLossError("no valid \"id\"");
  record.name = StringMember(value, "name");
  record.command = StringsMember(value, "command");
  record.mounts = MountsMember(value);
  record.monitor = IdentityMember(value, "monitor");
  record.broker = IdentityMember(value, "broker");
  record.process = IdentityMember(value, "process");
  record.state = *state;
  record.created = StringMember(value, "created");
  record.started = StringMember(value, "started");
  record.ended = StringMember(value, "ended");
  record.exit = ExitMember(value);
  record.mediated_calls = NumberMember<uint64_t>(value, "mediated_calls").value_or(0);
  record.denials = NumberMember<uint64_t>(value, "denials").value_or(0);
  record.missing_walls = StringsMember(value, "missing_walls");
  record.user = StringMember(value, "user");
  record.capabilities = StringsMember(value, "capabilities");
  record.warnings = StringsMember(value, "warnings");
  record.limits = LimitsMember(value);
  return record;
}

std::string CurrentTimestamp() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc = {};
  gmtime_r(&now.tv_sec, &utc);
  char date[32];
  strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
  char stamp[48];
  snprintf(stamp, sizeof(stamp), "%s.%03ldZ", date, now.tv_nsec / 1000000);
  return stamp;
}

std::string NewSessionId() {
  std::array<unsigned char, 6> bytes = {};
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t count = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (count > 0) filled += static_cast<size_t>(count);
    // ENOSYS: below Linux 3.17, where nothing else works either.
    if (count < 0 && errno != EINTR) abort();
  }
  char text[13];
  for (size_t i = 0; i < bytes.size(); ++i) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  return text;
}

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

std::vector<SessionRecord> SessionStore::List() const {
  std::vector<SessionRecord> records;
  for (const std::string& name : EntryNames()) {
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
