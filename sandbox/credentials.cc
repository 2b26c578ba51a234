#include "sandbox/credentials.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "sandbox/base/raw_log.h"

namespace sessionctl {
namespace {

struct ThreadCredentials {
  FileCredentials own;
  FileCredentials now;
  CapabilityState sets;  // the others stay as they are throughout
};
thread_local std::unique_ptr<ThreadCredentials> thread_credentials;

// setfsuid and setfsgid tell no error: what they leave does. -1 is nobody, so it asks only.
uid_t FileUser() { return static_cast<uid_t>(syscall(SYS_setfsuid, -1)); }
gid_t FileGroup() { return static_cast<gid_t>(syscall(SYS_setfsgid, -1)); }

SysStatus SetEffective(CapabilitySet effective) {
  CapabilityState state = thread_credentials->sets;
  state.effective = effective & state.permitted;
  return SetCapabilities(state);
}

// Capabilities come last: a change of the file-system user away from 0 drops some, and the ids need
// them before.
SysStatus Switch(const FileCredentials& to, FileCredentials* now) {
  const bool ids = now->fsuid != to.fsuid || now->fsgid != to.fsgid || now->groups != to.groups;
  if (!ids && now->effective == to.effective) return Done{};
  if (ids) {
    if (SysStatus all = SetEffective(~CapabilitySet{0}); !all.ok()) return all;
    now->effective = ~CapabilitySet{0};
  }
  if (now->groups != to.groups) {
    if (syscall(SYS_setgroups, to.groups.size(), to.groups.data()) != 0) return LastErrno();
    now->groups = to.groups;
  }
  if (now->fsgid != to.fsgid) {
    syscall(SYS_setfsgid, to.fsgid);
    if (FileGroup() != to.fsgid) return Errno(EPERM);
    now->fsgid = to.fsgid;
  }
  if (now->fsuid != to.fsuid) {
    syscall(SYS_setfsuid, to.fsuid);
    if (FileUser() != to.fsuid) return Errno(EPERM);
    now->fsuid = to.fsuid;
  }
  if (SysStatus set = SetEffective(to.effective); !set.ok()) return set;
  now->effective = to.effective;
  return Done{};
}

void SwitchBack(const FileCredentials& to) {
  SysStatus switched = Switch(to, &thread_credentials->now);
  if (switched.ok()) return;
  RawLog("broker: a thread cannot get its own credentials back", switched.error());
  _exit(125);
}

// The text behind "Name:" up to the end of the line.
std::optional<std::string_view> StatusLine(std::string_view status, std::string_view name) {
  const size_t at = status.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  const size_t begin = at + name.size();
  const size_t end = status.find('\n', begin);
  if (end == std::string_view::npos) return std::nullopt;
  return status.substr(begin, end - begin);
}

std::vector<gid_t> Numbers(std::string_view line) {
  std::vector<gid_t> numbers;
  std::string word;
  for (const char c : std::string(line) + " ") {
    if (c >= '0' && c <= '9') {
      word += c;
    } else if (!word.empty()) {
      numbers.push_back(static_cast<gid_t>(strtoul(word.c_str(), nullptr, 10)));
      word.clear();
    }
  }
  return numbers;
}

}  // namespace

std::optional<FileCredentials> ParseCredentials(std::string_view status) {
  constexpr size_t kFileSystem = 3;  // after real, effective and saved
  const auto uids = StatusLine(status, "\nUid:\t");
  const auto gids = StatusLine(status, "\nGid:\t");
  const auto groups = StatusLine(status, "\nGroups:\t");
  const auto effective = StatusLine(status, "\nCapEff:\t");
  if (!uids || !gids || !groups || !effective) return std::nullopt;
  const std::vector<uid_t> uid = Numbers(*uids);
  const std::vector<gid_t> gid = Numbers(*gids);
  if (uid.size() <= kFileSystem || gid.size() <= kFileSystem) return std::nullopt;
  FileCredentials credentials;
  credentials.fsuid = uid[kFileSystem];
  credentials.fsgid = gid[kFileSystem];
  credentials.groups = Numbers(*groups);
  credentials.effective = strtoull(std::string(*effective).c_str(), nullptr, 16);
  return credentials;
}

SysResult<FileCredentials> CurrentCredentials() {
  FileCredentials credentials;
  credentials.fsuid = FileUser();
  credentials.fsgid = FileGroup();
  const int count = getgroups(0, nullptr);
  if (count < 0) return LastErrno();
  credentials.groups.resize(static_cast<size_t>(count));
  if (getgroups(count, credentials.groups.data()) != count) return LastErrno();
  SysResult<CapabilityState> state = GetCapabilities();
  if (!state.ok()) return Errno(state.error());
  credentials.effective = state->effective;
  return credentials;
}

uid_t CurrentFileUser() {
  // Where nothing was adopted, it follows the effective user (credentials(7)).
  return OwnCapabilities::Differ() ? thread_credentials->now.fsuid : geteuid();
}

SysResult<AdoptedCredentials> AdoptedCredentials::Adopt(const FileCredentials& own,
                                                        const FileCredentials& callers) {
  AdoptedCredentials adopted;
  if (own == callers) return adopted;
  SysResult<CapabilityState> sets = GetCapabilities();
  if (!sets.ok()) return Errno(sets.error());
  thread_credentials = std::make_unique<ThreadCredentials>(ThreadCredentials{own, own, *sets});
  adopted.active_ = true;
  SysStatus switched = Switch(callers, &thread_credentials->now);
  if (!switched.ok()) return Errno(switched.error());
  return adopted;
}

AdoptedCredentials::AdoptedCredentials(AdoptedCredentials&& other) noexcept
    : active_(std::exchange(other.active_, false)) {}

AdoptedCredentials::~AdoptedCredentials() {
  if (!active_) return;
  SwitchBack(thread_credentials->own);
  thread_credentials.reset();
}

OwnCapabilities::OwnCapabilities(Ids ids) {
  if (!Differ()) return;
  before_ = thread_credentials->now;
  FileCredentials to = ids == Ids::kOwn ? thread_credentials->own : *before_;
  if (ids == Ids::kRoot) to.fsuid = 0;
  to.effective = thread_credentials->own.effective;
  if (!Switch(to, &thread_credentials->now).ok()) SwitchBack(*before_);
}

OwnCapabilities::~OwnCapabilities() {
  if (before_) SwitchBack(*before_);
}

bool OwnCapabilities::Differ() { return thread_credentials != nullptr; }

}  // namespace sessionctl
