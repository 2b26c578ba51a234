// Landlock rulesets: made before the fork, enforced after it.
#ifndef SANDBOX_LANDLOCK_H_
#define SANDBOX_LANDLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sandbox/base/owned_fd.h"
#include "sandbox/base/sys_result.h"
#include "sandbox/landlock_uapi.h"

namespace sessionctl {

// The ABI version of the running kernel; 0 when Landlock is missing or switched off at boot.
int LandlockAbi();

class LandlockRuleset {
 public:
  // Handles exactly these (all must be known to the kernel).
  static absl::StatusOr<LandlockRuleset> Create(uint64_t handled_fs, uint64_t handled_net,
                                                uint64_t scoped);

  // Grants `access` beneath the object that `fd` (O_PATH will do) refers to. Rights that the
  // ruleset does not handle, and directory rights on a file, are left out; an empty remainder adds
  // no rule.
  absl::Status Allow(int fd, uint64_t access);
  // For who knows already what it is.
  absl::Status Allow(int fd, bool is_directory, uint64_t access);

  // Grants `access` (handled network rights) on a TCP port; 0 for binding: one of the kernel's
  // choice.
  absl::Status AllowPort(uint16_t port, uint64_t access);

  // Enforces the ruleset on the calling thread, for good. Needs no_new_privs. Async-signal-safe.
  SysStatus RestrictSelf() const;

 private:
  LandlockRuleset(OwnedFd fd, uint64_t handled_fs) : fd_(std::move(fd)), handled_fs_(handled_fs) {}
  OwnedFd fd_;
  uint64_t handled_fs_;
};

// "execute,read_file,…" for messages and `policy explain`.
std::string LandlockAccessNames(uint64_t access);

}  // namespace sessionctl

#endif  // SANDBOX_LANDLOCK_H_
