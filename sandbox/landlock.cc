#include "sandbox/landlock.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sandbox/base/syscalls.h"

namespace sessionctl {
namespace {

// Numbers are the same on every architecture.
constexpr int kNrCreateRuleset = 444;
constexpr int kNrAddRule = 445;
constexpr int kNrRestrictSelf = 446;
constexpr unsigned kCreateRulesetVersion = 1U << 0;
constexpr int kRulePathBeneath = 1;
constexpr int kRuleNetPort = 2;

struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

struct PathBeneathAttr {
  uint64_t allowed_access;
  int32_t parent_fd;
} __attribute__((packed));

struct NetPortAttr {
  uint64_t allowed_access;
  uint64_t port;
};

}  // namespace

int LandlockAbi() {
  long version = syscall(kNrCreateRuleset, nullptr, 0, kCreateRulesetVersion);
  return version < 0 ? 0 : static_cast<int>(version);
}

absl::StatusOr<LandlockRuleset> LandlockRuleset::Create(uint64_t handled_fs, uint64_t handled_net,
                                                        uint64_t scoped) {
  RulesetAttr attr = {handled_fs, handled_net, scoped};
  // An older kernel refuses a longer structure only if the part it does not know is not zero
  // (E2BIG).
  long fd = syscall(kNrCreateRuleset, &attr, sizeof(attr), 0);
  if (fd < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("landlock_create_ruleset: ", strerror(errno)));
  }
  return LandlockRuleset(OwnedFd(static_cast<int>(fd)), handled_fs);
}

absl::Status LandlockRuleset::Allow(int fd, uint64_t access) {
  SysResult<struct stat> info = Fstat(fd);
  if (!info.ok()) return absl::InternalError(absl::StrCat("fstat: ", strerror(info.error())));
  return Allow(fd, S_ISDIR(info->st_mode), access);
}

absl::Status LandlockRuleset::Allow(int fd, bool is_directory, uint64_t access) {
  access &= handled_fs_;
  if (!is_directory) access &= landlock::kFsFileRights;
  if (access == 0) return absl::OkStatus();  // the kernel refuses an empty rule (ENOMSG)
  PathBeneathAttr attr = {access, fd};
  if (syscall(kNrAddRule, fd_.get(), kRulePathBeneath, &attr, 0) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("landlock_add_rule: ", strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status LandlockRuleset::AllowPort(uint16_t port, uint64_t access) {
  NetPortAttr attr = {access, port};
  if (syscall(kNrAddRule, fd_.get(), kRuleNetPort, &attr, 0) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("landlock_add_rule, port ", port, ": ", strerror(errno)));
  }
  return absl::OkStatus();
}

SysStatus LandlockRuleset::RestrictSelf() const {
  if (syscall(kNrRestrictSelf, fd_.get(), 0) != 0) return LastErrno();
  return Done{};
}

std::string LandlockAccessNames(uint64_t access) {
  static constexpr const char* kNames[] = {"execute",    "write_file",  "read_file", "read_dir",
                                           "remove_dir", "remove_file", "make_char", "make_dir",
                                           "make_reg",   "make_sock",   "make_fifo", "make_block",
                                           "make_sym",   "refer",       "truncate",  "ioctl_dev"};
  std::string names;
  for (size_t bit = 0; bit < sizeof(kNames) / sizeof(kNames[0]); ++bit) {
    if ((access & (1ULL << bit)) == 0) continue;
    if (!names.empty()) names += ",";
    names += kNames[bit];
  }
  return names;
}

}  // namespace sessionctl
