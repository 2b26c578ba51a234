// From what a policy names to what is really there: mount directories and system paths, canonical
// and checked. Reads the file system; makes a directory only for a mount that says `create`. Used
// by the policy compiler.
#ifndef POLICY_GRANT_RESOLVER_H_
#define POLICY_GRANT_RESOLVER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/policy_compiler.h"

namespace sessionctl {

// "policy.toml:12:3", "--mount", or "policy" when nothing is known.
std::string LocationText(const SourceLocation& where);

// `path` with {session} and {user} replaced. Errors: kInvalidArgument for another name in braces,
// or a value that is empty, has a slash, or is "." or "..".
absl::StatusOr<std::string> ExpandVariables(const std::string& path,
                                            const PolicyVariables& variables);

// The real paths of the mounts, as a policy writes them, that sessions may write in; also of those
// that are yet to be made.
std::vector<std::string> WritableMounts(const std::vector<Mount>& mounts,
                                        const PolicyVariables& variables);

// Expands, creates when asked to (for whom the session runs as), canonicalises and checks one
// mount; its guest path is only normalized (view_plan.h decides on it). Errors: kInvalidArgument
// (the key and why; also when a link in one of the `writable` mounts leads out of it), kNotFound,
// kPermissionDenied.
absl::StatusOr<Mount> ResolveMount(const Mount& mount, const PolicyVariables& variables,
                                   const SessionIdentity& identity,
                                   const std::vector<std::string>& writable);

// Errors when two resolved mounts are the same directory, or when one lies in the other without
// having been written that way.
absl::Status CheckMountsDoNotOverlap(const std::vector<Mount>& mounts);

// Keeps the sessions' own records out of every mount: a deny rule where `state_directory` (existing
// or not) lies in one. Errors: kInvalidArgument when a mount lies in it.
absl::Status KeepStateDirectory(const std::string& state_directory, std::vector<Mount>* mounts);

// The canonical system grants that exist, longest path first, each path once. Errors:
// kInvalidArgument, also when a link in one of the resolved `mounts`, where sessions may write,
// leads out of it.
absl::StatusOr<std::vector<SystemGrant>> ResolveSystemGrants(const FilesystemPolicy& filesystem,
                                                             const std::vector<Mount>& mounts);

}  // namespace sessionctl

#endif  // POLICY_GRANT_RESOLVER_H_
