#include "sandbox/remote_task.h"

#include <linux/kcmp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

constexpr size_t kShortText = 4096;
constexpr size_t kManyGroups = 1 << 20;  // NGROUPS_MAX numbers

size_t PageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// EPERM from process_vm_readv means that the task made itself undumpable: refused, not a fault
// (trap 19).
Errno MemoryError(int error) { return Errno(error == EPERM ? EACCES : error); }

// Reads up to `size` bytes that lie in one page; returns how many arrived.
SysResult<size_t> ReadWithinPage(pid_t tid, uint64_t address, void* data, size_t size) {
  iovec local = {data, size};
  // An address of the caller's memory, never followed here.
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  iovec remote = {reinterpret_cast<void*>(address), size};
  OwnCapabilities look;
  ssize_t count = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  if (count < 0) return MemoryError(errno);
  if (count == 0) return Errno(EFAULT);
  return static_cast<size_t>(count);
}

// The number behind "Name:\t" in the text of /proc/TID/status.
uint64_t StatusField(std::string_view text, std::string_view name, int base) {
  size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  return strtoull(text.data() + at + name.size(), nullptr, base);
}

// The last of the numbers behind "Name:\t": what it is in the innermost namespace.
pid_t LastOfField(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  std::string_view line = text.substr(at + name.size());
  line = line.substr(0, line.find('\n'));
  const size_t tab = line.rfind('\t');
  return atoi(std::string(tab == std::string_view::npos ? line : line.substr(tab + 1)).c_str());
}

RemoteTask::Status ParseStatus(std::string_view text) {
  RemoteTask::Status status;
  status.own_thread = LastOfField(text, "\nNSpid:\t");
  status.own_thread_group = LastOfField(text, "\nNStgid:\t");
  status.umask = static_cast<mode_t>(StatusField(text, "\nUmask:\t", 8));
  status.table_size = StatusField(text, "\nFDSize:\t", 10);
  status.thread_group = static_cast<pid_t>(StatusField(text, "\nTgid:\t", 10));
  constexpr std::string_view kState = "\nState:\t";
  const size_t state = text.find(kState);
  if (state != std::string_view::npos && state + kState.size() < text.size()) {
    status.state = text[state + kState.size()];
  }
  return status;
}

}  // namespace

SysResult<std::string> RemoteTask::ReadString(uint64_t address, size_t limit) const {
  char buffer[PATH_MAX];
  std::string text;
  while (text.size() < limit) {
    size_t in_page = PageSize() - address % PageSize();
    size_t want = std::min({in_page, limit - text.size(), sizeof(buffer)});
    SysResult<size_t> got = ReadWithinPage(tid_, address, buffer, want);
    if (!got.ok()) return Errno(got.error());
    const void* end = memchr(buffer, '\0', *got);
    if (end != nullptr) {
      text.append(buffer, static_cast<size_t>(static_cast<const char*>(end) - buffer));
      return text;
    }
    text.append(buffer, *got);
    address += *got;
  }
  return Errno(ERANGE);
}

SysResult<std::string> RemoteTask::ReadPath(uint64_t address) const {
  SysResult<std::string> path = ReadString(address, PATH_MAX);
  if (!path.ok() && path.error() == ERANGE) return Errno(ENAMETOOLONG);
  return path;
}

SysStatus RemoteTask::ReadMemory(uint64_t address, void* data, size_t size) const {
  char* next = static_cast<char*>(data);
  while (size > 0) {
    size_t want = std::min(PageSize() - address % PageSize(), size);
    SysResult<size_t> got = ReadWithinPage(tid_, address, next, want);
    if (!got.ok()) return Errno(got.error());
    next += *got;
    address += *got;
    size -= *got;
  }
  return Done{};
}

SysStatus RemoteTask::WriteMemory(uint64_t address, const void* data, size_t size) const {
  iovec local = {const_cast<void*>(data), size};
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  iovec remote = {reinterpret_cast<void*>(address), size};
  OwnCapabilities look;
  const ssize_t count = process_vm_writev(tid_, &local, 1, &remote, 1, 0);
  if (count < 0) return MemoryError(errno);
  return count == static_cast<ssize_t>(size) ? SysStatus(Done{}) : Errno(EFAULT);
}

// What is below /proc/TID belongs to the task's own user, or to root (OwnCapabilities::Ids).
SysResult<OwnedFd> RemoteTask::OpenProc(const char* name, int flags) const {
  char path[64];
  snprintf(path, sizeof(path), "%d/%s", tid_, name);
  {
    OwnCapabilities look;
    SysResult<OwnedFd> opened = OpenAt(proc_, path, flags);
    if (opened.ok() || opened.error() != EACCES || !OwnCapabilities::Differ()) return opened;
  }
  OwnCapabilities look(OwnCapabilities::Ids::kRoot);
  return OpenAt(proc_, path, flags);
}

