#include "fleet/admission.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr int64_t kManyTasks = 1000 * kSessionPids;

std::string ReadText(const std::string& path) {
  SysResult<std::string> text = ReadSmallFile(AT_FDCWD, path.c_str(), 65536);
  return text.ok() ? *text : "";
}

// The number in a file of one number; kNoBound for "max" and for a file that is not there.
int64_t ReadNumber(const std::string& path) {
  const std::string text = ReadText(path);
  if (text.empty() || text[0] < '0' || text[0] > '9') return kNoBound;
  return strtoll(text.c_str(), nullptr, 10);
}

int64_t AvailableMemory() {
  for (const absl::string_view line : absl::StrSplit(ReadText("/proc/meminfo"), '\n')) {
    if (line.substr(0, 13) == "MemAvailable:") {
      return strtoll(std::string(line.substr(13)).c_str(), nullptr, 10) * 1024;
    }
  }
  return kNoBound;
}

int64_t Left(int64_t limit, int64_t used) {
  return limit == kNoBound || used == kNoBound ? kNoBound : std::max<int64_t>(limit - used, 0);
}

// The page cache of a cgroup, which goes when memory is needed.
int64_t CachedMemory(const std::string& group) {
  for (const absl::string_view line : absl::StrSplit(ReadText(group + "memory.stat"), '\n')) {
    if (line.substr(0, 5) == "file ")
      return strtoll(std::string(line.substr(5)).c_str(), nullptr, 10);
  }
  return 0;
}

// The room in our cgroup (version 2) and in each one above it.
void BoundByCgroups(MachineRoom& room) {
  std::string path;
  for (const absl::string_view line : absl::StrSplit(ReadText("/proc/self/cgroup"), '\n')) {
    if (line.substr(0, 3) == "0::") path = std::string(line.substr(3));
  }
  for (;;) {
    const std::string group = "/sys/fs/cgroup" + path + "/";
    if (const int64_t used = ReadNumber(group + "memory.current"); used != kNoBound) {
      room.memory = std::min(room.memory, Left(ReadNumber(group + "memory.max"),
                                               std::max<int64_t>(used - CachedMemory(group), 0)));
    }
    room.pids = std::min(room.pids,
                         Left(ReadNumber(group + "pids.max"), ReadNumber(group + "pids.current")));
    if (path.empty() || path == "/") return;
    path.resize(path.rfind('/'));
  }
}

// "… 1/234 5678" in /proc/loadavg: 234 tasks on the machine.
int64_t MachineTasks() {
  const std::string text = ReadText("/proc/loadavg");
  const size_t slash = text.find('/');
  return slash == std::string::npos ? kNoBound : strtoll(text.c_str() + slash + 1, nullptr, 10);
}

// Tasks of a user, as RLIMIT_NPROC counts them.
int64_t TasksOfUser(uid_t user) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"), closedir);
  if (directory == nullptr) return 0;
  int64_t tasks = 0;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    const std::string status = ReadText(std::string("/proc/") + entry->d_name + "/status");
    const size_t owner = status.find("\nUid:");
    const size_t threads = status.find("\nThreads:");
    if (owner == std::string::npos || threads == std::string::npos) continue;
    if (strtoul(status.c_str() + owner + 5, nullptr, 10) != user) continue;
    tasks += strtoll(status.c_str() + threads + 9, nullptr, 10);
  }
  return tasks;
}

// What RLIMIT_NPROC leaves (setrlimit(2): root's processes are not held by it). Where all tasks of
// the machine would fit, ours are not counted.
int64_t TasksLeftToUser(int64_t tasks) {
  rlimit limit;
  if (getuid() == 0 || getrlimit(RLIMIT_NPROC, &limit) != 0) return kNoBound;
  if (limit.rlim_cur == RLIM_INFINITY) return kNoBound;
  const auto most = static_cast<int64_t>(limit.rlim_cur);
  const int64_t left = Left(most, tasks);
  return left >= kManyTasks ? left : Left(most, TasksOfUser(getuid()));
}

int64_t OpenDescriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), closedir);
  if (directory == nullptr) return kNoBound;
  int64_t count = 0;
  while (readdir(directory.get()) != nullptr) ++count;
  return count;
}

absl::Status Refuse(const char* resource, int count, int64_t room) {
  return absl::ResourceExhaustedError(
      absl::StrCat(resource, ": ", count, " more sessions were asked for, there is room for ",
                   std::max<int64_t>(room, 0)));
}

}  // namespace

MachineRoom LookAtMachine() {
  MachineRoom room;
  room.memory = AvailableMemory();
  const int64_t tasks = MachineTasks();
  room.pids = std::min(Left(ReadNumber("/proc/sys/kernel/pid_max"), tasks),
                       Left(ReadNumber("/proc/sys/kernel/threads-max"), tasks));
  room.pids = std::min(room.pids, TasksLeftToUser(tasks));
  BoundByCgroups(room);
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    room.descriptors = Left(static_cast<int64_t>(limit.rlim_cur), OpenDescriptors());
  }
  const std::string files = ReadText("/proc/sys/fs/file-nr");  // allocated, 0, maximum
  if (const size_t tab = files.rfind('\t'); tab != std::string::npos) {
    room.files =
        Left(strtoll(files.c_str() + tab, nullptr, 10), strtoll(files.c_str(), nullptr, 10));
  }
  return room;
}

absl::Status DecideAdmission(const MachineRoom& room, const AdmissionLimits& limits, int alive,
                             int starting, int count) {
  if (count > limits.max_sessions - alive - starting) {
    return Refuse("configured maximum", count, limits.max_sessions - alive - starting);
  }
  // What is being started has not used its share yet.
  const auto sessions = [starting](int64_t left, int64_t spare, int64_t each) {
    return left == kNoBound ? kNoBound : (left - spare) / each - starting;
  };
  const int64_t memory = sessions(room.memory, kSpareMemory, kSessionMemory);
  if (count > memory) return Refuse("memory", count, memory);
  const int64_t pids = sessions(room.pids, kSparePids, kSessionPids);
  if (count > pids) return Refuse("pids", count, pids);
  const int64_t descriptors = std::min(sessions(room.descriptors, kSpareDescriptors, 1),
                                       sessions(room.files, kSpareDescriptors, kSessionFiles));
  if (count > descriptors) return Refuse("descriptors", count, descriptors);
  return absl::OkStatus();
}

}  // namespace sessionctl
