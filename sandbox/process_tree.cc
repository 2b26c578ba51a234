#include "sandbox/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr size_t kMaxChildren = size_t{1} << 20;

using Listing = std::unique_ptr<DIR, int (*)(DIR*)>;

Listing OpenDirectory(int at, const std::string& path) {
  SysResult<OwnedFd> fd = OpenAt(at, path.c_str(), O_RDONLY | O_DIRECTORY);
  DIR* listing = fd.ok() ? fdopendir(fd->get()) : nullptr;
  if (listing != nullptr) fd->Release();
  return {listing, closedir};
}

// The numeric names in a directory of /proc.
std::vector<pid_t> NumbersIn(int proc, const std::string& path) {
  std::vector<pid_t> numbers;
  const Listing listing = OpenDirectory(proc, path);
  if (listing == nullptr) return numbers;
  while (const dirent* entry = readdir(listing.get())) {
    const pid_t number = static_cast<pid_t>(atoi(entry->d_name));
    if (number > 0) numbers.push_back(number);
  }
  return numbers;
}

// The fields of /proc/PID/stat from the third on: the second is a name that may hold anything.
SysResult<std::string> StatFields(int proc, pid_t pid) {
  SysResult<std::string> text = ReadSmallFile(proc, (std::to_string(pid) + "/stat").c_str(), 4096);
  if (!text.ok()) return Errno(ESRCH);
  const size_t name_end = text->rfind(')');
  if (name_end == std::string::npos || name_end + 2 > text->size()) return Errno(ESRCH);
  return text->substr(name_end + 2);
}

bool KernelListsChildren(int proc) {
  const std::string self = std::to_string(getpid());
  return faccessat(proc, (self + "/task/" + self + "/children").c_str(), R_OK, 0) == 0;
}

std::vector<pid_t> ChildrenOf(int proc, pid_t pid) {
  std::vector<pid_t> children;
  for (const pid_t tid : ThreadsOf(proc, pid)) {
    const std::string path = std::to_string(pid) + "/task/" + std::to_string(tid) + "/children";
    SysResult<std::string> text = ReadSmallFile(proc, path.c_str(), kMaxChildren);
    if (!text.ok()) continue;
    std::istringstream stream(*text);
    for (pid_t child; stream >> child;) children.push_back(child);
  }
  return children;
}

std::multimap<pid_t, pid_t> AllChildren(int proc) {
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : NumbersIn(proc, ".")) {
    SysResult<std::string> fields = StatFields(proc, pid);
    if (!fields.ok()) continue;
    children.emplace(static_cast<pid_t>(atoi(fields->c_str() + 2)), pid);  // "S PPID …"
  }
  return children;
}

// Kilobytes behind `key` in status or smaps_rollup, in bytes.
uint64_t BytesOf(const std::string& text, const std::string& key) {
  const size_t at = text.find("\n" + key + ":");
  return at == std::string::npos ? 0
                                 : strtoull(text.c_str() + at + key.size() + 2, nullptr, 10) * 1024;
}

// The file of the first thread that has `key` in it; "" when none has.
std::string ReadOfAnyThread(int proc, pid_t pid, const char* file, const std::string& key) {
  const auto read = [&](pid_t tid) {
    SysResult<std::string> text =
        ReadSmallFile(proc, (std::to_string(tid) + "/" + file).c_str(), 16384);
    return text.ok() && text->find("\n" + key + ":") != std::string::npos ? *text : std::string();
  };
  std::string text = read(pid);
  if (!text.empty()) return text;
  for (const pid_t tid : ThreadsOf(proc, pid)) {
    if (text = read(tid); !text.empty()) return text;
  }
  return "";
}

}  // namespace

std::vector<pid_t> ThreadsOf(int proc, pid_t pid) {
  return NumbersIn(proc, std::to_string(pid) + "/task");
}

std::vector<pid_t> ProcessesBelow(int proc, pid_t root) {
  std::vector<pid_t> found;
  std::vector<pid_t> todo = {root};
  const bool listed = KernelListsChildren(proc);
  const std::multimap<pid_t, pid_t> all =
      listed ? std::multimap<pid_t, pid_t>() : AllChildren(proc);
  for (size_t next = 0; next < todo.size(); ++next) {
    std::vector<pid_t> children;
    if (listed) {
      children = ChildrenOf(proc, todo[next]);
    } else {
      const auto [begin, end] = all.equal_range(todo[next]);
      for (auto child = begin; child != end; ++child) children.push_back(child->second);
    }
    todo.insert(todo.end(), children.begin(), children.end());
    found.insert(found.end(), children.begin(), children.end());
  }
  return found;
}

SysResult<ProcessUsage> UsageOf(int proc, pid_t pid) {
  SysResult<std::string> fields = StatFields(proc, pid);
  if (!fields.ok()) return Errno(fields.error());
  // proc_pid_stat(5): utime, stime, cutime, cstime are fields 14 to 17, num_threads is 20.
  std::istringstream stream(*fields);
  std::string skipped;
  for (int field = 3; field < 14; ++field) stream >> skipped;
  uint64_t times[4] = {};
  for (uint64_t& time : times) stream >> time;
  stream >> skipped >> skipped;
  ProcessUsage usage;
  stream >> usage.threads;
  static const long ticks = sysconf(_SC_CLK_TCK);
  for (const uint64_t time : times) {
    usage.cpu_microseconds += time * (1'000'000 / static_cast<uint64_t>(ticks));
  }
  const std::string status = ReadOfAnyThread(proc, pid, "status", "VmRSS");
  usage.memory = BytesOf(status, "VmRSS") + BytesOf(status, "VmSwap");
  return usage;
}

SysResult<uint64_t> ProportionalMemoryOf(int proc, pid_t pid) {
  const std::string text = ReadOfAnyThread(proc, pid, "smaps_rollup", "Pss");
  if (text.empty()) return Errno(StatFields(proc, pid).ok() ? EACCES : ESRCH);
  return BytesOf(text, "Pss") + BytesOf(text, "SwapPss");
}

}  // namespace sessionctl
