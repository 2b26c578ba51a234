// A thread of the session, seen from its broker: its memory, descriptors, working directory, umask,
// credentials. Looks go by the broker's own capabilities, whoever the calling thread acts as.
// All of it may change or vanish at any time; whoever looks asks Notifier::StillWaiting afterwards.
// Reads are single: nothing here ever reads the same memory twice. Any thread.
#ifndef SANDBOX_REMOTE_TASK_H_
#define SANDBOX_REMOTE_TASK_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/credentials.h"

namespace sessionctl {

class RemoteTask {
 public:
  // What /proc/TID/status says.
  struct Status {
    char state = 0;  // 'R', 'S', 'D' …, as proc_pid_status(5) has it
    pid_t thread_group = 0;
    // The same two numbers, of the thread and of its group, as the thread itself knows them.
    pid_t own_thread = 0;
    pid_t own_thread_group = 0;
    mode_t umask = 0;
    // How many descriptors the table has places for now; none of a higher number is open.
    size_t table_size = 0;
  };

  // `proc` is an open /proc, which must outlive this.
  RemoteTask(int proc, pid_t tid) : proc_(proc), tid_(tid) {}

  pid_t tid() const { return tid_; }

  // A NUL-terminated path, read page by page (trap 20). Errors: EFAULT (an unmapped page before the
  // NUL), ENAMETOOLONG (no NUL in 4096 bytes), EACCES (the task hides its memory), ESRCH.
  SysResult<std::string> ReadPath(uint64_t address) const;
  // Exactly `size` bytes, or EFAULT.
  SysStatus ReadMemory(uint64_t address, void* data, size_t size) const;
  // Writes to the task's memory as the task itself could (trap 21), or EFAULT.
  SysStatus WriteMemory(uint64_t address, const void* data, size_t size) const;
  // A NUL-terminated string of less than `limit` bytes; ERANGE when it is longer.
  SysResult<std::string> ReadString(uint64_t address, size_t limit) const;

  // The working directory, as O_PATH.
  SysResult<OwnedFd> WorkingDirectory() const;
  // A duplicate of the task's descriptor `fd` (the same open file). EBADF when it has none.
  SysResult<OwnedFd> Descriptor(int fd) const;
  // Has the task a descriptor `fd`? Quicker.
  bool HasDescriptor(int fd) const;

  SysResult<Status> ReadStatus() const;
  // The same, and whose rights the task has with files. One look: a task that waits in a call
  // changes neither.
  SysResult<std::pair<Status, FileCredentials>> ReadStatusAndCredentials() const;
  // The soft limit: RLIMIT_FSIZE or RLIMIT_NOFILE. Errors: EINVAL for another, ESRCH.
  SysResult<uint64_t> Limit(int resource) const;
  // The directory /proc/TID/fd, for listing.
  SysResult<OwnedFd> DescriptorTable() const;
  // To the thread itself, which must be waiting in its call (trap 18).
  void Signal(int signal) const;
  // The device number of the controlling terminal, 0 for none.
  SysResult<dev_t> ControllingTerminal() const;

 private:
  SysResult<OwnedFd> OpenProc(const char* name, int flags) const;
  // For files that the kernel makes in one piece (single_open(), fs/proc): one read gets all.
  SysResult<std::string> ReadProc(const char* name, size_t limit) const;

  int proc_;
  pid_t tid_;
};

}  // namespace sessionctl

#endif  // SANDBOX_REMOTE_TASK_H_