SysResult<std::string> RemoteTask::ReadProc(const char* name, size_t limit) const {
  char path[64];
  snprintf(path, sizeof(path), "%d/%s", tid_, name);
  OwnCapabilities look;
  SysResult<OwnedFd> file = OpenAt(proc_, path, O_RDONLY);
  if (!file.ok()) return Errno(file.error());
  std::string text(limit, '\0');
  const ssize_t size = read(file->get(), text.data(), limit);
  if (size < 0) return LastErrno();
  text.resize(static_cast<size_t>(size));
  return text;
}

SysResult<OwnedFd> RemoteTask::WorkingDirectory() const {
  return OpenProc("cwd", O_PATH | O_DIRECTORY);
}

SysResult<OwnedFd> RemoteTask::Descriptor(int fd) const {
  if (fd < 0) return Errno(EBADF);
  SysResult<OwnedFd> pidfd = PidfdOpen(tid_, kPidfdThread);
  // Below 6.9 only a thread group leader has a pidfd; its table is this thread's unless that one
  // unshared it.
  if (!pidfd.ok() && pidfd.error() == EINVAL) pidfd = PidfdOpen(tid_, 0);
  if (pidfd.ok()) {
    OwnCapabilities look;
    SysResult<OwnedFd> duplicate = PidfdGetfd(pidfd->get(), fd);
    if (duplicate.ok() || duplicate.error() == EBADF) return duplicate;
  }
  // pidfd_getfd taken away (trap 50): the magic link gives the same object, if not the same open
  // file.
  char name[32];
  snprintf(name, sizeof(name), "fd/%d", fd);
  SysResult<OwnedFd> object = OpenProc(name, O_PATH);
  if (!object.ok() && object.error() == ENOENT) return Errno(EBADF);
  return object;
}

bool RemoteTask::HasDescriptor(int fd) const {
  {
    OwnCapabilities look;
    // Is it the same open file as itself (kcmp(2))? Kernels may be built without that.
    if (syscall(SYS_kcmp, tid_, tid_, KCMP_FILE, fd, fd) == 0) return true;
    if (errno == EBADF) return false;
  }
  return Descriptor(fd).ok();
}

SysResult<RemoteTask::Status> RemoteTask::ReadStatus() const {
  SysResult<std::string> text = ReadProc("status", kShortText);
  if (!text.ok()) return Errno(text.error());
  return ParseStatus(*text);
}

SysResult<std::pair<RemoteTask::Status, FileCredentials>> RemoteTask::ReadStatusAndCredentials()
    const {
  SysResult<std::string> text = ReadProc("status", kShortText);
  if (text.ok() && text->size() == kShortText) text = ReadProc("status", kManyGroups);
  if (!text.ok()) return Errno(text.error());
  std::optional<FileCredentials> credentials = ParseCredentials(*text);
  if (!credentials) return Errno(EIO);
  return std::make_pair(ParseStatus(*text), *std::move(credentials));
}

SysResult<uint64_t> RemoteTask::Limit(int resource) const {
  struct rlimit limit;
  if (prlimit(tid_, static_cast<__rlimit_resource>(resource), nullptr, &limit) == 0) {
    return limit.rlim_cur;
  }
  if (errno != EPERM) return LastErrno();
  // Of a thread that is another user, prlimit tells nothing; everybody may read the file.
  const char* name = resource == RLIMIT_FSIZE    ? "\nMax file size "
                     : resource == RLIMIT_NOFILE ? "\nMax open files "
                                                 : nullptr;
  if (name == nullptr) return Errno(EINVAL);
  SysResult<std::string> text = ReadProc("limits", kShortText);
  if (!text.ok()) return Errno(text.error());
  const size_t at = text->find(name);
  if (at == std::string::npos) return Errno(EIO);
  const size_t value = text->find_first_not_of(' ', at + strlen(name));
  if (value == std::string::npos) return Errno(EIO);
  if (text->compare(value, 9, "unlimited") == 0) return uint64_t{RLIM_INFINITY};
  return uint64_t{strtoull(text->c_str() + value, nullptr, 10)};
}

SysResult<OwnedFd> RemoteTask::DescriptorTable() const {
  return OpenProc("fd", O_RDONLY | O_DIRECTORY);
}

void RemoteTask::Signal(int signal) const {
  OwnCapabilities look;
  syscall(SYS_tkill, tid_, signal);
}

SysResult<dev_t> RemoteTask::ControllingTerminal() const {
  SysResult<std::string> text = ReadProc("stat", kShortText);
  if (!text.ok()) return Errno(text.error());
  size_t at = text->rfind(')');  // the command's name may hold anything
  if (at == std::string::npos) return Errno(EIO);
  char state;
  int parent;
  int group;
  int session;
  int terminal;
  if (sscanf(text->c_str() + at + 1, " %c %d %d %d %d", &state, &parent, &group, &session,
             &terminal) != 5) {
    return Errno(EIO);
  }
  // proc_pid_stat(5): minor in bits 31 to 20 and 7 to 0, major in 15 to 8.
  const unsigned number = static_cast<unsigned>(terminal);
  return makedev(number >> 8 & 0xfff, (number & 0xff) | (number >> 12 & 0xfff00));
}

}  // namespace sessionctl
