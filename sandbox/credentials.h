// Acting on files with the rights of somebody else: the file-system user, group, supplementary
// groups and effective capabilities of one thread of this process (credentials(7)), taken from a
// thread of the session for the time of one call of its. The kernel then decides as it would have
// for that thread.
//
// For a session that keeps capabilities. All of it is a thread's own; nothing is shared, and libc
// is not asked, which would change every thread.
#ifndef SANDBOX_CREDENTIALS_H_
#define SANDBOX_CREDENTIALS_H_

#include <sys/types.h>

#include <optional>
#include <string_view>
#include <vector>

#include "sandbox/base/sys_result.h"
#include "sandbox/capabilities.h"

namespace sessionctl {

struct FileCredentials {
  uid_t fsuid = 0;
  gid_t fsgid = 0;
  std::vector<gid_t> groups;  // as the kernel sorts them
  CapabilitySet effective = 0;

  bool operator==(const FileCredentials&) const = default;
};

// From the text of /proc/TID/status; nullopt when a line is missing.
std::optional<FileCredentials> ParseCredentials(std::string_view status);

// Those of the calling thread. Errors: those of capget and getgroups.
SysResult<FileCredentials> CurrentCredentials();

// The calling thread's file-system user: what the kernel compares with a file's owner.
uid_t CurrentFileUser();

// Has the calling thread the credentials of another for as long as it lives. One at a time a
// thread, and destroyed on the thread that made it.
class AdoptedCredentials {
 public:
  // `own`: what the thread has now and gets back. Errors: EPERM when it may not take these on; then
  // nothing is changed.
  static SysResult<AdoptedCredentials> Adopt(const FileCredentials& own,
                                             const FileCredentials& callers);
  AdoptedCredentials(AdoptedCredentials&& other) noexcept;
  AdoptedCredentials(const AdoptedCredentials&) = delete;
  AdoptedCredentials& operator=(AdoptedCredentials&&) = delete;
  // A thread that cannot get its own back must serve nobody else: then the process ends.
  ~AdoptedCredentials();

 private:
  AdoptedCredentials() = default;
  bool active_ = false;
};

// While a thread has adopted credentials: looks at the session's own threads (their memory,
// descriptors, limits) go by the broker's capabilities again. Does nothing on a thread that has
// adopted none.
class OwnCapabilities {
 public:
  // Whose user and groups: still the adopted ones; those with root as the user, whom /proc/TID
  // belongs to when its thread has been another user (proc(5)); or the broker's own as well. What
  // it may not be, it is not.
  enum class Ids { kAdopted, kRoot, kOwn };
  explicit OwnCapabilities(Ids ids = Ids::kAdopted);
  ~OwnCapabilities();
  OwnCapabilities(const OwnCapabilities&) = delete;
  OwnCapabilities& operator=(const OwnCapabilities&) = delete;

  // Has this thread adopted credentials at all?
  static bool Differ();

 private:
  std::optional<FileCredentials> before_;
};

}  // namespace sessionctl

#endif  // SANDBOX_CREDENTIALS_H_
