// The userspace wall's decision: a pure function from what was resolved to a verdict with the rule
// that decided. No I/O, no clock, no state; any thread. It decides on real paths of pinned objects,
// never on what the caller wrote.
#ifndef POLICY_ACCESS_CHECK_H_
#define POLICY_ACCESS_CHECK_H_

#include <string>
#include <string_view>

#include "policy/policy_compiler.h"

namespace sessionctl {

enum class Operation {
  kRead,        // open for reading, list
  kWrite,       // open for writing, truncate
  kCreate,      // a name comes to be
  kCreateLink,  // a symbolic link comes to be
  kRemove,      // a name goes away
  kRenameFrom,  // the old end of a rename; both ends of an exchange are From and To
  kRenameTo,    // the new end: may replace what is there
  kLinkFrom,    // the object that gets a second name
  kMetadata,    // mode, owner, times, xattrs
  kConnect,     // a UNIX socket is connected or sent to
  kLookUp,      // looked at: stat, access, readlink … (mediated only where names are hidden)
};

const char* OperationName(Operation operation);

// What an operation is about to act on, after resolution.
struct AccessRequest {
  Operation operation;
  const CompiledMount* mount = nullptr;  // nullptr: outside every mount
  std::string_view path;  // in a mount: relative to its root ("" is the root); outside: absolute
  std::string_view
      other_path;  // kRenameFrom: the new path, kRenameTo/kLinkFrom: the other end; else ""
  bool is_regular = false;  // of the object, where one exists
  bool is_device = false;   // a character or block device
  unsigned long link_count = 1;
  bool is_copy = false;  // kRead: of a copy without the host's paths, where TellsHostPaths
};

struct Verdict {
  int error = 0;     // 0: allowed
  std::string rule;  // "mount /tmp/shared mode=ro", "deny **/.env", "no grant" …
  bool allowed() const { return error == 0; }
};

// Does the object of that path, outside every mount, tell the session the host's paths of its
// mounts? Then it may not be read.
bool TellsHostPaths(const CompiledPolicy& policy, std::string_view path);

// Errors given: ENOENT (a hidden name, or below one), EROFS (a read-only mount or glob), EACCES
// (making a hidden name, deny, outside every grant, a device inside a mount), EPERM (hardlinks =
// "single": making a link), EACCES (hardlinks = "single": using a file with two names), EBUSY (the
// mount's own root is renamed or removed).
Verdict CheckAccess(const CompiledPolicy& policy, const AccessRequest& request);

}  // namespace sessionctl

#endif  // POLICY_ACCESS_CHECK_H_
